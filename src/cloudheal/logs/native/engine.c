/* Lines into minutes, minutes into groups; what is closed is handed out, what grows too large is made smaller. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define DUMP_VERSION 1
/* Groups that a table keeps, however short memory is. */
#define FEW 16

typedef struct {
    uint64_t hash;
    group *group;
} slot;

typedef struct {
    slot *slots;
    size_t room, count;
    group *other; /* what was dropped for larger ones */
    uint64_t error;
} table;

typedef struct {
    int64_t start;
    table tables[];
} minute;

typedef struct {
    uint64_t hash;
    uint8_t *data; /* the path, then its name, then PAD */
    size_t path, named;
} known_url;

struct engine {
    plan *plan;
    namer namer;
    void *context;
    usage used;
    size_t relieve_at;
    minute **minutes;
    size_t minute_count, minute_room;
    minute *last;
    int64_t closed, until; /* lines from then on are of a time that is not yet */
    clock_cache clock;
    text slots[MOST_PARTS];
    value values[MOST_FIELDS];
    known_url *urls;
    size_t url_count, url_room, url_memory;
    uint8_t *key, *spare; /* a key being made; a line that stands too near the block's end to be read there */
    uint8_t url[8192 + PAD];
    bytes named;
};

/* --- hashing keys: with a seed, so that nobody can choose keys that collide --- */

static inline uint64_t mixed(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_key(uint64_t seed, const uint8_t *at, size_t size) {
    uint64_t state = seed ^ size, word;
    for (; size >= 8; at += 8, size -= 8) {
        memcpy(&word, at, 8);
        state = mixed(state ^ word, UINT64_C(0x9FB21C651E98DF25));
    }
    memcpy(&word, at, 8);
    word &= (UINT64_C(1) << 8 * size) - 1;
    return mixed(state ^ word, seed | 1) | 1;
}

/* Both may be read PAD bytes further, as all texts here. */
static inline int same(const uint8_t *one, const uint8_t *other, size_t size) {
    uint64_t a, b;
    for (; size >= 8; one += 8, other += 8, size -= 8) {
        memcpy(&a, one, 8);
        memcpy(&b, other, 8);
        if (a != b) return 0;
    }
    memcpy(&a, one, 8);
    memcpy(&b, other, 8);
    return !((a ^ b) & ((UINT64_C(1) << 8 * size) - 1));
}

static inline void copy(uint8_t *to, const uint8_t *from, size_t size) {
    for (size_t done = 0; done < size; done += 16) memcpy(to + done, from + done, 16);
}

/* --- minutes and tables --- */

static void table_clear(engine *of, const metric *what, table *gone) {
    for (size_t i = 0; i < gone->room; i++)
        if (gone->slots[i].group) group_free(what, gone->slots[i].group, &of->used);
    if (gone->other) group_free(what, gone->other, &of->used);
    of->used.memory -= gone->room * sizeof *gone->slots;
    free(gone->slots);
    memset(gone, 0, sizeof *gone);
}

static void minute_free(engine *of, minute *gone) {
    for (int i = 0; i < of->plan->metric_count; i++) table_clear(of, &of->plan->metrics[i], &gone->tables[i]);
    free(gone);
}

/* The open minute that starts then, made when it is not there. NULL when memory ran out, or (*full) minutes did. */
static minute *minute_of(engine *of, int64_t start, int *full) {
    if (of->last && of->last->start == start) return of->last;
    size_t low = 0, high = of->minute_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (of->minutes[middle]->start < start)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < of->minute_count && of->minutes[low]->start == start) return of->last = of->minutes[low];
    if (of->minute_count >= of->plan->minutes) return *full = 1, NULL;
    if (of->minute_count == of->minute_room) {
        size_t room = of->minute_room ? 2 * of->minute_room : 8;
        minute **grown = realloc(of->minutes, room * sizeof *grown);
        if (!grown) return NULL;
        of->minutes = grown;
        of->minute_room = room;
    }
    minute *made = calloc(1, sizeof *made + (size_t)of->plan->metric_count * sizeof(table));
    if (!made) return NULL;
    made->start = start;
    memmove(of->minutes + low + 1, of->minutes + low, (of->minute_count - low) * sizeof *of->minutes);
    of->minutes[low] = made;
    of->minute_count++;
    return of->last = made;
}

