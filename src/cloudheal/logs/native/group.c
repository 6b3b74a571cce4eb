/* What a group of a minute holds: numbers with their samples and cells, distinct values, classes. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* As counting.py's `cell_of`. */
static int32_t cell_of(int64_t number) {
    uint64_t size = number < 0 ? -(uint64_t)number : (uint64_t)number;
    if (size < 128) return (int32_t)number;
    int shift = 57 - __builtin_clzll(size);
    int32_t found = 128 + (shift - 1) * 64 + (int32_t)(size >> shift) - 64;
    return number < 0 ? -found : found;
}

static int by_hash(const void *a, const void *b) {
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return (one > other) - (one < other);
}

static int by_cell(const void *a, const void *b) {
    int32_t one = ((const cell *)a)->cell, other = ((const cell *)b)->cell;
    return (one > other) - (one < other);
}

/* --- numbers --- */

static size_t sample_count(const numbers *of) {
    return of->wide ? of->wide_count : of->samples ? (size_t)(of->next - (int32_t *)of->samples) : 0;
}

static int64_t sample_at(const numbers *of, size_t which) {
    return of->wide ? ((int64_t *)of->samples)[which] : ((int32_t *)of->samples)[which];
}

static int cells_grow(numbers *of, usage *used) {
    size_t room = of->cell_room ? 2 * of->cell_room : 8;
    cell *grown = malloc(room * sizeof *grown);
    if (!grown) return -1;
    for (size_t i = 0; i < room; i++) grown[i].cell = INT32_MIN;
    for (size_t i = 0; i < of->cell_room; i++) {
        if (of->cells[i].cell == INT32_MIN) continue;
        size_t at = (uint32_t)of->cells[i].cell * 0x9E3779B1u >> 7 & (room - 1);
        while (grown[at].cell != INT32_MIN) at = (at + 1) & (room - 1);
        grown[at] = of->cells[i];
    }
    free(of->cells);
    used->memory += (room - of->cell_room) * sizeof *grown;
    of->cells = grown;
    of->cell_room = room;
    return 0;
}

static int cells_add(numbers *of, int32_t which, uint64_t count, usage *used) {
    if (of->cell_count * 4 >= of->cell_room * 3 && cells_grow(of, used)) return -1;
    size_t at = (uint32_t)which * 0x9E3779B1u >> 7 & (of->cell_room - 1);
    while (of->cells[at].cell != which && of->cells[at].cell != INT32_MIN) at = (at + 1) & (of->cell_room - 1);
    if (of->cells[at].cell == INT32_MIN) {
        of->cells[at] = (cell){which, 0};
        of->cell_count++;
    }
    of->cells[at].count += count;
    return 0;
}

/* Add up the samples that are not yet. */
static void numbers_sum(numbers *of) {
    size_t count = sample_count(of);
    int64_t least = of->count ? of->least : INT64_MAX, most = of->count ? of->most : INT64_MIN;
    for (size_t i = of->summed; i < count; i++) {
        int64_t number = sample_at(of, i);
        of->total += number;
        least = number < least ? number : least;
        most = number > most ? number : most;
    }
    of->count += count - of->summed;
    of->summed = count;
    of->least = of->count ? least : 0;
    of->most = of->count ? most : 0;
}

/* Count the samples in cells that are not yet; they stay. */
static int numbers_fold(numbers *of, usage *used) {
    numbers_sum(of);
    for (size_t count = sample_count(of); of->folded < count; of->folded++)
        if (cells_add(of, cell_of(sample_at(of, of->folded)), 1, used)) return -1;
    return 0;
}

static void samples_free(numbers *of, usage *used) {
    used->samples -= of->room;
    free(of->samples);
    of->next = of->last = of->samples = NULL;
    of->summed = of->folded = of->wide_count = of->room = 0;
    of->wide = of->sampled = 0;
}

