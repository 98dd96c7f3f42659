/* cpu_attention.c - softmax(q . keys^T / sqrt(d)) . values in one pass over the keys.
 *
 * A work item is a block of one sequence's rows with all query heads of one key/value head, so
 * that each key and value is read once per item.  Keys are taken SCORE_KEYS at a time: scores,
 * running softmax, weighted values.  Both products are of the panels in the cache (cpu_cache.c) and
 * go through the tiles of matmul.
 *
 * Every PIECE_KEYS keys a fresh maximum and sum begin, and pieces are merged in rising order.
 * That is the same arithmetic whether one member goes through all pieces of an item or, when
 * there are few items, several members take a piece each. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "harness/kernels/cpu/cpu.h"

enum {
    PIECE_KEYS = 512,  /* a multiple of SCORE_KEYS                             */
    ITEM_QUERIES = 48, /* rows x query heads an item aims at                   */
    FEW_ITEMS = 4      /* items per member below which they are cut into pieces */
};

struct item {
    int32_t span, kv_head, row0, n_rows;
    int32_t n_keys;      /* that any of the rows sees                     */
    int32_t first_piece; /* among all items' pieces, if these are kept    */
    int32_t n_pieces;
};

/* Running softmax of an item's queries; q = row x group + head within the group. */
struct partial {
    float *max, *sum; /* [queries]             */
    float *sum_v;     /* [queries][d_padded]   */
};

struct attention {
    struct cpu *cpu;
    struct tensor out, q, k_cache, v_cache;
    const struct span *spans;
    const struct item *items;
    int32_t n_spans, n_items, n_pieces;
    int32_t max_queries; /* of an item                                    */
    int64_t group;       /* query heads per key/value head                */
    int64_t d, d_padded; /* head width, rounded up to PANEL               */
    bool in_pieces;
    float *parts;   /* in_pieces: one partial per piece              */
    float *members; /* see member_floats                             */
    int64_t part_floats, member_floats;
    _Atomic int32_t next_item, next_merge;
};

static int64_t rows_per_item(int64_t group)
{
    return group >= ITEM_QUERIES ? 1 : ITEM_QUERIES / group;
}

static struct partial partial_at(const struct attention *a, float *p)
{
    return (struct partial){p, p + a->max_queries, p + round_up(2 * a->max_queries, 16)};
}

static int64_t partial_floats(const struct attention *a)
{
    return round_up(2 * a->max_queries, 16) + a->max_queries * a->d_padded;
}

static int64_t n_queries(const struct attention *a, const struct item *it)
{
    return it->n_rows * a->group;
}

/* Queries are cut into tiles of rows as equal as may be: `more` of them have one more than the
 * rest. */
struct cut {
    int64_t tiles, rows, more;
};

static struct cut cut_of(const struct attention *a, int64_t n)
{
    int64_t most = a->cpu->isa.tiles->max_rows, tiles = (n + most - 1) / most;
    return (struct cut){tiles, n / tiles, n % tiles};
}

static int64_t rows_of(const struct cut *c, int64_t tile)
{
    return c->rows + (tile < c->more);
}

/* queries in tile order, [tile][d][rows of the tile], with the scale of the scores */
static void pack_queries(const struct attention *a, const struct item *it, float *out)
{
    const struct span *s = &a->spans[it->span];
    struct cut cut = cut_of(a, n_queries(a, it));
    float scale = 1.0f / sqrtf((float)a->d);
    for (int64_t tile = 0, begin = 0; tile < cut.tiles; tile++) {
        int64_t rows = rows_of(&cut, tile);
        for (int64_t r = 0; r < rows; r++) {
            int64_t row = s->row0 + it->row0 + (begin + r) / a->group;
            int64_t head = it->kv_head * a->group + (begin + r) % a->group;
            const float *q = (const float *)a->q.data + row * a->q.row_stride + head * a->d;
            for (int64_t i = 0; i < a->d; i++) out[begin * a->d + i * rows + r] = q[i] * scale;
        }
        begin += rows;
    }
}

/* Where position key0 begins in the item's head of a cache; of keys, a multiple of PANEL. */
static const char *panels_at(const struct attention *a, const struct item *it, struct tensor cache,
                             int64_t key0)
{
    int64_t head = cache.row_stride / cache.dim[1]; /* elements */
    int64_t at = a->spans[it->span].slot * cache.row_stride + it->kv_head * head +
                 key0 * (cache.layout == LAYOUT_KEYS ? a->d : PANEL);
    return (const char *)cache.data + at * dtype_bytes(cache.dtype);
}

