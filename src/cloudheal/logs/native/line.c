/* What the variables of lines mean: times, numbers, requests and URLs. */
#include "find.h"

#include <stdio.h>

/* --- times --- */

static int digits(const uint8_t *at, int count, int *number) {
    int found = 0;
    for (int i = 0; i < count; i++) {
        unsigned digit = (unsigned)at[i] - '0';
        if (digit > 9) return 0;
        found = found * 10 + (int)digit;
    }
    *number = found;
    return 1;
}

/* Days since 1970, or -1 where there is no such day. */
static int64_t days_of(int year, int month, int day) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    if (year < 1970 || year >= 2200 || month < 1 || month > 12 || day < 1) return -1;
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > before[month] - before[month - 1] + (month == 2 && leap)) return -1;
    int y = year - 1;
    int64_t days = (int64_t)y * 365 + y / 4 - y / 100 + y / 400 - 719162;
    return days + before[month - 1] + (month > 2 && leap) + day - 1;
}

static int read_offset(const uint8_t *at, size_t size, int64_t *offset) {
    int hours, minutes;
    if (size < 5 || size > 6 || (*at != '+' && *at != '-') || (size == 6 && at[3] != ':')) return 0;
    if (!digits(at + 1, 2, &hours) || !digits(at + size - 2, 2, &minutes) || hours > 23 || minutes > 59) return 0;
    *offset = (hours * 3600 + minutes * 60) * (*at == '-' ? -1 : 1);
    return 1;
}

static int settle(int64_t days, int hour, int minute, int second, int64_t offset, int64_t *found) {
    if (days < 0 || hour > 23 || minute > 59 || second > 60) return 0;
    int64_t at = days * 86400 + hour * 3600 + minute * 60 + (second > 59 ? 59 : second) - offset;
    *found = at < 0 ? 0 : at;
    return 1;
}

/* All but the seconds of a time of 26 bytes. */
static inline void minute_at(const uint8_t *at, uint64_t minute[4]) {
    minute[0] = load64(at);
    minute[1] = load64(at + 8);
    minute[2] = load64(at + 10);
    minute[3] = load64(at + 18) >> 16;
}

/* 10/Jul/2015:15:51:09 +0800, which has 26 bytes. */
static int read_clf(const uint8_t *at, clock_cache *cache, int64_t *found) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int day, year, hour, minute, second, month = 0;
    int64_t offset;
    if (at[2] != '/' || at[6] != '/' || at[11] != ':' || at[14] != ':' || at[17] != ':' || at[20] != ' ') return 0;
    while (month < 12 && memcmp(months + 3 * month, at + 3, 3)) month++;
    if (month == 12 || !digits(at, 2, &day) || !digits(at + 7, 4, &year) || !digits(at + 12, 2, &hour)) return 0;
    if (!digits(at + 15, 2, &minute) || !digits(at + 18, 2, &second) || !read_offset(at + 21, 5, &offset)) return 0;
    if (!settle(days_of(year, month + 1, day), hour, minute, second, offset, found)) return 0;
    if (second < 60 && *found >= 86400) {
        minute_at(at, cache->minute);
        cache->start = *found - second;
    }
    return 1;
}

static int read_iso(const plan *all, const uint8_t *at, size_t size, clock_cache *cache, int64_t *found) {
    int year, month, day, hour, minute, second;
    const uint8_t *end = at + size, *rest = at + 19;
    int64_t offset = all->zone;
    if (at[7] != '-' || (at[10] != 'T' && at[10] != ' ') || at[13] != ':' || at[16] != ':') return 0;
    if (!digits(at + 11, 2, &hour) || !digits(at + 14, 2, &minute) || !digits(at + 17, 2, &second)) return 0;
    if (cache->days < 0 || memcmp(at, cache->day, 10)) {
        if (!digits(at, 4, &year) || !digits(at + 5, 2, &month) || !digits(at + 8, 2, &day)) return 0;
        cache->days = days_of(year, month, day);
        memcpy(cache->day, at, 10);
    }
    if (rest < end && (*rest == '.' || *rest == ',')) {
        const uint8_t *first = ++rest;
        while (rest < end && (uint8_t)(*rest - '0') < 10) rest++;
        if (rest == first || rest - first > 9) return 0;
    }
    if (rest == end) {
        if (!all->has_zone) return 0;
    } else if (*rest == 'Z' && rest + 1 == end) {
        offset = 0;
    } else if (!read_offset(rest, (size_t)(end - rest), &offset)) {
        return 0;
    }
    return settle(cache->days, hour, minute, second, offset, found);
}