/* Make room for another sample, wide or not; where there may be no more, none are kept from then on. */
static int samples_grow(numbers *of, int wide, usage *used) {
    size_t count = sample_count(of), room = count < of->room ? of->room : of->room ? 4 * of->room : 8;
    if (used->samples + room - of->room > used->most_samples) {
        if (numbers_fold(of, used)) return -1;
        return samples_free(of, used), 0;
    }
    void *grown = malloc(room * (wide ? sizeof(int64_t) : sizeof(int32_t)));
    if (!grown) return -1;
    for (size_t i = 0; i < count && wide; i++) ((int64_t *)grown)[i] = sample_at(of, i);
    if (count && !wide) memcpy(grown, of->samples, count * sizeof(int32_t));
    free(of->samples);
    used->samples += room - of->room;
    of->samples = grown;
    of->room = room;
    of->wide = wide;
    of->wide_count = wide ? count : 0;
    of->next = wide ? NULL : (int32_t *)grown + count;
    of->last = wide ? NULL : (int32_t *)grown + room;
    return 0;
}

/* What engine.c does not do in place. */
static int sample_add(numbers *of, int64_t number, usage *used) {
    int wide = of->wide || number != (int32_t)number;
    int full = of->wide ? of->wide_count == of->room : of->next == of->last;
    if ((full || wide != of->wide) && samples_grow(of, wide, used)) return -1;
    if (!of->sampled) return 1;
    if (wide)
        ((int64_t *)of->samples)[of->wide_count++] = number;
    else
        *of->next++ = (int32_t)number;
    return 0;
}

int numbers_add(numbers *of, int64_t number, int with_cells, usage *used) {
    if (of->sampled) {
        int left = sample_add(of, number, used);
        if (left <= 0) return left;
    }
    if (!of->count || number < of->least) of->least = number;
    if (!of->count || number > of->most) of->most = number;
    of->count++;
    of->total += number;
    return with_cells ? cells_add(of, cell_of(number), 1, used) : 0;
}

static int numbers_merge(numbers *into, numbers *from, int with_cells, usage *used) {
    numbers_sum(from);
    if (!from->count) return 0;
    if (!into->count || from->least < into->least) into->least = from->least;
    if (!into->count || from->most > into->most) into->most = from->most;
    into->count += from->count;
    into->total += from->total;
    for (size_t i = from->folded, count = sample_count(from); with_cells && i < count; i++)
        if (cells_add(into, cell_of(sample_at(from, i)), 1, used)) return -1;
    for (size_t i = 0; i < from->cell_room; i++)
        if (from->cells[i].cell != INT32_MIN && cells_add(into, from->cells[i].cell, from->cells[i].count, used))
            return -1;
    return 0;
}

/* --- distinct values --- */

/* Hashes of values are the same on every machine, so that a client can choose what they end with; where a hash is kept
 * depends on the seed. */
static inline size_t home(uint64_t hash, uint64_t seed, size_t room) {
    unsigned __int128 product = (unsigned __int128)(hash ^ seed) * UINT64_C(0x9FB21C651E98DF25);
    return (size_t)((uint64_t)product ^ (uint64_t)(product >> 64)) & (room - 1);
}

static void place(uint64_t *hashes, size_t room, uint64_t hash, uint64_t seed) {
    size_t at = home(hash, seed, room);
    while (hashes[at]) at = (at + 1) & (room - 1);
    hashes[at] = hash;
}

/* All hashes in order, at most those that are kept, of a set. The caller frees them; NULL without memory. */
static uint64_t *smallest(const distinct *of, size_t *count) {
    uint64_t *all = malloc((of->count + 1) * sizeof *all);
    if (!all) return NULL;
    *count = 0;
    if (of->zero) all[(*count)++] = 0;
    for (size_t i = 0; i < of->room; i++)
        if (of->hashes[i]) all[(*count)++] = of->hashes[i];
    qsort(all, *count, sizeof *all, by_hash);
    if (*count > KEPT_HASHES) *count = KEPT_HASHES;
    return all;
}

static int distinct_grow(distinct *of, usage *used) {
    size_t room = of->room ? 2 * of->room : 8, count;
    uint64_t *kept = smallest(of, &count);
    if (!kept) return -1;
    if (count == KEPT_HASHES) of->limit = kept[count - 1];
    if (room > 4 * KEPT_HASHES) room = 4 * KEPT_HASHES;
    uint64_t *grown = calloc(room, sizeof *grown);
    if (!grown) return free(kept), -1;
    of->count = count;
    of->zero = count && !kept[0];
    for (size_t i = (size_t)of->zero; i < count; i++) place(grown, room, kept[i], used->seed);
    free(kept);
    free(of->hashes);
    used->memory += (room - of->room) * sizeof *grown;
    of->hashes = grown;
    of->room = room;
    return 0;
}

