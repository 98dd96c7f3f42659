/* cell_index.c - open addressing, at most half full. */
#include "harness/app/cell_index.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

static uint64_t hash_cell(const struct cell *c)
{
    const struct axis *a;
    uint64_t h = 0;
    for (int32_t i = 0; (a = axis_at(i)) && !a->not_yet; i++) {
        struct axis_value v = axis_get(a, c);
        float f = (float)v.f;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        h = mix64(h ^ (uint64_t)v.i ^ ((uint64_t)bits << 32));
        for (const char *p = v.text; *p; p++) h = mix64(h ^ (uint64_t)(unsigned char)*p);
    }
    return h;
}

/* The slot of an equal cell, else the free one where it belongs. */
static int32_t find_slot(const struct cell_index *x, const struct planned_cell *cells,
                         const struct cell *c)
{
    int32_t at = (int32_t)(hash_cell(c) & (uint64_t)(x->size - 1));
    while (x->slot[at] && !cells_equal(&cells[x->slot[at] - 1].cell, c))
        at = (at + 1) & (x->size - 1);
    return at;
}

int32_t cell_index_find(const struct cell_index *x, const struct planned_cell *cells,
                        const struct cell *c)
{
    return x->size ? x->slot[find_slot(x, cells, c)] - 1 : -1;
}

static enum err grow(struct cell_index *x, const struct planned_cell *cells)
{
    struct cell_index next = {.n = x->n, .size = x->size ? 2 * x->size : 64};
    next.slot = calloc((size_t)next.size, sizeof *next.slot);
    if (!next.slot) return err_set(ERR_NOMEM, "no memory to index %d cells", next.size);
    for (int32_t i = 0; i < x->size; i++)
        if (x->slot[i])
            next.slot[find_slot(&next, cells, &cells[x->slot[i] - 1].cell)] = x->slot[i];
    free(x->slot);
    *x = next;
    return ERR_NONE;
}

enum err cell_index_add(struct cell_index *x, const struct planned_cell *cells, int32_t i)
{
    if (2 * (x->n + 1) > x->size) TRY(grow(x, cells));
    int32_t at = find_slot(x, cells, &cells[i].cell);
    CHECK(!x->slot[at]);
    x->slot[at] = i + 1;
    x->n++;
    return ERR_NONE;
}

void cell_index_free(struct cell_index *x)
{
    free(x->slot);
    *x = (struct cell_index){0};
}