/* y[query][32 p + c] (+)= sum over i < k of x(query, i) w[p][i][c] for panels p of the cache. */
struct product {
    const char *w, *ahead; /* panels, and those to ask for meanwhile           */
    int64_t panel_bytes;   /* from one to the next                             */
    int64_t n_panels, k;
    enum dtype dtype;
    const float *x;
    int64_t x_stride; /* elements of x for each query of the tiles before */
    float *y;
    int64_t y_stride;
    bool first;
    tile_fn *const *direct, *const *keep, *const *wide; /* by rows; wide: of what keep has left */
};

/* bf16 is widened by each of few tiles for itself; of more the first leaves it as f32 in `wide`. */
static void multiply(const struct attention *a, int64_t n, const struct product *p, float *wide)
{
    enum { FEW_TILES = 2 };
    struct cut cut = cut_of(a, n);
    bool keeps = p->dtype != DTYPE_F32 && cut.tiles > FEW_TILES;
    struct ahead ahead = ahead_of(p->ahead, p->panel_bytes, p->n_panels,
                                  panel_bytes(p->dtype, p->k) / 64, cut.tiles * p->n_panels, p->k);
    for (int64_t panel = 0; panel < p->n_panels; panel++)
        for (int64_t tile = 0, begin = 0; tile < cut.tiles; tile++) {
            int64_t rows = rows_of(&cut, tile);
            const char *w = p->w + panel * p->panel_bytes;
            const float *x = p->x + begin * p->x_stride;
            float *y = p->y + begin * p->y_stride + panel * PANEL;
            struct tile_next next = ahead_next(&ahead);
            begin += rows;
            if (!keeps)
                p->direct[rows](w, x, p->k, y, p->y_stride, p->first, NULL, next);
            else if (tile == 0)
                p->keep[rows](w, x, p->k, y, p->y_stride, p->first, wide, next);
            else
                p->wide[rows](wide, x, p->k, y, p->y_stride, p->first, NULL, next);
        }
}

static struct product scores_of(const struct attention *a, const char *keys, int64_t n_keys,
                                const char *ahead, const float *queries, float *scores)
{
    const struct cpu_tiles *t = a->cpu->isa.tiles;
    enum dtype dtype = a->k_cache.dtype;
    return (struct product){.w = keys,
                            .ahead = ahead,
                            .panel_bytes = panel_bytes(dtype, a->d),
                            .n_panels = round_up(n_keys, PANEL) / PANEL,
                            .k = a->d,
                            .dtype = dtype,
                            .x = queries,
                            .x_stride = a->d,
                            .y = scores,
                            .y_stride = SCORE_KEYS,
                            .first = true,
                            .direct = t->direct[dtype],
                            .keep = t->keep[dtype],
                            .wide = t->direct[DTYPE_F32]};
}

static struct product values_of(const struct attention *a, const char *values, int64_t n_keys,
                                const char *ahead, const float *weights, float *sum_v)
{
    const struct cpu_tiles *t = a->cpu->isa.tiles;
    enum dtype dtype = a->v_cache.dtype;
    return (struct product){.w = values,
                            .ahead = ahead,
                            .panel_bytes = panel_bytes(dtype, a->v_cache.dim[2]),
                            .n_panels = a->d_padded / PANEL,
                            .k = n_keys,
                            .dtype = dtype,
                            .x = weights,
                            .x_stride = SCORE_KEYS,
                            .y = sum_v,
                            .y_stride = a->d_padded,
                            .first = false,
                            .direct = t->weigh[dtype],
                            .keep = t->weigh_keep[dtype],
                            .wide = t->weigh[DTYPE_F32]};
}

/* Where the tile after this one begins, in the keys and in the values. */
struct after {
    const char *keys, *values;
};

static struct after after_at(const struct attention *a, const struct item *it, int64_t key)
{
    return (struct after){panels_at(a, it, a->k_cache, key), panels_at(a, it, a->v_cache, key)};
}

/* A panel of either product as f32. */
static int64_t wide_floats(const struct attention *a)
{
    return PANEL * (a->d > SCORE_KEYS ? a->d : SCORE_KEYS);
}

