/* Open minutes and their tables of groups; what grows too large is made smaller. */
#include "inside.h"

#include <stdlib.h>

/* Groups that a table keeps, however short memory is. */
#define FEW 16

static void table_clear(engine *of, const metric *what, table *gone) {
    for (size_t i = 0; i < gone->room; i++)
        if (gone->slots[i].group) group_free(what, gone->slots[i].group, &of->used);
    if (gone->other) group_free(what, gone->other, &of->used);
    of->used.memory -= gone->room * sizeof *gone->slots;
    free(gone->slots);
    memset(gone, 0, sizeof *gone);
}

void minute_free(engine *of, minute *gone) {
    for (int i = 0; i < of->plan->metric_count; i++) table_clear(of, &of->plan->metrics[i], &gone->tables[i]);
    free(gone);
}

/* The open minute that starts then, made when it is not there. NULL when memory ran out, or (*full) minutes did. */
minute *minute_of(engine *of, int64_t start, int *full) {
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
    of->dropped++;
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
int relieve(engine *of) {
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

static void write_key(uint8_t *to, const text *parts, int count) {
    for (int i = 0; i < count; i++) {
        uint32_t size = (uint32_t)parts[i].size;
        memcpy(to, &size, sizeof size);
        memcpy(to + sizeof size, parts[i].at, size);
        to += sizeof size + size;
    }
}

/* The group with this key, made when it is not there. NULL when memory ran out. */
group *group_at(engine *of, const metric *what, table *in, const text *parts, uint64_t hash, int sampled) {
    for (size_t at = hash; in->room; at++) {
        slot *here = &in->slots[at & (in->room - 1)];
        if (!here->group) break;
        if (here->hash == hash && has_key(here->group, parts, what->by_count)) return here->group;
    }
    if (what->by_count && in->count >= of->plan->groups && squeeze(of, what, in)) return NULL;
    if (2 * in->count >= in->room && table_grow(of, in)) return NULL;
    size_t size = 0;
    for (int i = 0; i < what->by_count; i++) size += sizeof(uint32_t) + parts[i].size;
    group *made = group_new(what, size, &of->used, sampled);
    if (!made) return NULL;
    made->hash = hash;
    made->offset = in->error;
    write_key(key_of(made), parts, what->by_count);
    settle(in, made);
    in->count++;
    return made;
}
