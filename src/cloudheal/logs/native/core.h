/* Counting access logs in one pass over their bytes: the engine itself, without Python.
 *
 * Made of a plan that native.py writes (the order of its numbers is that of plan_read in plan.c), fed with blocks of
 * whole lines, closed minute by minute. Lines are hostile: nothing here trusts a length, recurses on input or grows
 * beyond the plan's limits. All functions return 0, or -1 when memory ran out or the naming of a URL failed.
 */
#ifndef CLOUDHEAL_LOGS_CORE_H
#define CLOUDHEAL_LOGS_CORE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that may be read beyond the end of any text. */
#define PAD 32
#define MOST_PARTS 256
#define MOST_FIELDS 128
#define MOST_METRICS 512
#define MOST_BY 16
#define MOST_KEPT 128
#define MOST_VALUE INT64_C(1000000000000000)
/* Above the cell of any value; see counting.py. */
#define MOST_CELL 4000
/* Later than any time that a line can have. */
#define FOREVER (INT64_C(1) << 40)
/* Of limits that a plan may set; sizes that are made of them cannot overflow. */
#define MOST_LIMIT (UINT64_C(1) << 40)
#define MOST_LINE (UINT64_C(1) << 28)
#define KEPT_HASHES 2048
#define MISSING INT64_MIN
#define DEPTH 32
/* Lines that are read together: so many that memory asked for with the first is there when the last was read. */
#define BATCH 32
#define LINE_OF_CACHE 64

#define LIKELY(what) __builtin_expect(!!(what), 1)
#define ALWAYS_INLINE inline __attribute__((always_inline))

typedef struct {
    const uint8_t *at;
    size_t size;
} text;

/* Bytes that are written. `failed` once memory ran out. */
typedef struct {
    uint8_t *data;
    size_t size, room;
    int failed;
} bytes;

/* Bytes that are read. `failed` once they were not what they should be. */
typedef struct {
    const uint8_t *at, *end;
    int failed;
} input;

enum { LITERAL, PLAIN, QUOTED, SPACED, LISTED, REST };

typedef struct {
    uint8_t kind, stop, spaces;
    int slot; /* of the variable; -1 when nobody needs it */
    const uint8_t *literal;
    size_t size;
    uint64_t word, mask; /* the literal's first eight bytes, and which of them count */
} part;

enum { FROM_VARIABLE, FROM_METHOD, FROM_URL, FROM_PROTOCOL, FROM_LINE };
enum { NO_SEVERAL, SUM, LAST };

typedef struct {
    uint8_t source, number, several, is_url;
    int slot, digits, shift;
} field;

enum { EQUAL, UNEQUAL, ABOVE, FROM, BELOW, UP_TO, CONTAINS, LACKS };
enum { ALWAYS, COMPARE, ALL_OF, ANY_OF };

/* A filter as a list in which each node knows where its subtree ends, so that a metric's filter is one array. */
typedef struct {
    uint8_t kind, op;
    int field, next;
    int64_t number;
    text value;
} node;

typedef struct {
    int field, cells;
    text name;
    int percents;
    uint32_t percent[MOST_KEPT];
} kept_number;

typedef struct {
    int field;
    text name;
} kept_distinct;

typedef struct {
    int field, bounds;
    text alias;
    int64_t bound[MOST_KEPT];
} kept_bucket;

typedef struct {
    node *nodes;
    int node_count;
    int by_count, by[MOST_BY];
    int number_count, distinct_count, bucket_count, bucket_slots;
    kept_number *numbers;
    kept_distinct *distincts;
    kept_bucket *buckets;
} metric;

typedef struct {
    size_t line, value, groups, minutes, memory, samples, urls;
    uint64_t seed;
    int has_zone, naming; /* naming: 0 URLs as they are, 1 named here, 2 named by the call-back */
    int64_t zone;
    int time_slot, request_slot, slots;
    int part_count, field_count, metric_count;
    part parts[MOST_PARTS];
    field fields[MOST_FIELDS];
    metric *metrics;
    uint8_t *kept; /* the plan's own bytes, into which the texts point */
} plan;

plan *plan_read(const uint8_t *data, size_t size);
void plan_free(plan *);

/* --- bytes in and out (wire.c) --- */

void put(bytes *, const void *, size_t);
void put_number(bytes *, unsigned __int128);
void put_signed(bytes *, __int128);
void put_text(bytes *, const uint8_t *, size_t);
unsigned __int128 get_wide(input *);
uint64_t get_number(input *);
__int128 get_signed(input *);
size_t get_many(input *);
text get_text(input *);

