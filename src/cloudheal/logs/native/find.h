/* Looking at many bytes at once: sixteen where the processor has SSE2, as every x86-64 does, else eight or one. */
#ifndef CLOUDHEAL_LOGS_FIND_H
#define CLOUDHEAL_LOGS_FIND_H

#include "core.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Eight bytes, the first of them lowest. */
static inline uint64_t load64(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The first of a line's end and two bytes that are sought. Lines end with a line break, always, and may be read
 * PAD bytes beyond it. */
static inline const uint8_t *find(const uint8_t *at, uint8_t one, uint8_t other) {
#if defined(__SSE2__)
    const __m128i a = _mm_set1_epi8((char)one), b = _mm_set1_epi8((char)other), end = _mm_set1_epi8('\n');
    for (;; at += 16) {
        const __m128i here = _mm_loadu_si128((const __m128i *)at);
        const __m128i hit =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(here, a), _mm_cmpeq_epi8(here, b)), _mm_cmpeq_epi8(here, end));
        const unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask) return at + __builtin_ctz(mask);
    }
#else
    while (*at != one && *at != other && *at != '\n') at++;
    return at;
#endif
}

/* The same for texts that are longer than sixteen bytes as a rule. */
static inline const uint8_t *find_far(const uint8_t *at, uint8_t one, uint8_t other) {
#if defined(__SSE2__)
    const __m128i a = _mm_set1_epi8((char)one), b = _mm_set1_epi8((char)other), end = _mm_set1_epi8('\n');
    for (;; at += 32) {
        const __m128i here = _mm_loadu_si128((const __m128i *)at), next = _mm_loadu_si128((const __m128i *)(at + 16));
        const __m128i hit =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(here, a), _mm_cmpeq_epi8(here, b)), _mm_cmpeq_epi8(here, end));
        const __m128i then =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(next, a), _mm_cmpeq_epi8(next, b)), _mm_cmpeq_epi8(next, end));
        const unsigned mask = (unsigned)_mm_movemask_epi8(hit) | (unsigned)_mm_movemask_epi8(then) << 16;
        if (mask) return at + __builtin_ctz(mask);
    }
#else
    return find(at, one, other);
#endif
}

static inline const uint8_t *find_end(const uint8_t *at) { return find_far(at, '\n', '\n'); }

/* Whether two texts are the same. Both may be read PAD bytes further, as all texts here. */
static inline int same(const uint8_t *one, const uint8_t *other, size_t size) {
    for (; size > 8; one += 8, other += 8, size -= 8)
        if (load64(one) != load64(other)) return 0;
    return !size || !((load64(one) ^ load64(other)) << (64 - 8 * size));
}

#endif