static int read_since(const uint8_t *at, size_t size, int64_t *found) {
    size_t whole = 0;
    int64_t number = 0;
    for (; whole < size && whole < 17 && (uint8_t)(at[whole] - '0') < 10; whole++) number = number * 10 + at[whole] - '0';
    if (whole < size) {
        size_t left = size - whole - 1;
        if (at[whole] != '.' || left < 1 || left > 9) return 0;
        for (size_t i = whole + 1; i < size; i++)
            if ((uint8_t)(at[i] - '0') > 9) return 0;
    }
    if (whole == 9 || whole == 10) return *found = number, 1;
    if (whole == 13) return *found = number / 1000, 1;
    if (whole == 16) return *found = number / 1000000, 1;
    return 0;
}

/* The second that a time is in; 0 when it is none that is known. */
static int read_time(const plan *all, text time, clock_cache *cache, int64_t *second) {
    if (time.size == 26 && time.at[2] == '/') return read_clf(time.at, cache, second);
    if (time.size >= 19 && time.size <= 40 && time.at[4] == '-') return read_iso(all, time.at, time.size, cache, second);
    return read_since(time.at, time.size, second);
}

/* Whether a time is one of the minute that was read last. */
static inline int is_near(text time, const clock_cache *cache, int64_t *second) {
    uint64_t here[4];
    if (time.size != 26) return 0;
    minute_at(time.at, here);
    unsigned tens = time.at[18] - (unsigned)'0', ones = time.at[19] - (unsigned)'0';
    uint64_t differs = (here[0] ^ cache->minute[0]) | (here[1] ^ cache->minute[1]) | (here[2] ^ cache->minute[2]) |
                       (here[3] ^ cache->minute[3]);
    *second = cache->start + tens * 10 + ones;
    return !differs && tens < 6 && ones < 10 && cache->start >= 0;
}

void read_times(const plan *all, batch *of, clock_cache *cache) {
    const text *times = of->slots + all->time_slot * BATCH;
    for (int i = 0; i < of->count; i++) {
        if (of->why[i] != GOOD || LIKELY(is_near(times[i], cache, &of->second[i]))) continue;
        if (!read_time(all, times[i], cache, &of->second[i])) of->why[i] = TIME;
    }
}

/* --- numbers --- */

/* A number times ten to the power of `shift`, cut to whole; 0 when it is none, or too large. */
static int read_one(const uint8_t *at, size_t size, int shift, int64_t *found) {
    const uint8_t *end = at + size;
    int negative = size && *at == '-', whole = 0, fraction = 0, significant = 0, power = 0;
    uint8_t kept[80];
    if (negative) at++;
    for (; at < end && (uint8_t)(*at - '0') < 10; at++) {
        if (++whole > 40) return 0;
        if (significant || *at != '0') kept[significant++] = (uint8_t)(*at - '0');
    }
    if (!whole) return 0;
    if (at < end && *at == '.')
        for (at++; at < end && (uint8_t)(*at - '0') < 10; at++) {
            if (++fraction > 40) return 0;
            if (significant || *at != '0') kept[significant++] = (uint8_t)(*at - '0');
        }
    if (at < end && (*at == 'e' || *at == 'E')) {
        int minus = 0, count = 0;
        if (++at < end && (*at == '-' || *at == '+')) minus = *at++ == '-';
        for (; at < end && (uint8_t)(*at - '0') < 10 && count < 4; at++, count++) power = power * 10 + *at - '0';
        if (count < 1 || count > 3) return 0;
        if (minus) power = -power;
    }
    if (at != end) return 0;
    int size_of_value = significant + shift + power - fraction;
    if (!significant || size_of_value <= 0) return *found = 0, 1;
    if (size_of_value > 15) return 0;
    int64_t number = 0;
    for (int i = 0; i < size_of_value; i++) number = number * 10 + (i < significant ? kept[i] : 0);
    *found = negative ? -number : number;
    return 1;
}