/* --- reading lines (shape.c, line.c) --- */

enum { SHAPE, TIME, NUMBER, LONG, MINUTES, AHEAD, REASONS, GOOD = REASONS };

typedef struct {
    text text;
    int64_t number;
    int ready;
} value;

/* The time that was read last: its minute is compared instead of read. */
typedef struct {
    uint64_t minute[4]; /* the 26 bytes of a time, but for its seconds */
    int64_t start;
    uint8_t day[10];
    int64_t days;
} clock_cache;

/* Lines that are read together. What is said of a line that is not GOOD has no meaning. */
typedef struct {
    int count;
    text line[BATCH];          /* without a carriage return at its end */
    const uint8_t *end[BATCH]; /* the line break */
    const uint8_t *at[BATCH];
    uint8_t why[BATCH]; /* why it is refused */
    int64_t second[BATCH];
    text parts[FROM_LINE][BATCH]; /* method, URL and protocol, each at the place of its source */
    text *slots;                  /* as many as there are lines for each slot, and so on */
    value *values;
} batch;

const uint8_t *take_lines(batch *, const uint8_t *at, const uint8_t *safe, size_t longest);
void match(const plan *, batch *);
void read_times(const plan *, batch *, clock_cache *);
void read_fields(const plan *, batch *);
int name_url(text url, uint8_t *out, text *path, text *named);
uint64_t hash_of(const uint8_t *, size_t);
size_t show_number(int64_t number, int digits, char out[64]);

/* --- counting (engine.c) --- */

typedef struct {
    uint64_t lines, counted, late, newest, reasons[REASONS];
} fed;

typedef struct engine engine;
/* Names a URL that only the settings know how to name. Appends to `out`; returns 0, or -1. */
typedef int (*namer)(void *context, const uint8_t *url, size_t size, bytes *out);

engine *engine_new(plan *, namer, void *context);
void engine_free(engine *);
int engine_feed(engine *, const uint8_t *, size_t, int64_t until, fed *);
int engine_close(engine *, int64_t before, bytes *out);
int engine_dump(engine *, bytes *out);
int engine_load(engine *, const uint8_t *, size_t);

/* --- what a group holds (group.c) --- */

typedef struct {
    int32_t cell; /* INT32_MIN: empty */
    uint64_t count;
} cell;

/* Numbers of one field. While `sampled`, every value is in the samples and in nothing else before it is asked for; so
 * many as `summed` says are in the sums as well, and as `folded` says in the cells. Samples have four bytes while all
 * of them go into four, which halves the memory that is touched, and eight when one did not. */
typedef struct {
    int32_t *next, *last; /* where the next sample goes, and where there is no more room; NULL when wide */
    void *samples;
    size_t room, wide_count;
    int sampled, wide;
    uint64_t count;
    __int128 total;
    int64_t least, most;
    size_t summed, folded;
    cell *cells;
    size_t cell_count, cell_room; /* room is 0 or a power of two */
} numbers;

typedef struct {
    uint64_t *hashes; /* a set with linear probing; 0 is empty */
    size_t count, room;
    uint64_t limit; /* hashes from here on are not among the smallest */
    int zero;
} distinct;

/* What is before the key of a group; numbers, distinct values and classes follow the key. */
typedef struct {
    uint64_t hash, count, offset; /* offset: what it may have lost before it came */
    size_t key_size;
} group;

static inline uint8_t *key_of(group *of) { return (uint8_t *)(of + 1); }

static inline numbers *numbers_of(group *of) { return (numbers *)(key_of(of) + ((of->key_size + 15) & ~(size_t)15)); }

static inline distinct *distincts_of(const metric *what, group *of) {
    return (distinct *)(numbers_of(of) + what->number_count);
}

static inline uint64_t *buckets_of(const metric *what, group *of) {
    return (uint64_t *)(distincts_of(what, of) + what->distinct_count);
}

/* What all groups of an engine take together. */
typedef struct {
    size_t memory, samples, most_samples;
    uint64_t seed;
} usage;

group *group_new(const metric *, size_t key_size, usage *, int sampled);
void group_free(const metric *, group *, usage *);
int numbers_add(numbers *, int64_t, int with_cells, usage *);
int distinct_add(distinct *, uint64_t, usage *);
int group_merge(const metric *, group *into, group *from, usage *);
int group_write(const plan *, const metric *, group *, int is_other, int raw, usage *, bytes *);
int group_read(const metric *, group *, input *, usage *);

#endif
