/* Handing out minutes that are over; writing down those that are open, and reading them back. */
#include "inside.h"

#include <stdlib.h>

#define DUMP_VERSION 1

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

/* The key of a row of a dump, copied to where it may be read beyond its end; 0 when it cannot be one. */
static int load_key(engine *of, const metric *what, text *parts, input *in) {
    uint8_t *to = of->key;
    for (int i = 0; i < what->by_count; i++) {
        text part = get_text(in);
        int number = of->plan->fields[what->by[i]].number;
        if (in->failed || part.size > (number ? 8 : of->plan->value) || (number && part.size != 8)) return 0;
        if (part.size) memcpy(to, part.at, part.size);
        parts[i] = (text){to, part.size};
        to += part.size;
    }
    return 1;
}

/* One row of a dump; 1 when it cannot be one. */
static int load_row(engine *of, const metric *what, table *into, input *in) {
    size_t count = get_many(in);
    text parts[MOST_BY];
    group *one;
    if (!count && what->by_count) {
        if (in->failed || into->other) return 1;
        one = into->other = group_new(what, 0, &of->used, 0);
    } else {
        if (count != (size_t)what->by_count || !load_key(of, what, parts, in)) return 1;
        size_t before = into->count;
        one = group_at(of, what, into, parts, hash_key(of, parts, what->by_count), 0);
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