int distinct_add(distinct *of, uint64_t hash, usage *used) {
    if (of->limit && hash > of->limit) return 0;
    if (!hash) {
        of->count += !of->zero;
        of->zero = 1;
        return 0;
    }
    if (of->count * 4 >= of->room * 3 && distinct_grow(of, used)) return -1;
    if (of->limit && hash > of->limit) return 0;
    size_t at = home(hash, used->seed, of->room);
    while (of->hashes[at] && of->hashes[at] != hash) at = (at + 1) & (of->room - 1);
    of->count += !of->hashes[at];
    of->hashes[at] = hash;
    return 0;
}

static int distinct_merge(distinct *into, const distinct *from, usage *used) {
    if (from->zero && distinct_add(into, 0, used)) return -1;
    for (size_t i = 0; i < from->room; i++)
        if (from->hashes[i] && distinct_add(into, from->hashes[i], used)) return -1;
    return 0;
}

/* --- groups --- */

static size_t own_size(const metric *of, size_t key_size) {
    size_t size = sizeof(group) + ((key_size + 15) & ~(size_t)15) + (size_t)of->number_count * sizeof(numbers) +
                  (size_t)of->distinct_count * sizeof(distinct) + (size_t)of->bucket_slots * sizeof(uint64_t) + PAD;
    return (size + LINE_OF_CACHE - 1) & ~(size_t)(LINE_OF_CACHE - 1);
}

/* One piece of memory for all of a group that does not grow, so that few cache lines are touched. */
group *group_new(const metric *of, size_t key_size, usage *used, int sampled) {
    size_t size = own_size(of, key_size);
    group *made = aligned_alloc(LINE_OF_CACHE, size);
    if (!made) return NULL;
    memset(made, 0, size);
    made->key_size = key_size;
    for (int i = 0; i < of->number_count; i++) numbers_of(made)[i].sampled = sampled && of->numbers[i].cells;
    used->memory += size;
    return made;
}

void group_free(const metric *of, group *gone, usage *used) {
    for (int i = 0; i < of->number_count; i++) {
        numbers *one = &numbers_of(gone)[i];
        used->memory -= one->cell_room * sizeof *one->cells;
        samples_free(one, used);
        free(one->cells);
    }
    distinct *distincts = distincts_of(of, gone);
    for (int i = 0; i < of->distinct_count; i++) {
        used->memory -= distincts[i].room * sizeof *distincts[i].hashes;
        free(distincts[i].hashes);
    }
    used->memory -= own_size(of, gone->key_size);
    free(gone);
}

int group_merge(const metric *of, group *into, group *from, usage *used) {
    into->count += from->count;
    for (int i = 0; i < of->number_count; i++)
        if (numbers_merge(&numbers_of(into)[i], &numbers_of(from)[i], of->numbers[i].cells, used)) return -1;
    for (int i = 0; i < of->distinct_count; i++)
        if (distinct_merge(&distincts_of(of, into)[i], &distincts_of(of, from)[i], used)) return -1;
    for (int i = 0; i < of->bucket_slots; i++) buckets_of(of, into)[i] += buckets_of(of, from)[i];
    return 0;
}

/* --- writing --- */

static uint64_t rank(uint64_t count, uint32_t percent) {
    uint64_t found = (uint64_t)(((unsigned __int128)count * percent + 99999) / 100000);
    return found < 1 ? 1 : found > count ? count : found;
}

/* Bring few numbers into order, each to its place among those before. */
static void insert(int64_t *all, size_t count) {
    for (size_t i = 1; i < count; i++) {
        int64_t here = all[i];
        size_t at = i;
        for (; at && all[at - 1] > here; at--) all[at] = all[at - 1];
        all[at] = here;
    }
}

/* Bring numbers into order: byte by byte of what they are above the least, so many bytes as the range has. Returns
 * where they are then, in `all` or in `spare`. */
