/* A plan as native.py writes it. It is ours, yet it is read like anything else: a wrong one is refused, not obeyed. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* A number below `most`. */
static int small(input *in, uint64_t most) {
    uint64_t number = get_number(in);
    if (number >= most) in->failed = 1;
    return in->failed ? 0 : (int)number;
}

/* A number below `most`, or -1: written one larger. */
static int perhaps(input *in, uint64_t most) { return small(in, most + 1) - 1; }

static void read_part(input *in, part *one, int slots) {
    one->kind = (uint8_t)small(in, REST + 1);
    one->slot = perhaps(in, (uint64_t)slots);
    text literal = get_text(in);
    one->literal = literal.at;
    one->size = literal.size;
    if (in->failed || (!literal.size && one->kind != REST)) {
        in->failed = 1;
        return;
    }
    while (one->kind == SPACED && one->spaces < 200 && one->spaces < literal.size && literal.at[one->spaces] == ' ')
        one->spaces++;
    if (one->spaces == literal.size) one->spaces = 0;
    one->stop = literal.size ? literal.at[one->spaces] : '\n';
    for (size_t i = 0; i < literal.size && i < 8; i++) {
        one->word |= (uint64_t)literal.at[i] << 8 * i;
        one->mask |= (uint64_t)255 << 8 * i;
    }
    if (literal.size && memchr(literal.at, '\n', literal.size)) in->failed = 1;
}

static void read_field(input *in, field *one, int slots) {
    one->source = (uint8_t)small(in, FROM_LINE + 1);
    one->slot = perhaps(in, (uint64_t)slots);
    one->number = (uint8_t)small(in, 2);
    one->several = (uint8_t)small(in, LAST + 1);
    one->digits = small(in, 16);
    one->shift = small(in, 16);
    one->is_url = (uint8_t)small(in, 2);
    if ((one->source == FROM_VARIABLE && one->slot < 0) || (one->number && one->is_url)) in->failed = 1;
}

static void read_node(input *in, const plan *all, metric *of, int room, int depth) {
    if (depth > DEPTH || of->node_count >= room || in->failed) {
        in->failed = 1;
        return;
    }
    int here = of->node_count++;
    node *one = &of->nodes[here];
    one->kind = (uint8_t)small(in, ANY_OF + 1);
    if (one->kind == COMPARE) {
        one->field = small(in, (uint64_t)all->field_count);
        one->op = (uint8_t)small(in, LACKS + 1);
        one->number = (int64_t)get_signed(in);
        one->value = get_text(in);
        if (!in->failed && all->fields[one->field].number != (one->op != EQUAL && one->op != UNEQUAL
                                                                   ? one->op < CONTAINS
                                                                   : all->fields[one->field].number))
            in->failed = 1;
    } else if (one->kind != ALWAYS) {
        for (size_t left = get_many(in); left && !in->failed; left--) read_node(in, all, of, room, depth + 1);
    }
    of->nodes[here].next = of->node_count;
}

static void *many(input *in, int count, size_t size) {
    void *all = in->failed ? NULL : calloc((size_t)count + 1, size);
    if (!all) in->failed = 1;
    return all;
}

static int field_number(input *in, const plan *all, int number) {
    int found = small(in, (uint64_t)all->field_count);
    if (!in->failed && number && !all->fields[found].number) in->failed = 1;
    return found;
}