/* One tile of n_keys keys from key0; `work` as laid out by cpu_attention. */
static void attend_tile(const struct attention *a, const struct item *it, int64_t key0,
                        int64_t n_keys, struct after after, struct partial part, float *work)
{
    int64_t n = n_queries(a, it);
    float *queries = work, *scores = queries + a->max_queries * a->d_padded;
    float *wide = scores + a->max_queries * SCORE_KEYS;
    int32_t *seen = (int32_t *)(wide + wide_floats(a));
    struct product to_scores =
        scores_of(a, panels_at(a, it, a->k_cache, key0), n_keys, after.keys, queries, scores);
    struct product to_values =
        values_of(a, panels_at(a, it, a->v_cache, key0), n_keys, after.values, scores, part.sum_v);
    multiply(a, n, &to_scores, wide);
    for (int64_t row = 0; row < it->n_rows; row++)
        for (int64_t g = 0; g < a->group; g++)
            seen[row * a->group + g] =
                (int32_t)(span_visible(&a->spans[it->span], it->row0 + row) - key0);
    a->cpu->isa.attention->softmax_step(scores, n, n_keys, seen, part.max, part.sum, part.sum_v,
                                        a->d_padded);
    multiply(a, n, &to_values, wide);
}

/* after: what this member turns to when the piece is done. */
static void attend_piece(const struct attention *a, const struct item *it, int32_t piece,
                         struct after after, struct partial part, float *work)
{
    int64_t n = n_queries(a, it), begin = (int64_t)piece * PIECE_KEYS;
    int64_t end = min_i64(begin + PIECE_KEYS, it->n_keys);
    for (int64_t r = 0; r < n; r++) part.max[r] = -INFINITY;
    memset(part.sum, 0, (size_t)n * sizeof(float));
    memset(part.sum_v, 0, (size_t)(n * a->d_padded) * sizeof(float));
    for (int64_t key = begin; key < end; key += SCORE_KEYS) {
        int64_t next = key + SCORE_KEYS;
        attend_tile(a, it, key, min_i64(SCORE_KEYS, end - key),
                    next < end ? after_at(a, it, next) : after, part, work);
    }
}

static void merge_piece(const struct attention *a, const struct item *it, struct partial into,
                        struct partial from)
{
    for (int64_t r = 0; r < n_queries(a, it); r++)
        a->cpu->isa.attention->merge(&into.max[r], &into.sum[r], into.sum_v + r * a->d_padded,
                                     from.max[r], from.sum[r], from.sum_v + r * a->d_padded,
                                     a->d_padded);
}

static void write_item(const struct attention *a, const struct item *it, struct partial p)
{
    for (int64_t r = 0; r < n_queries(a, it); r++) {
        int64_t row = a->spans[it->span].row0 + it->row0 + r / a->group;
        int64_t head = it->kv_head * a->group + r % a->group;
        a->cpu->isa.attention->finish((float *)a->out.data + row * a->out.row_stride + head * a->d,
                                      p.sum_v + r * a->d_padded, p.sum[r], a->d);
    }
}

static void attend_item(const struct attention *a, const struct item *it, float *work)
{
    float *parts = work + a->member_floats - 2 * a->part_floats;
    struct partial all = partial_at(a, parts), next = partial_at(a, parts + a->part_floats);
    pack_queries(a, it, work);
    attend_piece(a, it, 0, after_at(a, it, PIECE_KEYS), all, work);
    for (int32_t p = 1; p < it->n_pieces; p++) {
        attend_piece(a, it, p, after_at(a, it, (p + 1) * PIECE_KEYS), next, work);
        merge_piece(a, it, all, next);
    }
    write_item(a, it, all);
}

static const struct item *item_of_piece(const struct attention *a, int32_t piece)
{
    const struct item *it = a->items;
    while (piece >= it->first_piece + it->n_pieces) it++;
    return it;
}

/* Which member takes which item is left to chance; what it computes is not. */
static void attention_member(void *arg, int32_t member, int32_t n_members)
{
    struct attention *a = arg;
    float *work = a->members + member * a->member_floats;
    if (!a->in_pieces) {
        for (;;) {
            int32_t i = atomic_fetch_add(&a->next_item, 1);
            if (i >= a->n_items) return;
            attend_item(a, &a->items[i], work);
        }
    }
    /* The next piece is taken before this one is begun, so that its keys can be asked for. */
    for (int32_t next, i = atomic_fetch_add(&a->next_item, 1); i < a->n_pieces; i = next) {
        next = atomic_fetch_add(&a->next_item, 1);
        const struct item *it = item_of_piece(a, i), *then = it;
        int64_t key = (i - it->first_piece) * PIECE_KEYS;
        if (next < a->n_pieces) {
            then = item_of_piece(a, next);
            key = (next - then->first_piece) * PIECE_KEYS;
        }
        pack_queries(a, it, work);
        attend_piece(a, it, i - it->first_piece, after_at(a, then, key),
                     partial_at(a, a->parts + i * a->part_floats), work);
    }
    if (n_members > 1) team_barrier(a->cpu->team, member);
    for (;;) {
        int32_t i = atomic_fetch_add(&a->next_merge, 1);
        if (i >= a->n_items) return;
        const struct item *it = &a->items[i];
        float *first = a->parts + it->first_piece * a->part_floats;
        for (int32_t p = 1; p < it->n_pieces; p++)
            merge_piece(a, it, partial_at(a, first), partial_at(a, first + p * a->part_floats));
        write_item(a, it, partial_at(a, first));
    }
}

