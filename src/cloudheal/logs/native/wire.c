/* Numbers and texts as bytes: the form of cloudheal/logs/wire.py. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* Make room for so many bytes; 0 when there is none. */
static inline int has_room(bytes *out, size_t size) {
    if (LIKELY(out->room - out->size >= size)) return 1;
    size_t room = out->room ? out->room : 256;
    while (room - out->size < size) room *= 2;
    uint8_t *grown = out->failed ? NULL : realloc(out->data, room);
    if (!grown) return out->failed = 1, 0;
    out->data = grown;
    out->room = room;
    return 1;
}

void put(bytes *out, const void *data, size_t size) {
    if (!size || !has_room(out, size)) return;
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

void put_number(bytes *out, unsigned __int128 number) {
    if (!has_room(out, 20)) return;
    if (number >> 64)
        for (; number > 127; number >>= 7) out->data[out->size++] = (uint8_t)(number & 127) | 128;
    uint64_t small = (uint64_t)number;
    for (; small > 127; small >>= 7) out->data[out->size++] = (uint8_t)(small & 127) | 128;
    out->data[out->size++] = (uint8_t)small;
}

void put_signed(bytes *out, __int128 number) {
    put_number(out, number >= 0 ? (unsigned __int128)number * 2 : (unsigned __int128)(-(number + 1)) * 2 + 1);
}

void put_text(bytes *out, const uint8_t *data, size_t size) {
    put_number(out, size);
    put(out, data, size);
}

/* At most eighteen groups of seven bits, which no sum comes near. */
unsigned __int128 get_wide(input *in) {
    unsigned __int128 number = 0;
    for (int shift = 0; in->at < in->end && shift < 126; shift += 7) {
        uint8_t byte = *in->at++;
        if (shift > 121 && byte > 3) break;
        number |= (unsigned __int128)(byte & 127) << shift;
        if (byte < 128) return number;
    }
    in->failed = 1;
    return 0;
}

uint64_t get_number(input *in) {
    unsigned __int128 number = get_wide(in);
    if (number >> 64) in->failed = 1;
    return in->failed ? 0 : (uint64_t)number;
}

__int128 get_signed(input *in) {
    unsigned __int128 number = get_wide(in);
    __int128 half = (__int128)(number >> 1);
    return number & 1 ? -half - 1 : half;
}

/* How many things follow, each of which takes a byte at least. */
size_t get_many(input *in) {
    uint64_t number = get_number(in);
    if (number > (size_t)(in->end - in->at)) in->failed = 1;
    return in->failed ? 0 : (size_t)number;
}

text get_text(input *in) {
    size_t size = get_many(in);
    text found = {in->at, size};
    in->at += size;
    return found;
}
