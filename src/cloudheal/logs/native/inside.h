/* What the files of the engine know of each other: tables of groups, open minutes, the engine itself. */
#ifndef CLOUDHEAL_LOGS_INSIDE_H
#define CLOUDHEAL_LOGS_INSIDE_H

#include "find.h"

/* Of what the longest path that is named here can become. */
#define MOST_NAME 4096

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
    uint64_t seeds[2]; /* of keys */
    size_t relieve_at;
    minute **minutes;
    size_t minute_count, minute_room;
    minute *last;
    int64_t closed, until; /* lines from then on are of a time that is not yet */
    clock_cache clock;
    batch lines;
    text *parts;      /* of the keys of a batch */
    uint64_t dropped; /* how often groups were dropped */
    known_url *urls;
    size_t url_count, url_room, url_memory;
    uint8_t *key, *spare; /* a key that is loaded; a line that stands too near the block's end to be read there */
    uint8_t *names;       /* of the URLs of a batch; MOST_NAME for each line */
    size_t names_size;
    bytes named;
};

/* --- hashing keys: with a seed, so that nobody can choose keys that collide --- */

static inline uint64_t mixed(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Sixteen bytes with one multiplication. Each factor has a secret of its own in it: were they one secret, or known to
 * differ by something, then two halves could be exchanged without changing what comes out. */
static inline uint64_t hash_part(uint64_t seed, uint64_t state, text part) {
    static const uint8_t kept[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    const uint8_t *at = part.at;
    size_t size = part.size;
    uint64_t word[2], mask[2];
    state ^= size * UINT64_C(0x9FB21C651E98DF25);
    for (; size > 16; at += 16, size -= 16) {
        memcpy(word, at, 16);
        state = mixed(word[0] ^ seed, word[1] ^ state);
    }
    memcpy(word, at, 16);
    memcpy(mask, kept + 16 - size, 16);
    return mixed((word[0] & mask[0]) ^ seed, (word[1] & mask[1]) ^ state);
}

static inline uint64_t hash_key(const engine *of, const text *parts, int count) {
    uint64_t state = of->seeds[1];
    for (int i = 0; i < count; i++) state = hash_part(of->seeds[0], state, parts[i]);
    return mixed(state ^ of->seeds[1], of->seeds[0] | 1) | 1;
}

/* --- tables (table.c) --- */

static inline int has_key(group *of, const text *parts, int count) {
    const uint8_t *at = key_of(of);
    for (int i = 0; i < count; i++) {
        uint32_t size;
        memcpy(&size, at, sizeof size);
        if (size != parts[i].size || !same(at + sizeof size, parts[i].at, size)) return 0;
        at += sizeof size + size;
    }
    return 1;
}

minute *minute_of(engine *, int64_t start, int *full);
void minute_free(engine *, minute *);
group *group_at(engine *, const metric *, table *, const text *parts, uint64_t hash, int sampled);
int relieve(engine *);

/* --- URLs that the settings name (urls.c) --- */

int name_value(engine *, value *url);
void names_begin(engine *);
void urls_clear(engine *);

#endif