/* Keys that the last of a block's rows, and so any of them, sees. */
static int64_t keys_seen(const struct span *s, int64_t row0, int64_t n_rows)
{
    return span_visible(s, row0 + n_rows - 1);
}

/* Cut all spans into items, those with the most keys of a causal span first; with items NULL
 * they are only counted. */
static void list_items(struct attention *a, struct item *items)
{
    int64_t step = rows_per_item(a->group);
    a->n_items = a->n_pieces = 0;
    for (int32_t s = 0; s < a->n_spans; s++) {
        const struct span *span = &a->spans[s];
        for (int64_t block = (span->n_rows + step - 1) / step - 1; block >= 0; block--)
            for (int64_t head = 0; head < a->k_cache.dim[1]; head++) {
                int64_t row0 = block * step, n_rows = min_i64(step, span->n_rows - row0);
                int64_t n_keys = keys_seen(span, row0, n_rows);
                int64_t n_pieces = (n_keys + PIECE_KEYS - 1) / PIECE_KEYS;
                if (items != NULL)
                    items[a->n_items] = (struct item){.span = s,
                                                      .kv_head = (int32_t)head,
                                                      .row0 = (int32_t)row0,
                                                      .n_rows = (int32_t)n_rows,
                                                      .n_keys = (int32_t)n_keys,
                                                      .first_piece = a->n_pieces,
                                                      .n_pieces = (int32_t)n_pieces};
                a->n_items++;
                a->n_pieces += (int32_t)n_pieces;
                if (n_rows * a->group > a->max_queries)
                    a->max_queries = (int32_t)(n_rows * a->group);
            }
    }
}

enum err cpu_attention(void *state, struct tensor out, struct tensor q, struct tensor k_cache,
                       struct tensor v_cache, const struct span *spans, int32_t n_spans)
{
    struct cpu *c = state;
    struct attention a = {.cpu = c,
                          .out = out,
                          .q = q,
                          .k_cache = k_cache,
                          .v_cache = v_cache,
                          .spans = spans,
                          .n_spans = n_spans,
                          .group = q.dim[1] / k_cache.dim[1],
                          .d = q.dim[2],
                          .d_padded = round_up(q.dim[2], PANEL)};
    void *items, *members, *parts = NULL;
    int32_t team = team_size(c->team);
    CHECK(k_cache.layout == LAYOUT_KEYS && v_cache.layout == LAYOUT_VALUES);
    list_items(&a, NULL);
    if (a.n_items == 0) return ERR_NONE;
    TRY(cpu_scratch(c, SCRATCH_ROWS, (size_t)a.n_items * sizeof *a.items, &items));
    list_items(&a, items);
    a.items = items;
    a.part_floats = round_up(partial_floats(&a), 16);
    a.member_floats =
        a.max_queries * (a.d_padded + SCORE_KEYS + 1) + wide_floats(&a) + 2 * a.part_floats;
    a.member_floats = round_up(a.member_floats, 1024);
    TRY(cpu_scratch(c, SCRATCH_MEMBERS, (size_t)(team * a.member_floats) * sizeof(float),
                    &members));
    a.members = members;
    a.in_pieces = a.n_items < FEW_ITEMS * team && a.n_pieces > a.n_items;
    if (a.in_pieces) {
        /* As many as a full cache would need, so that a growing context allocates once. */
        int64_t most = a.n_items * ((k_cache.dim[2] + PIECE_KEYS - 1) / PIECE_KEYS);
        TRY(cpu_scratch(c, SCRATCH_PARTS, (size_t)(most * a.part_floats) * sizeof(float), &parts));
        a.parts = parts;
    }
    cpu_run(c, a.n_pieces * PIECE_KEYS * a.d, attention_member, &a);
    return ERR_NONE;
}
