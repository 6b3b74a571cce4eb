/* Lines into minutes, minutes into groups: batch by batch, and within a batch metric by metric. */
#include "inside.h"

#include <stdlib.h>

static inline int value_of(engine *of, int which, int line, value **found) {
    *found = &of->lines.values[which * BATCH + line];
    return (*found)->ready ? 0 : name_value(of, *found);
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

/* Whether a line meets the filter from this node on: 1, 0, or -1. */
static int meets(engine *of, const metric *what, int line, int here) {
    const node *one = &what->nodes[here];
    if (one->kind == ALWAYS) return 1;
    if (one->kind == COMPARE) {
        value *with;
        if (value_of(of, one->field, line, &with)) return -1;
        return compares(one, with, of->plan->fields[one->field].number);
    }
    for (int part = here + 1; part < one->next; part = what->nodes[part].next) {
        int met = meets(of, what, line, part);
        if (met < 0 || met == (one->kind == ANY_OF)) return met;
    }
    return one->kind == ALL_OF;
}

/* The parts of a line's key, where they stand. */
static inline int key_parts(engine *of, const metric *what, int line, text *parts) {
    for (int i = 0; i < what->by_count; i++) {
        value *found;
        if (value_of(of, what->by[i], line, &found)) return -1;
        if (of->plan->fields[what->by[i]].number) {
            parts[i] = (text){(const uint8_t *)&found->number, sizeof found->number};
        } else {
            parts[i] = found->text;
            if (parts[i].size > of->plan->value) parts[i].size = of->plan->value;
        }
    }
    return 0;
}

static int add_distinct(engine *of, const kept_distinct *kept, int line, distinct *into) {
    value *found;
    if (value_of(of, kept->field, line, &found)) return -1;
    if (!of->plan->fields[kept->field].number) {
        if (found->text.size == 1 && *found->text.at == '-') return 0;
        return distinct_add(into, hash_of(found->text.at, found->text.size), &of->used);
    }
    char shown[64];
    if (found->number == MISSING) return 0;
    return distinct_add(into, hash_of((const uint8_t *)shown, show_number(found->number, 0, shown)), &of->used);
}

static inline int number_add(numbers *to, int64_t number, int with_cells, usage *used) {
    if (LIKELY(to->next < to->last && number == (int32_t)number)) return *to->next++ = (int32_t)number, 0;
    return numbers_add(to, number, with_cells, used);
}

/* A line that was understood, and where it is counted. */
typedef struct {
    table *in;
    group *found; /* has its hash, and perhaps its key */
    uint64_t hash;
    int line;
} counted;

static int count_in(engine *of, const metric *what, const counted *one, const text *parts, int fresh) {
    group *into = fresh && one->found && has_key(one->found, parts, what->by_count) ? one->found : NULL;
    if (!into && !(into = group_at(of, what, one->in, parts, one->hash, 1))) return -1;
    const value *values = of->lines.values + one->line;
    into->count++;
    numbers *numbers = numbers_of(into);
    for (int i = 0; i < what->number_count; i++) {
        int64_t number = values[what->numbers[i].field * BATCH].number;
        if (number != MISSING && number_add(&numbers[i], number, what->numbers[i].cells, &of->used)) return -1;
    }
    distinct *distincts = distincts_of(what, into);
    for (int i = 0; i < what->distinct_count; i++)
        if (add_distinct(of, &what->distincts[i], one->line, &distincts[i])) return -1;
    uint64_t *counts = buckets_of(what, into);
    for (int i = 0; i < what->bucket_count; counts += what->buckets[i++].bounds + 1) {
        const kept_bucket *kept = &what->buckets[i];
        int64_t number = values[kept->field * BATCH].number;
        if (number == MISSING) continue;
        int class = 0;
        for (int j = 0; j < kept->bounds; j++) class += number > kept->bound[j];
        counts[class]++;
    }
    return 0;
}

/* The group with this hash, if there is one; whether it has the right key is asked later. */
static inline group *perhaps(const table *in, uint64_t hash) {
    size_t most = in->room - 1;
    for (size_t at = hash; in->room; at++) {
        const slot *here = &in->slots[at & most];
        if (!here->group || here->hash == hash) return here->group;
    }
    return NULL;
}

/* Ask for the memory of groups before it is needed: first the groups, whose places are here by now, then where their
 * next samples go. */
static void fetch_ahead(const metric *what, counted *all, int count) {
    for (int i = 0; i < count; i++) {
        group *found = all[i].found = perhaps(all[i].in, all[i].hash);
        __builtin_prefetch(found, 1);
        __builtin_prefetch((const char *)found + LINE_OF_CACHE, 1);
    }
    for (int i = 0; i < count && what->number_count; i++)
        if (all[i].found) __builtin_prefetch(numbers_of(all[i].found)->next, 1);
}

/* Count the lines that meet a metric's filter. Keys are hashed and groups asked for ahead of all counting. */
static int count_metric(engine *of, int which, minute *const *in, const uint8_t *good, int count) {
    const metric *what = &of->plan->metrics[which];
    counted chosen[BATCH];
    int met = 1, chose = 0, by = what->by_count;
    for (int i = 0; i < count; i++) {
        if (what->nodes->kind != ALWAYS && (met = meets(of, what, good[i], 0)) < 0) return -1;
        if (!met) continue;
        text *parts = of->parts + chose * by;
        if (key_parts(of, what, good[i], parts)) return -1;
        table *into = &in[i]->tables[which];
        uint64_t hash = hash_key(of, parts, by);
        if (into->room) __builtin_prefetch(&into->slots[hash & (into->room - 1)]);
        chosen[chose++] = (counted){into, NULL, hash, good[i]};
    }
    fetch_ahead(what, chosen, chose);
    uint64_t dropped = of->dropped; /* what was found may be gone once a group was dropped */
    for (int i = 0; i < chose; i++)
        if (count_in(of, what, &chosen[i], of->parts + i * by, of->dropped == dropped)) return -1;
    return of->used.memory > of->relieve_at ? relieve(of) : 0;
}

/* Count the lines that were taken; 0, or -1. */
static int count_batch(engine *of, fed *so_far) {
    batch *lines = &of->lines;
    minute *in[BATCH];
    uint8_t good[BATCH];
    int count = 0;
    match(of->plan, lines);
    read_times(of->plan, lines, &of->clock);
    read_fields(of->plan, lines);
    names_begin(of);
    so_far->lines += (uint64_t)lines->count;
    for (int i = 0; i < lines->count; i++) {
        int full = 0;
        int64_t second = lines->second[i];
        minute *here = of->last;
        if (lines->why[i] == GOOD && second >= of->until) lines->why[i] = AHEAD;
        if (lines->why[i] != GOOD) {
            so_far->reasons[lines->why[i]]++;
            continue;
        }
        if (!here || second < here->start || second >= here->start + 60)
            here = minute_of(of, second - second % 60, &full);
        if (!here && !full) return -1;
        if (full) {
            so_far->reasons[MINUTES]++;
            continue;
        }
        so_far->late += here->start + 60 <= of->closed;
        if ((uint64_t)second > so_far->newest) so_far->newest = (uint64_t)second;
        in[count] = here;
        good[count++] = (uint8_t)i;
    }
    so_far->counted += (uint64_t)count;
    for (int i = 0; i < of->plan->metric_count && count; i++)
        if (count_metric(of, i, in, good, count)) return -1;
    return 0;
}

/* Lines are read where they are, but for those so near the end that PAD bytes after them are not the block's. */
int engine_feed(engine *of, const uint8_t *at, size_t size, int64_t until, fed *so_far) {
    const uint8_t *end = at + size, *safe = size > PAD ? end - PAD : at;
    memset(so_far, 0, sizeof *so_far);
    of->until = until;
    while (safe > at && safe[-1] != '\n') safe--;
    while (at < safe) {
        at = take_lines(&of->lines, at, safe, of->plan->line);
        if (count_batch(of, so_far)) return -1;
    }
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
            take_lines(&of->lines, of->spare, of->spare + long_ + 1, of->plan->line);
            if (count_batch(of, so_far)) return -1;
        }
        at = stop + 1;
    }
    return 0;
}