static void read_metric(input *in, const plan *all, metric *of) {
    int nodes = small(in, 10000);
    of->nodes = many(in, nodes, sizeof *of->nodes);
    if (in->failed) return;
    read_node(in, all, of, nodes, 0);
    of->by_count = small(in, MOST_BY + 1);
    for (int i = 0; i < of->by_count; i++) of->by[i] = field_number(in, all, 0);
    of->number_count = small(in, MOST_FIELDS + 1);
    of->numbers = many(in, of->number_count, sizeof *of->numbers);
    for (int i = 0; i < of->number_count && !in->failed; i++) {
        kept_number *one = &of->numbers[i];
        one->field = field_number(in, all, 1);
        one->name = get_text(in);
        one->cells = small(in, 2);
        one->percents = small(in, MOST_KEPT + 1);
        for (int j = 0; j < one->percents; j++) one->percent[j] = (uint32_t)small(in, 100001);
    }
    of->distinct_count = small(in, MOST_FIELDS + 1);
    of->distincts = many(in, of->distinct_count, sizeof *of->distincts);
    for (int i = 0; i < of->distinct_count && !in->failed; i++) {
        of->distincts[i].field = field_number(in, all, 0);
        of->distincts[i].name = get_text(in);
    }
    of->bucket_count = small(in, MOST_FIELDS + 1);
    of->buckets = many(in, of->bucket_count, sizeof *of->buckets);
    for (int i = 0; i < of->bucket_count && !in->failed; i++) {
        kept_bucket *one = &of->buckets[i];
        one->field = field_number(in, all, 1);
        one->alias = get_text(in);
        one->bounds = small(in, MOST_KEPT + 1);
        for (int j = 0; j < one->bounds; j++) one->bound[j] = (int64_t)get_signed(in);
        of->bucket_slots += one->bounds + 1;
    }
}

static void read_all(input *in, plan *all) {
    size_t *limits[] = {&all->line, &all->value, &all->groups, &all->minutes, &all->memory, &all->samples, &all->urls};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        *limits[i] = (size_t)get_number(in);
        if (*limits[i] > MOST_LIMIT) in->failed = 1;
    }
    if (!all->groups || !all->minutes || all->value > MOST_LINE || all->line > MOST_LINE) in->failed = 1;
    all->seed = get_number(in);
    all->has_zone = small(in, 2);
    all->zone = (int64_t)get_signed(in);
    all->naming = small(in, 3);
    all->slots = small(in, MOST_PARTS + 1);
    all->time_slot = perhaps(in, (uint64_t)all->slots);
    all->request_slot = perhaps(in, (uint64_t)all->slots);
    all->part_count = small(in, MOST_PARTS + 1);
    for (int i = 0; i < all->part_count && !in->failed; i++) read_part(in, &all->parts[i], all->slots);
    all->field_count = small(in, MOST_FIELDS + 1);
    int urls = 0;
    for (int i = 0; i < all->field_count && !in->failed; i++) {
        read_field(in, &all->fields[i], all->slots);
        int source = all->fields[i].source;
        if (source != FROM_VARIABLE && source != FROM_LINE && all->request_slot < 0) in->failed = 1;
        if ((urls += all->fields[i].is_url) > 1) in->failed = 1; /* a second name would take the first one's place */
    }
    int metrics = small(in, MOST_METRICS + 1);
    all->metrics = many(in, metrics, sizeof *all->metrics);
    for (; all->metric_count < metrics && !in->failed; all->metric_count++)
        read_metric(in, all, &all->metrics[all->metric_count]);
    if (all->time_slot < 0 || in->at != in->end) in->failed = 1;
}

/* The slots that no part fills would be read as they were left; each must have a part. */
static int all_filled(const plan *all) {
    for (int slot = 0; slot < all->slots; slot++) {
        int found = 0;
        for (int i = 0; i < all->part_count; i++) found |= all->parts[i].kind != LITERAL && all->parts[i].slot == slot;
        if (!found) return 0;
    }
    return 1;
}

plan *plan_read(const uint8_t *data, size_t size) {
    plan *all = calloc(1, sizeof *all);
    if (!all) return NULL;
    all->kept = calloc(1, size + PAD);
    if (all->kept) {
        memcpy(all->kept, data, size);
        input in = {all->kept, all->kept + size, 0};
        read_all(&in, all);
        if (!in.failed && all_filled(all)) return all;
    }
    plan_free(all);
    return NULL;
}

void plan_free(plan *all) {
    for (int i = 0; all->metrics && i <= all->metric_count; i++) {
        free(all->metrics[i].nodes);
        free(all->metrics[i].numbers);
        free(all->metrics[i].distincts);
        free(all->metrics[i].buckets);
    }
    free(all->metrics);
    free(all->kept);
    free(all);
}