static int is_missing(const uint8_t *at, size_t size) { return !size || (size == 1 && *at == '-'); }

static int read_several(text all, const field *of, int64_t *found) {
    const uint8_t *at = all.at, *end = at + all.size, *next;
    __int128 sum = 0;
    int any = 0;
    for (;; at = next) {
        size_t between = 0;
        for (next = at; next < end; next++) {
            if (*next == ',' && next + 1 < end && next[1] == ' ' && (between = 2)) break;
            if (*next == ' ' && next + 2 < end && next[1] == ':' && next[2] == ' ' && (between = 3)) break;
        }
        if (!is_missing(at, (size_t)(next - at))) {
            int64_t one;
            if (!read_one(at, (size_t)(next - at), of->shift, &one)) return 0;
            sum = of->several == SUM ? sum + one : one;
            any = 1;
        }
        if (next == end) break;
        next += between;
    }
    if (sum >= MOST_VALUE || sum <= -MOST_VALUE) return 0;
    *found = any ? (int64_t)sum : MISSING;
    return 1;
}

/* Up to eight bytes of digits, perhaps with a point among them and no more behind it than is kept: nearly all numbers.
 * 0 for all others, right ones too. */
static inline int read_short(const uint8_t *at, size_t size, int shift, int64_t *found) {
    static const int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    const uint64_t ones = UINT64_C(0x0101010101010101);
    if (size < 1 || size > 8) return 0;
    uint64_t word = load64(at) & ~UINT64_C(0) >> (64 - 8 * size), dots = word ^ ones * '.';
    uint64_t point = (dots - ones) & ~dots & ones * 128;
    if (point) { /* taken out */
        unsigned before = (unsigned)__builtin_ctzll(point) - 7;
        uint64_t low = (UINT64_C(1) << before) - 1;
        shift -= (int)(size - 1 - before / 8);
        word = (word & low) | (word >> 8 & ~low);
        size--;
        if (!before) return 0;
    }
    if (shift < 0 || shift > 6) return 0;
    unsigned room = (unsigned)(64 - 8 * size);
    word = word << room | (((UINT64_C(1) << room) - 1) & (ones * '0'));
    if (((word & ones * 0xF0) | ((word + ones * 6) & ones * 0xF0) >> 4) != ones * 0x33) return 0;
    word = (word & ones * 15) * 2561 >> 8;
    word = (word & UINT64_C(0x00FF00FF00FF00FF)) * 6553601 >> 16;
    word = (word & UINT64_C(0x0000FFFF0000FFFF)) * UINT64_C(42949672960001) >> 32;
    *found = (int64_t)word * powers[shift];
    return 1;
}

/* The units of a field; MISSING for none; 0 when there is text where a number should be. */
static inline int read_number(text number, const field *of, int64_t *found) {
    if (of->several) return read_several(number, of, found);
    if (LIKELY(read_short(number.at, number.size, of->shift, found))) return 1;
    if (is_missing(number.at, number.size)) return *found = MISSING, 1;
    return read_one(number.at, number.size, of->shift, found);
}

size_t show_number(int64_t number, int digits_after, char out[64]) {
    if (number == MISSING) return out[0] = '-', 1;
    uint64_t size = number < 0 ? -(uint64_t)number : (uint64_t)number, scale = 1;
    for (int i = 0; i < digits_after; i++) scale *= 10;
    const char *sign = number < 0 ? "-" : "";
    if (!digits_after) return (size_t)snprintf(out, 64, "%s%llu", sign, (unsigned long long)size);
    return (size_t)snprintf(out, 64, "%s%llu.%0*llu", sign, (unsigned long long)(size / scale), digits_after,
                            (unsigned long long)(size % scale));
}

/* --- requests and fields --- */

static const text absent = {(const uint8_t *)"-\0                                ", 1};