static void settle(table *in, group *one) {
    size_t at = one->hash & (in->room - 1);
    while (in->slots[at].group) at = (at + 1) & (in->room - 1);
    in->slots[at] = (slot){one->hash, one};
}

static int table_grow(engine *of, table *in) {
    size_t before = in->room;
    slot *old = in->slots, *grown = calloc(before ? 2 * before : 8, sizeof *grown);
    if (!grown) return -1;
    in->room = before ? 2 * before : 8;
    in->slots = grown;
    for (size_t i = 0; i < before; i++)
        if (old[i].group) settle(in, old[i].group);
    free(old);
    of->used.memory += (in->room - before) * sizeof *grown;
    return 0;
}

static int by_weight(const void *a, const void *b) {
    const group *one = *(group *const *)a, *other = *(group *const *)b;
    uint64_t left = one->count + one->offset, right = other->count + other->offset;
    return (left > right) - (left < right);
}

/* Drop the sixteenth of a table's groups that is smallest into `other`. Space-Saving, several at a time: whoever comes
 * now may have been dropped before, with at most `error` lines. */
static int squeeze(engine *of, const metric *what, table *in) {
    group **all = malloc(in->count * sizeof *all);
    if (!all) return -1;
    size_t count = 0, gone = in->count / 16 + 1;
    for (size_t i = 0; i < in->room; i++)
        if (in->slots[i].group) all[count++] = in->slots[i].group;
    if (!in->other && !(in->other = group_new(what, 0, &of->used, 0))) return free(all), -1;
    qsort(all, count, sizeof *all, by_weight);
    memset(in->slots, 0, in->room * sizeof *in->slots);
    in->count = 0;
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        if (i >= gone) {
            settle(in, all[i]);
            in->count++;
            continue;
        }
        uint64_t weight = all[i]->count + all[i]->offset;
        if (weight > in->error) in->error = weight;
        failed |= group_merge(what, in->other, all[i], &of->used);
        group_free(what, all[i], &of->used);
    }
    free(all);
    return failed;
}

/* Make the largest tables smaller until there is room again. */
static int relieve(engine *of) {
    while (of->used.memory > of->plan->memory) {
        table *largest = NULL;
        const metric *what = NULL;
        for (size_t i = 0; i < of->minute_count; i++)
            for (int j = 0; j < of->plan->metric_count; j++)
                if (!largest || of->minutes[i]->tables[j].count > largest->count) {
                    largest = &of->minutes[i]->tables[j];
                    what = &of->plan->metrics[j];
                }
        if (!largest || largest->count <= FEW) break;
        if (squeeze(of, what, largest)) return -1;
    }
    size_t more = of->used.memory > of->plan->memory ? of->used.memory : of->plan->memory;
    of->relieve_at = more + of->plan->memory / 64;
    return 0;
}

static group *group_at(engine *of, const metric *what, table *in, size_t size, int sampled) {
    uint64_t hash = hash_key(of->plan->seed, of->key, size);
    for (size_t at = hash; in->room; at++) {
        slot *here = &in->slots[at & (in->room - 1)];
        if (!here->group) break;
        if (here->hash == hash && here->group->key_size == size && same(here->group->key, of->key, size))
            return here->group;
    }
    if (what->by_count && in->count >= of->plan->groups && squeeze(of, what, in)) return NULL;
    if (2 * in->count >= in->room && table_grow(of, in)) return NULL;
    group *made = group_new(what, size, &of->used, sampled);
    if (!made) return NULL;
    made->hash = hash;
    made->offset = in->error;
    memcpy(made->key, of->key, size);
    settle(in, made);
    in->count++;
    return made;
}