/* Bits that nobody knows who does not know the seed. */
static uint64_t spread(uint64_t seed) {
    seed = (seed ^ seed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    seed = (seed ^ seed >> 27) * UINT64_C(0x94D049BB133111EB);
    return seed ^ seed >> 31;
}

engine *engine_new(plan *all, namer namer, void *context) {
    engine *made = calloc(1, sizeof *made);
    if (!made) return plan_free(all), NULL;
    made->plan = all;
    made->namer = namer;
    made->context = context;
    made->used.most_samples = all->samples;
    made->used.seed = all->seed;
    for (int i = 0; i < 2; i++) made->seeds[i] = spread(all->seed + (uint64_t)(i + 1) * UINT64_C(0x9E3779B97F4A7C15));
    made->relieve_at = all->memory;
    made->clock.start = made->clock.days = -1;
    made->key = calloc(1, MOST_BY * (all->value + 8) + PAD);
    made->spare = calloc(1, all->line + 2 + PAD);
    made->names = calloc(1, BATCH * MOST_NAME + PAD);
    made->parts = calloc(BATCH * MOST_BY, sizeof(text));
    made->lines.slots = calloc((size_t)all->slots * BATCH + 1, sizeof(text));
    made->lines.values = calloc((size_t)all->field_count * BATCH + 1, sizeof(value));
    if (!made->key || !made->spare || !made->names || !made->parts || !made->lines.slots || !made->lines.values)
        return engine_free(made), NULL;
    return made;
}

/* Frees the plan as well. */
void engine_free(engine *gone) {
    for (size_t i = 0; i < gone->minute_count; i++) minute_free(gone, gone->minutes[i]);
    urls_clear(gone);
    free(gone->minutes);
    free(gone->key);
    free(gone->spare);
    free(gone->names);
    free(gone->parts);
    free(gone->lines.slots);
    free(gone->lines.values);
    free(gone->named.data);
    plan_free(gone->plan);
    free(gone);
}