static inline void split_request(text request, text *method, text *url, text *protocol) {
    const uint8_t *space = find(request.at, ' ', ' '), *end = request.at + request.size;
    if (space >= end || *space != ' ') {
        *method = *url = *protocol = absent;
        return;
    }
    const uint8_t *rest = space + 1, *last = end;
    *method = (text){request.at, (size_t)(space - request.at)};
    if (end - rest >= 9 && !memcmp(end - 9, " HTTP/", 6) && end[-3] != ' ' && end[-2] != ' ' && end[-1] != ' ')
        last = end - 8; /* HTTP/1.1 */
    else
        while (last > rest && last[-1] != ' ') last--;
    if (last > rest && end - last >= 5 && !memcmp(last, "HTTP/", 5)) {
        *url = (text){rest, (size_t)(last - 1 - rest)};
        *protocol = (text){last, (size_t)(end - last)};
    } else {
        *url = (text){rest, (size_t)(end - rest)};
        *protocol = absent;
    }
}

static void read_requests(const text *requests, batch *of) {
    for (int i = 0; i < of->count; i++)
        if (of->why[i] == GOOD)
            split_request(requests[i], &of->parts[FROM_METHOD][i], &of->parts[FROM_URL][i], &of->parts[FROM_PROTOCOL][i]);
}

static void read_numbers(const field *one, const text *from, batch *of, value *into) {
    for (int i = 0; i < of->count; i++)
        if (of->why[i] == GOOD) {
            into[i].ready = 1;
            if (!read_number(from[i], one, &into[i].number)) of->why[i] = NUMBER;
        }
}

static void read_texts(const text *from, int ready, batch *of, value *into) {
    for (int i = 0; i < of->count; i++)
        if (of->why[i] == GOOD) {
            into[i].text = LIKELY(from[i].size) ? from[i] : absent;
            into[i].ready = ready;
        }
}

/* What the fields hold; URLs are named when they are needed. */
void read_fields(const plan *all, batch *of) {
    if (all->request_slot >= 0) read_requests(of->slots + all->request_slot * BATCH, of);
    for (int i = 0; i < all->field_count; i++) {
        const field *one = &all->fields[i];
        const text *from = one->source == FROM_VARIABLE ? of->slots + one->slot * BATCH
                           : one->source == FROM_LINE   ? of->line
                                                        : of->parts[one->source];
        if (one->number)
            read_numbers(one, from, of, of->values + i * BATCH);
        else
            read_texts(from, !one->is_url || !all->naming, of, of->values + i * BATCH);
    }
}

/* --- URLs --- */

static int is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }
static int is_letter(uint8_t byte) { return (uint8_t)((byte | 32) - 'a') < 26; }
static int is_hex(uint8_t byte) { return is_digit(byte) || (uint8_t)((byte | 32) - 'a') < 6; }

/* Whether nothing but up to two endings such as `.tar.gz` follows before the next slash. */
static int ends_well(const uint8_t *at, const uint8_t *end) {
    for (int i = 0; at < end && *at != '/' && i < 2; i++) {
        if (*at != '.' || at + 1 == end || !is_letter(at[1])) return 0;
        const uint8_t *first = at + 1;
        for (at += 2; at < end && (is_letter(*at) || is_digit(*at)) && at - first < 8; at++) continue;
    }
    return at == end || *at == '/';
}

/* What the piece up to the next slash is called instead, and how much of it that replaces; NULL for a word. */
static const char *called(const uint8_t *at, const uint8_t *end, size_t *taken) {
    size_t size = (size_t)(end - at), run = 0, any = 0;
    if (size >= 36 && at[8] == '-' && at[13] == '-' && at[18] == '-' && at[23] == '-') {
        size_t i = 0;
        while (i < 36 && (i == 8 || i == 13 || i == 18 || i == 23 || is_hex(at[i]))) i++;
        if (i == 36 && ends_well(at + 36, end)) return *taken = 36, "{uuid}";
    }
    while (run < size && is_digit(at[run])) run++;
    if (run && ends_well(at + run, end)) return *taken = run, "{id}";
    any = run > 0;
    for (; run < size && is_hex(at[run]); run++) any |= (size_t)is_digit(at[run]);
    if (run >= 8 && any && ends_well(at + run, end)) return *taken = run, "{hex}";
    return NULL;
}