static int64_t *sorted(int64_t *all, int64_t *spare, size_t count, int64_t least, int64_t most) {
    uint64_t range = (uint64_t)most - (uint64_t)least;
    if (count <= 32) return insert(all, count), all;
    for (int shift = 0; shift < 64 && range >> shift; shift += 8) {
        size_t starts[257] = {0};
        for (size_t i = 0; i < count; i++) starts[(((uint64_t)all[i] - (uint64_t)least) >> shift & 255) + 1]++;
        for (int i = 0; i < 256; i++) starts[i + 1] += starts[i];
        for (size_t i = 0; i < count; i++)
            spare[starts[((uint64_t)all[i] - (uint64_t)least) >> shift & 255]++] = all[i];
        int64_t *other = all;
        all = spare;
        spare = other;
    }
    return all;
}

/* Cells of ordered numbers, in the place of `runs`: those in one cell follow each other. Returns how many there are. */
static size_t runs_of(const int64_t *all, size_t count, cell *runs) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t here = cell_of(all[i]);
        if (!found || runs[found - 1].cell != here) runs[found++] = (cell){here, 0};
        runs[found - 1].count++;
    }
    return found;
}

static void write_runs(const cell *all, size_t count, bytes *out) {
    int32_t before = 0;
    put_number(out, count);
    for (size_t i = 0; i < count; i++) {
        put_signed(out, (__int128)all[i].cell - before);
        put_number(out, all[i].count);
        before = all[i].cell;
    }
}

/* Cells and the percentiles that were asked for, where every value is at hand. */
static int write_samples(const kept_number *kept, const numbers *of, int exact, bytes *out) {
    size_t count = sample_count(of);
    int64_t *both = malloc(2 * count * sizeof *both + count * sizeof(cell));
    if (!both) return -1;
    cell *runs = (cell *)(both + 2 * count);
    for (size_t i = 0; i < count; i++) both[i] = sample_at(of, i);
    const int64_t *all = sorted(both, both + count, count, of->least, of->most);
    write_runs(runs, runs_of(all, count, runs), out);
    put_number(out, exact ? (unsigned)kept->percents : 0);
    for (int i = 0; exact && i < kept->percents; i++) {
        put_number(out, kept->percent[i]);
        put_signed(out, all[rank(of->count, kept->percent[i]) - 1]);
    }
    free(both);
    return 0;
}

static int write_cells(numbers *of, usage *used, bytes *out) {
    if (numbers_fold(of, used)) return -1;
    cell *all = malloc((of->cell_count + 1) * sizeof *all);
    if (!all) return -1;
    size_t count = 0;
    for (size_t i = 0; i < of->cell_room; i++)
        if (of->cells[i].cell != INT32_MIN) all[count++] = of->cells[i];
    qsort(all, count, sizeof *all, by_cell);
    write_runs(all, count, out);
    free(all);
    put_number(out, 0);
    return 0;
}

static int write_distinct(const distinct *of, bytes *out) {
    size_t count;
    uint64_t *all = smallest(of, &count), before = 0;
    if (!all) return -1;
    put_number(out, count);
    for (size_t i = 0; i < count; i++) {
        put_number(out, all[i] - before);
        before = all[i];
    }
    free(all);
    return 0;
}

/* The parts of a key: of a number its digits where people read it, its eight bytes where an engine does. */
static void write_key(const plan *all, const metric *of, group *one, int raw, bytes *out) {
    const uint8_t *at = key_of(one);
    put_number(out, (unsigned)of->by_count);
    for (int i = 0; i < of->by_count; i++) {
        const field *by = &all->fields[of->by[i]];
        uint32_t size;
        memcpy(&size, at, sizeof size);
        at += sizeof size;
        if (by->number && !raw) {
            char shown[64];
            int64_t number;
            memcpy(&number, at, sizeof number);
            put_text(out, (const uint8_t *)shown, show_number(number, by->digits, shown));
        } else {
            put_text(out, at, size);
        }
        at += size;
    }
}