/* --- URLs that the settings name --- */

static void urls_clear(engine *of) {
    for (size_t i = 0; i < of->url_room; i++) free(of->urls[i].data);
    free(of->urls);
    of->urls = NULL;
    of->url_count = of->url_room = of->url_memory = 0;
}

static int urls_grow(engine *of) {
    size_t room = of->url_room ? 2 * of->url_room : 64;
    known_url *grown = calloc(room, sizeof *grown);
    if (!grown) return -1;
    for (size_t i = 0; i < of->url_room; i++) {
        if (!of->urls[i].data) continue;
        size_t at = of->urls[i].hash & (room - 1);
        while (grown[at].data) at = (at + 1) & (room - 1);
        grown[at] = of->urls[i];
    }
    free(of->urls);
    of->urls = grown;
    of->url_room = room;
    return 0;
}

/* The name of a path, asked for once and remembered; when too many are, all are forgotten. */
static int ask_name(engine *of, text path, text *named) {
    uint64_t hash = hash_key(of->plan->seed, path.at, path.size);
    size_t at = hash;
    for (; of->url_room; at++) {
        known_url *known = &of->urls[at & (of->url_room - 1)];
        if (!known->data) break;
        if (known->hash == hash && known->path == path.size && !memcmp(known->data, path.at, path.size))
            return *named = (text){known->data + known->path, known->named}, 0;
    }
    of->named.size = 0;
    if (of->namer(of->context, path.at, path.size, &of->named) || of->named.failed) return -1;
    size_t size = path.size + of->named.size;
    if (of->url_count >= of->plan->urls || of->url_memory + size > of->plan->memory / 8) urls_clear(of);
    if (2 * of->url_count >= of->url_room && urls_grow(of)) return -1;
    uint8_t *data = calloc(1, size + PAD);
    if (!data) return -1;
    memcpy(data, path.at, path.size);
    if (of->named.size) memcpy(data + path.size, of->named.data, of->named.size);
    for (at = hash; of->urls[at & (of->url_room - 1)].data; at++) continue;
    of->urls[at & (of->url_room - 1)] = (known_url){hash, data, path.size, of->named.size};
    of->url_count++;
    of->url_memory += size + PAD;
    *named = (text){data + path.size, of->named.size};
    return 0;
}

static int name(engine *of, value *url) {
    text path, named;
    url->ready = 1;
    if (name_url(url->text, of->url, &path, &named) && of->plan->naming == 1) return url->text = named, 0;
    if (ask_name(of, path, &named)) return -1;
    url->text = named;
    return 0;
}

/* --- one line --- */

static int read_fields(engine *of, text line) {
    const plan *all = of->plan;
    text parts[FROM_LINE + 1];
    parts[FROM_LINE] = line;
    if (all->request_slot >= 0)
        split_request(of->slots[all->request_slot], &parts[FROM_METHOD], &parts[FROM_URL], &parts[FROM_PROTOCOL]);
    for (int i = 0; i < all->field_count; i++) {
        const field *one = &all->fields[i];
        value *found = &of->values[i];
        found->text = one->source == FROM_VARIABLE ? of->slots[one->slot] : parts[one->source];
        found->ready = !one->is_url || !all->naming;
        if (one->number && !read_number(found->text, one, &found->number)) return 0;
        if (!found->text.size && !one->number) found->text = (text){(const uint8_t *)"-                               ", 1};
    }
    return 1;
}

static int value_of(engine *of, int which, value **found) {
    *found = &of->values[which];
    return (*found)->ready ? 0 : name(of, *found);
}