#if defined(__SSE2__)
static inline unsigned equal(__m128i here, char byte) {
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(here, _mm_set1_epi8(byte)));
}
#endif

#define NOWHERE SIZE_MAX

/* How long a URL is without its query, whether that is plain ASCII, and where the first piece behind a slash begins
 * that may be something else than a word: one that begins with a hexadecimal digit. */
static size_t path_size(text url, int *plain, size_t *first) {
    size_t size = 0;
    *plain = 1;
    *first = NOWHERE;
#if defined(__SSE2__)
    for (unsigned slash = 0; size < url.size; size += 16) {
        const __m128i here = _mm_loadu_si128((const __m128i *)(url.at + size));
        const __m128i low = _mm_or_si128(here, _mm_set1_epi8(32)), digit = _mm_sub_epi8(low, _mm_set1_epi8('0'));
        const __m128i letter = _mm_sub_epi8(low, _mm_set1_epi8('a'));
        const __m128i hex = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit),
                                         _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter));
        unsigned left = url.size - size < 16 ? (1u << (url.size - size)) - 1 : 0xFFFF;
        unsigned end = (equal(here, '?') | equal(here, '#')) & left;
        if (end) left &= (end & -end) - 1;
        if ((unsigned)_mm_movemask_epi8(here) & left) *plain = 0;
        slash |= equal(here, '/') << 1;
        unsigned begins = slash & (unsigned)_mm_movemask_epi8(hex) & left;
        if (begins && *first == NOWHERE) *first = size + (size_t)__builtin_ctz(begins);
        if (end) return size + (size_t)__builtin_ctz(end);
        slash >>= 16;
    }
    return url.size;
#else
    for (; size < url.size && url.at[size] != '?' && url.at[size] != '#'; size++) {
        if (url.at[size] & 128) *plain = 0;
        if (*first == NOWHERE && size && url.at[size - 1] == '/' && is_hex(url.at[size])) *first = size;
    }
    return size;
#endif
}

static const uint8_t *next_slash(const uint8_t *at, const uint8_t *end) {
#if defined(__SSE2__)
    for (; at < end; at += 16) {
        unsigned hit = equal(_mm_loadu_si128((const __m128i *)at), '/');
        if (hit) return at + __builtin_ctz(hit);
    }
    return end;
#else
    while (at < end && *at != '/') at++;
    return at;
#endif
}

/* Name a URL as cloudheal/logs/urls.py does. `path` is what is left without the query. Returns 1 with `named` (in
 * `out`, which has room for MOST_NAME bytes, or in the URL itself), 0 when the path is long or not ASCII. */
int name_url(text url, uint8_t *out, text *path, text *named) {
    int plain;
    size_t first, size = path_size(url, &plain, &first);
    *path = *named = (text){url.at, size};
    if (!plain || size > 1024) return 0;
    if (first == NOWHERE) return 1;
    const uint8_t *at = url.at + first, *end = url.at + size, *copied = url.at;
    uint8_t *to = out;
    for (;;) {
        size_t taken;
        const char *name = is_hex(*at) ? called(at, end, &taken) : NULL;
        if (name) {
            memcpy(to, copied, (size_t)(at - copied));
            to += at - copied;
            memcpy(to, name, strlen(name));
            to += strlen(name);
            at += taken;
            copied = at;
        }
        at = next_slash(at, end);
        if (at >= end || ++at == end) break;
    }
    if (to == out) return 1;
    memcpy(to, copied, (size_t)(end - copied));
    *named = (text){out, (size_t)(to - out) + (size_t)(end - copied)};
    return 1;
}

/* As cloudheal/logs/counting.py's `hash_of`. */
uint64_t hash_of(const uint8_t *at, size_t size) {
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15) ^ size;
    for (; size; at += 8, size -= size < 8 ? size : 8) {
        uint64_t word = load64(at);
        if (size < 8) word &= (UINT64_C(1) << 8 * size) - 1;
        state = (state ^ word) * UINT64_C(0xFF51AFD7ED558CCD);
        state ^= state >> 32;
    }
    state = (state ^ state >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
    return state ^ state >> 33;
}
