/* Many lines at once into their variables: part by part of the format, and each part in all lines before the next.
 *
 * Where a variable ends is known only when its end was found, so that a line alone would keep the processor waiting
 * from one variable to the next; those of different lines wait for nothing.
 */
#include "find.h"

/* Take up to BATCH lines from `at`, which end before `safe`; returns what follows them. */
const uint8_t *take_lines(batch *of, const uint8_t *at, const uint8_t *safe, size_t longest) {
    int count = 0;
    for (; count < BATCH && at < safe; count++) {
        const uint8_t *end = find_end(at);
        size_t size = (size_t)(end - at);
        size -= size && end[-1] == '\r';
        of->line[count] = (text){at, size};
        of->end[count] = end;
        of->why[count] = size > longest ? LONG : GOOD;
        of->at[count] = size > longest ? end : at;
        at = end + 1;
    }
    of->count = count;
    return at;
}

/* Whether a literal is here; most have no more than eight bytes. */
static ALWAYS_INLINE int stands(const part *one, int is_long, const uint8_t *at) {
    if ((load64(at) ^ one->word) & one->mask) return 0;
    for (size_t i = 8; is_long && i < one->size; i++)
        if (at[i] != one->literal[i]) return 0;
    return 1;
}

/* The end of a variable, or NULL where it does not end as it should. `start` is that of the line. */
static ALWAYS_INLINE const uint8_t *end_of(int kind, const part *one, const uint8_t *at, const uint8_t *start) {
    const uint8_t *end;
    switch (kind) {
    case LITERAL:
        return at;
    case PLAIN:
        return find(at, one->stop, one->stop);
    case QUOTED:
        for (end = find_far(at, '"', '\\'); *end == '\\'; end = find_far(end + 2, '"', '\\'))
            if (end[1] == '\n') return NULL;
        return end;
    case SPACED:
        end = find(at, one->stop, one->stop);
        return (size_t)(end - at) < one->spaces ? NULL : end - one->spaces;
    case LISTED:
        for (end = find(at, ' ', ' '); *end == ' '; end = find(end, ' ', ' ')) {
            if (end > start && end[-1] == ',')
                end += 1;
            else if (end[1] == ':' && end[2] == ' ')
                end += 3;
            else
                break;
        }
        return end;
    default:
        end = find_end(at);
        return end > at && end[-1] == '\r' ? end - 1 : end;
    }
}

/* One part in all lines. A line that does not fit stands at its end from then on, where nothing fits. */
static ALWAYS_INLINE void pass(int kind, int is_long, const part *one, batch *of, text *slot) {
    for (int i = 0; i < of->count; i++) {
        const uint8_t *at = of->at[i], *end = end_of(kind, one, at, of->line[i].at);
        if (LIKELY(end && stands(one, is_long, end))) {
            slot[i] = (text){at, (size_t)(end - at)};
            of->at[i] = end + one->size;
        } else {
            of->at[i] = of->end[i];
            if (of->why[i] == GOOD) of->why[i] = SHAPE;
        }
    }
}

static ALWAYS_INLINE void pass_kind(int kind, const part *one, batch *of, text *slot) {
    if (one->size <= 8)
        pass(kind, 0, one, of, slot);
    else
        pass(kind, 1, one, of, slot);
}

/* Put the variables that are needed into the slots of the lines; those that do not fit are told why. */
void match(const plan *all, batch *of) {
    text nobodys[BATCH];
    for (const part *one = all->parts, *last = one + all->part_count; one < last; one++) {
        text *slot = one->slot < 0 ? nobodys : of->slots + one->slot * BATCH;
        switch (one->kind) {
        case LITERAL: pass_kind(LITERAL, one, of, slot); break;
        case PLAIN: pass_kind(PLAIN, one, of, slot); break;
        case QUOTED: pass_kind(QUOTED, one, of, slot); break;
        case SPACED: pass_kind(SPACED, one, of, slot); break;
        case LISTED: pass_kind(LISTED, one, of, slot); break;
        default: pass_kind(REST, one, of, slot); break;
        }
    }
    for (int i = 0; i < of->count; i++) {
        const uint8_t *at = of->at[i];
        at += *at == '\r' && at[1] == '\n';
        if (at != of->end[i] && of->why[i] == GOOD) of->why[i] = SHAPE;
    }
}