static int compares(const node *one, const value *with, int number) {
    if (number) {
        int64_t found = with->number;
        if (found == MISSING) return 0;
        switch (one->op) {
        case EQUAL: return found == one->number;
        case UNEQUAL: return found != one->number;
        case ABOVE: return found > one->number;
        case FROM: return found >= one->number;
        case BELOW: return found < one->number;
        default: return found <= one->number;
        }
    }
    text here = with->text, other = one->value;
    if (one->op >= CONTAINS) {
        const uint8_t *at = here.at, *end = here.at + here.size;
        int inside = !other.size;
        while (!inside && (size_t)(end - at) >= other.size) {
            at = memchr(at, *other.at, (size_t)(end - at) - other.size + 1);
            if (!at) break;
            inside = !memcmp(at++, other.at, other.size);
        }
        return inside == (one->op == CONTAINS);
    }
    return (here.size == other.size && !memcmp(here.at, other.at, other.size)) == (one->op == EQUAL);
}

/* Whether the filter from this node on is met: 1, 0, or -1. */
static int meets(engine *of, const metric *what, int here) {
    const node *one = &what->nodes[here];
    if (one->kind == ALWAYS) return 1;
    if (one->kind == COMPARE) {
        value *with;
        if (value_of(of, one->field, &with)) return -1;
        return compares(one, with, of->plan->fields[one->field].number);
    }
    for (int part = here + 1; part < one->next; part = what->nodes[part].next) {
        int met = meets(of, what, part);
        if (met < 0 || met == (one->kind == ANY_OF)) return met;
    }
    return one->kind == ALL_OF;
}

static int make_key(engine *of, const metric *what, size_t *size) {
    uint8_t *to = of->key;
    for (int i = 0; i < what->by_count; i++) {
        value *found;
        if (value_of(of, what->by[i], &found)) return -1;
        int number = of->plan->fields[what->by[i]].number;
        const uint8_t *from = number ? (const uint8_t *)&found->number : found->text.at;
        size_t part = number ? sizeof found->number : found->text.size;
        if (!number && part > of->plan->value) part = of->plan->value;
        uint32_t written = (uint32_t)part;
        memcpy(to, &written, sizeof written);
        copy(to + sizeof written, from, part);
        to += sizeof written + part;
    }
    *size = (size_t)(to - of->key);
    return 0;
}

static int add_distinct(engine *of, const kept_distinct *kept, distinct *into) {
    value *found;
    if (value_of(of, kept->field, &found)) return -1;
    if (!of->plan->fields[kept->field].number) {
        if (found->text.size == 1 && *found->text.at == '-') return 0;
        return distinct_add(into, hash_of(found->text.at, found->text.size), &of->used);
    }
    char shown[64];
    if (found->number == MISSING) return 0;
    return distinct_add(into, hash_of((const uint8_t *)shown, show_number(found->number, 0, shown)), &of->used);
}

static int count_in(engine *of, const metric *what, table *in) {
    size_t size;
    if (make_key(of, what, &size)) return -1;
    group *into = group_at(of, what, in, size, 1);
    if (!into) return -1;
    into->count++;
    for (int i = 0; i < what->number_count; i++) {
        int64_t number = of->values[what->numbers[i].field].number;
        if (number != MISSING && numbers_add(&into->numbers[i], number, what->numbers[i].cells, &of->used)) return -1;
    }
    for (int i = 0; i < what->distinct_count; i++)
        if (add_distinct(of, &what->distincts[i], &into->distincts[i])) return -1;
    uint64_t *counts = into->buckets;
    for (int i = 0; i < what->bucket_count; counts += what->buckets[i++].bounds + 1) {
        const kept_bucket *kept = &what->buckets[i];
        int64_t number = of->values[kept->field].number;
        if (number == MISSING) continue;
        int class = 0;
        for (int j = 0; j < kept->bounds; j++) class += number > kept->bound[j];
        counts[class]++;
    }
    return 0;
}

