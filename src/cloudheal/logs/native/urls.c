/* What URLs are called: those that the engine names itself, and those that only the settings know how to name. */
#include "inside.h"

#include <stdlib.h>

void urls_clear(engine *of) {
    for (size_t i = 0; i < of->url_room; i++) free(of->urls[i].data);
    free(of->urls);
    of->urls = NULL;
    of->url_count = of->url_room = of->url_memory = 0;
}

static int urls_grow(engine *of) {
    size_t room = of->url_room ? 2 * of->url_room : 64;
    known_url *grown = calloc(room, sizeof *grown);
    if (!grown) return -1;
    for (size_t i = 0; i < of->url_room; i++) {
        if (!of->urls[i].data) continue;
        size_t at = of->urls[i].hash & (room - 1);
        while (grown[at].data) at = (at + 1) & (room - 1);
        grown[at] = of->urls[i];
    }
    free(of->urls);
    of->urls = grown;
    of->url_room = room;
    return 0;
}

/* Before a batch: when too many names are remembered, all are forgotten. Within one they are still pointed at. */
void names_begin(engine *of) {
    of->names_size = 0;
    if (of->url_count >= of->plan->urls || of->url_memory > of->plan->memory / 8) urls_clear(of);
}

/* The name of a path, asked for once and remembered. */
static int ask_name(engine *of, text path, text *named) {
    uint64_t hash = hash_key(of, &path, 1);
    size_t at = hash;
    for (; of->url_room; at++) {
        known_url *known = &of->urls[at & (of->url_room - 1)];
        if (!known->data) break;
        if (known->hash == hash && known->path == path.size && !memcmp(known->data, path.at, path.size))
            return *named = (text){known->data + known->path, known->named}, 0;
    }
    of->named.size = 0;
    if (of->namer(of->context, path.at, path.size, &of->named) || of->named.failed) return -1;
    size_t size = path.size + of->named.size;
    if (2 * of->url_count >= of->url_room && urls_grow(of)) return -1;
    uint8_t *data = calloc(1, size + PAD);
    if (!data) return -1;
    memcpy(data, path.at, path.size);
    if (of->named.size) memcpy(data + path.size, of->named.data, of->named.size);
    for (at = hash; of->urls[at & (of->url_room - 1)].data; at++) continue;
    of->urls[at & (of->url_room - 1)] = (known_url){hash, data, path.size, of->named.size};
    of->url_count++;
    of->url_memory += size + PAD;
    *named = (text){data + path.size, of->named.size};
    return 0;
}

/* Put the name of a URL in its place; -1 without memory, or when the settings' names failed. */
int name_value(engine *of, value *url) {
    text path, named;
    uint8_t *out = of->names + of->names_size;
    url->ready = 1;
    if (name_url(url->text, out, &path, &named) && of->plan->naming == 1) {
        if (named.at == out) of->names_size += named.size;
        return url->text = named, 0;
    }
    if (ask_name(of, path, &named)) return -1;
    url->text = named;
    return 0;
}