/* A row as wire.py has it. A raw one is for an engine: with keys as they are and without exact percentiles. */
int group_write(const plan *all, const metric *of, group *one, int is_other, int raw, usage *used, bytes *out) {
    if (is_other)
        put_number(out, 0);
    else
        write_key(all, of, one, raw, out);
    put_number(out, one->count);
    int present = 0;
    for (int i = 0; i < of->number_count; i++) {
        numbers_sum(&numbers_of(one)[i]);
        present += numbers_of(one)[i].count > 0;
    }
    put_number(out, (unsigned)present);
    for (int i = 0; i < of->number_count; i++) {
        numbers *number = &numbers_of(one)[i];
        if (!number->count) continue;
        put_text(out, of->numbers[i].name.at, of->numbers[i].name.size);
        put_number(out, number->count);
        put_signed(out, number->total);
        put_signed(out, number->least);
        put_signed(out, number->most);
        if (number->sampled && !raw ? write_samples(&of->numbers[i], number, !one->offset, out)
                                    : write_cells(number, used, out))
            return -1;
    }
    put_number(out, (unsigned)of->distinct_count);
    for (int i = 0; i < of->distinct_count; i++) {
        put_text(out, of->distincts[i].name.at, of->distincts[i].name.size);
        if (write_distinct(&distincts_of(of, one)[i], out)) return -1;
    }
    put_number(out, (unsigned)of->bucket_count);
    const uint64_t *counts = buckets_of(of, one);
    for (int i = 0; i < of->bucket_count; i++) {
        put_text(out, of->buckets[i].alias.at, of->buckets[i].alias.size);
        put_number(out, (unsigned)of->buckets[i].bounds + 1);
        for (int j = 0; j <= of->buckets[i].bounds; j++) put_number(out, *counts++);
    }
    return out->failed ? -1 : 0;
}

/* --- reading back, after the key --- */

static int same(text one, text other) { return one.size == other.size && !memcmp(one.at, other.at, one.size); }

static int read_values(const metric *of, group *into, input *in, usage *used) {
    text name = get_text(in);
    numbers *one = NULL;
    for (int i = 0; i < of->number_count; i++)
        if (same(of->numbers[i].name, name)) one = &numbers_of(into)[i];
    if (!one || one->count || in->failed) return in->failed = 1, 0;
    one->count = get_number(in);
    one->total = get_signed(in);
    one->least = (int64_t)get_signed(in);
    one->most = (int64_t)get_signed(in);
    __int128 which = 0;
    for (size_t left = get_many(in); left && !in->failed; left--) {
        which += get_signed(in);
        uint64_t count = get_number(in);
        if (which > MOST_CELL || which < -MOST_CELL) in->failed = 1;
        if (!in->failed && cells_add(one, (int32_t)which, count, used)) return -1;
    }
    for (size_t left = get_many(in); left && !in->failed; left--) {
        get_number(in);
        get_signed(in);
    }
    return 0;
}

static int read_distinct(const metric *of, group *into, input *in, usage *used) {
    text name = get_text(in);
    for (int i = 0; i < of->distinct_count; i++) {
        if (!same(of->distincts[i].name, name)) continue;
        uint64_t hash = 0;
        for (size_t left = get_many(in); left && !in->failed; left--) {
            hash += get_number(in);
            if (!in->failed && distinct_add(&distincts_of(of, into)[i], hash, used)) return -1;
        }
        return 0;
    }
    in->failed = 1;
    return 0;
}

static int read_buckets(const metric *of, group *into, input *in) {
    text alias = get_text(in);
    uint64_t *counts = buckets_of(of, into);
    for (int i = 0; i < of->bucket_count; counts += of->buckets[i++].bounds + 1) {
        if (!same(of->buckets[i].alias, alias)) continue;
        if (get_many(in) != (size_t)of->buckets[i].bounds + 1) break;
        for (int j = 0; j <= of->buckets[i].bounds; j++) counts[j] += get_number(in);
        return 0;
    }
    in->failed = 1;
    return 0;
}

int group_read(const metric *of, group *into, input *in, usage *used) {
    into->count = get_number(in);
    for (size_t left = get_many(in); left && !in->failed; left--)
        if (read_values(of, into, in, used)) return -1;
    for (size_t left = get_many(in); left && !in->failed; left--)
        if (read_distinct(of, into, in, used)) return -1;
    for (size_t left = get_many(in); left && !in->failed; left--)
        if (read_buckets(of, into, in)) return -1;
    return 0;
}