/* Count one line; returns what follows it, NULL after a failure. */
static const uint8_t *line(engine *of, const uint8_t *at, fed *so_far) {
    const uint8_t *end = match(of->plan, at, of->slots), *stop = end ? end : find_end(at);
    size_t size = (size_t)(stop - at);
    int64_t second;
    int full = 0;
    if (size && stop[-1] == '\r') size--;
    so_far->lines++;
    if (size > of->plan->line) return so_far->reasons[LONG]++, stop + 1;
    if (!end) return so_far->reasons[SHAPE]++, stop + 1;
    if (!read_time(of->plan, of->slots[of->plan->time_slot], &of->clock, &second))
        return so_far->reasons[TIME]++, stop + 1;
    if (!read_fields(of, (text){at, size})) return so_far->reasons[NUMBER]++, stop + 1;
    if (second >= of->until) return so_far->reasons[AHEAD]++, stop + 1;
    minute *in = minute_of(of, second - second % 60, &full);
    if (full) return so_far->reasons[MINUTES]++, stop + 1;
    if (!in) return NULL;
    so_far->counted++;
    so_far->late += in->start + 60 <= of->closed;
    if ((uint64_t)second > so_far->newest) so_far->newest = (uint64_t)second;
    for (int i = 0; i < of->plan->metric_count; i++) {
        const metric *what = &of->plan->metrics[i];
        int met = meets(of, what, 0);
        if (met < 0 || (met && count_in(of, what, &in->tables[i]))) return NULL;
    }
    if (of->used.memory > of->relieve_at && relieve(of)) return NULL;
    return stop + 1;
}

/* Lines are read where they are, but for those so near the end that PAD bytes after them are not the block's. */
int engine_feed(engine *of, const uint8_t *at, size_t size, int64_t until, fed *so_far) {
    const uint8_t *end = at + size, *safe = size > PAD ? end - PAD : at;
    memset(so_far, 0, sizeof *so_far);
    of->until = until;
    while (safe > at && safe[-1] != '\n') safe--;
    while (at < safe)
        if (!(at = line(of, at, so_far))) return -1;
    while (at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        size_t long_ = (size_t)(stop - at);
        if (long_ > of->plan->line + 1) {
            so_far->lines++;
            so_far->reasons[LONG]++;
        } else {
            memcpy(of->spare, at, long_);
            memset(of->spare + long_, 0, PAD);
            of->spare[long_] = '\n';
            if (!line(of, of->spare, so_far)) return -1;
        }
        at = stop + 1;
    }
    return 0;
}

/* --- handing out, dumping, loading --- */

static int write_rows(engine *of, const metric *what, table *in, int raw, bytes *out) {
    put_number(out, in->count + (in->other != NULL));
    for (size_t i = 0; i < in->room; i++)
        if (in->slots[i].group && group_write(of->plan, what, in->slots[i].group, 0, raw, &of->used, out)) return -1;
    return in->other ? group_write(of->plan, what, in->other, 1, raw, &of->used, out) : 0;
}

int engine_close(engine *of, int64_t before, bytes *out) {
    size_t gone = 0;
    bytes rows = {0};
    int failed = 0;
    if (before > of->closed) of->closed = before < FOREVER ? before : FOREVER;
    for (; gone < of->minute_count && of->minutes[gone]->start + 60 <= before; gone++) {
        minute *one = of->minutes[gone];
        for (int i = 0; i < of->plan->metric_count; i++) {
            table *from = &one->tables[i];
            if (!from->count && !from->other) continue;
            rows.size = 0;
            put_number(&rows, 1);
            failed |= write_rows(of, &of->plan->metrics[i], from, 0, &rows) || rows.failed;
            put_number(out, (unsigned)i);
            put_signed(out, one->start);
            put_number(out, from->error);
            put_text(out, rows.data, rows.size);
        }
    }
    free(rows.data);
    if (failed || out->failed) return -1;
    for (size_t i = 0; i < gone; i++) minute_free(of, of->minutes[i]);
    if (gone) memmove(of->minutes, of->minutes + gone, (of->minute_count - gone) * sizeof *of->minutes);
    of->minute_count -= gone;
    of->last = NULL;
    return 0;
}

int engine_dump(engine *of, bytes *out) {
    put_number(out, DUMP_VERSION);
    put_signed(out, of->closed);
    put_number(out, of->minute_count);
    for (size_t i = 0; i < of->minute_count; i++) {
        put_signed(out, of->minutes[i]->start);
        for (int j = 0; j < of->plan->metric_count; j++) {
            table *from = &of->minutes[i]->tables[j];
            put_number(out, from->error);
            if (write_rows(of, &of->plan->metrics[j], from, 1, out)) return -1;
        }
    }
    return out->failed ? -1 : 0;
}

/* One row of a dump; 1 when it cannot be one. */
static int load_row(engine *of, const metric *what, table *into, input *in) {
    size_t parts = get_many(in);
    uint8_t *to = of->key;
    group *one;
    if (!parts && what->by_count) {
        if (in->failed || into->other) return 1;
        one = into->other = group_new(what, 0, &of->used, 0);
    } else {
        if (parts != (size_t)what->by_count) return 1;
        for (int i = 0; i < what->by_count; i++) {
            text part = get_text(in);
            uint32_t size = (uint32_t)part.size;
            if (in->failed || part.size > (of->plan->fields[what->by[i]].number ? 8 : of->plan->value)) return 1;
            if (of->plan->fields[what->by[i]].number && part.size != 8) return 1;
            memcpy(to, &size, sizeof size);
            memcpy(to + sizeof size, part.at, part.size);
            to += sizeof size + part.size;
        }
        size_t before = into->count;
        one = group_at(of, what, into, (size_t)(to - of->key), 0);
        if (one && into->count == before) return 1; /* twice the same key */
    }
    if (!one || group_read(what, one, in, &of->used)) return -1;
    return in->failed;
}

/* Returns 0, -1 without memory, 1 when the bytes are no dump of such a plan. The engine must be new. */
int engine_load(engine *of, const uint8_t *data, size_t size) {
    input in = {data, data + size, 0};
    if (get_number(&in) != DUMP_VERSION) return 1;
    __int128 closed = get_signed(&in);
    if (closed < 0 || closed > FOREVER) return 1;
    of->closed = (int64_t)closed;
    for (size_t minutes = get_many(&in); minutes && !in.failed; minutes--) {
        int full = 0;
        __int128 start = get_signed(&in);
        if (in.failed || start < 0 || start > FOREVER || start % 60) return 1;
        minute *into = minute_of(of, (int64_t)start, &full);
        if (!into) return full ? 1 : -1;
        for (int i = 0; i < of->plan->metric_count; i++) {
            table *one = &into->tables[i];
            one->error = get_number(&in);
            for (size_t rows = get_many(&in); rows && !in.failed; rows--) {
                int failed = load_row(of, &of->plan->metrics[i], one, &in);
                if (failed) return failed;
            }
        }
    }
    return in.failed || in.at != in.end;
}

engine *engine_new(plan *all, namer namer, void *context) {
    engine *made = calloc(1, sizeof *made);
    if (!made) return plan_free(all), NULL;
    made->plan = all;
    made->namer = namer;
    made->context = context;
    made->used.most_samples = all->samples;
    made->used.seed = all->seed;
    made->relieve_at = all->memory;
    made->clock.start = made->clock.days = -1;
    made->key = calloc(1, MOST_BY * (sizeof(uint32_t) + all->value + 8) + PAD);
    made->spare = calloc(1, all->line + 2 + PAD);
    if (!made->key || !made->spare) return engine_free(made), NULL;
    return made;
}

/* Frees the plan as well. */
void engine_free(engine *gone) {
    for (size_t i = 0; i < gone->minute_count; i++) minute_free(gone, gone->minutes[i]);
    urls_clear(gone);
    free(gone->minutes);
    free(gone->key);
    free(gone->spare);
    free(gone->named.data);
    plan_free(gone->plan);
    free(gone);
}
