/* cpu_cache.c - keys and values of a batch, f32 or bf16, as the panels that a matmul's weights are
 * (cpu_tiles.h), so that attention is two products of such panels.
 *
 * Keys: [slots][hk][cap / 32] panels of 32 positions, [d][32].  Values: [slots][hk][d / 32] panels
 * of 32 columns, [cap][32].  Both quotients are rounded up; what fills the last panel is not
 * used. */
#include <string.h>

#include "harness/kernels/cpu/cpu.h"

void cpu_lay_out_cache(struct tensor *keys, struct tensor *values)
{
    int64_t n_heads = keys->dim[1], cap = keys->dim[2], d = keys->dim[3];
    keys->layout = LAYOUT_KEYS;
    keys->row_stride = n_heads * round_up(cap, PANEL) * d;
    values->layout = LAYOUT_VALUES;
    values->row_stride = n_heads * round_up(d, PANEL) * cap;
}

/* Where element i of a position stands. */
static char *element(struct tensor cache, int64_t slot, int64_t head, int64_t pos, int64_t i)
{
    int64_t n_heads = cache.dim[1], cap = cache.dim[2], d = cache.dim[3];
    int64_t at = slot * cache.row_stride + head * (cache.row_stride / n_heads);
    if (cache.layout == LAYOUT_KEYS)
        at += pos / PANEL * PANEL * d + i * PANEL + panel_place(cache.dtype, pos % PANEL);
    else
        at += (i / PANEL * cap + pos) * PANEL + panel_place(cache.dtype, i % PANEL);
    return (char *)cache.data + at * dtype_bytes(cache.dtype);
}

/* row[d] of one position and head into the cache, or out of it. */
static void copy_position(struct tensor cache, int64_t slot, int64_t head, int64_t pos, void *row,
                          bool out)
{
    int64_t d = cache.dim[3], step = cache.layout == LAYOUT_KEYS ? PANEL : 1;
    if (cache.dtype == DTYPE_BF16 && cache.layout == LAYOUT_VALUES) step = 2;
    /* Elements of a run stand at equal steps. */
    int64_t run = cache.layout == LAYOUT_KEYS ? d : PANEL / step;
    for (int64_t begin = 0; begin < d; begin += run) {
        char *at = element(cache, slot, head, pos, begin);
        int64_t n = min_i64(run, d - begin);
        for (int64_t i = 0; i < n; i++) {
            if (cache.dtype == DTYPE_BF16 && out)
                ((uint16_t *)row)[begin + i] = ((uint16_t *)at)[i * step];
            else if (cache.dtype == DTYPE_BF16)
                ((uint16_t *)at)[i * step] = ((uint16_t *)row)[begin + i];
            else if (out)
                ((float *)row)[begin + i] = ((float *)at)[i * step];
            else
                ((float *)at)[i * step] = ((float *)row)[begin + i];
        }
    }
}

void cpu_copy_cache(struct tensor cache, char *host, bool to_host)
{
    int64_t row_bytes = cache.dim[3] * dtype_bytes(cache.dtype);
    for (int64_t slot = 0; slot < cache.dim[0]; slot++)
        for (int64_t head = 0; head < cache.dim[1]; head++)
            for (int64_t pos = 0; pos < cache.dim[2]; pos++, host += row_bytes)
                copy_position(cache, slot, head, pos, host, to_host);
}

struct kv_store {
    const struct cpu_rows *rows;
    struct tensor cache[2], from[2]; /* keys, values */
    const struct span *spans;
    int32_t n_spans;
    char *narrow; /* per member room for one row */
};

/* Panels of positions that a span writes into. */
static int64_t n_blocks(const struct span *s)
{
    if (s->n_rows == 0) return 0;
    return (s->pos0 + s->n_rows - 1) / PANEL - s->pos0 / PANEL + 1;
}

static void store_block(const struct kv_store *a, const struct span *s, int64_t head, int64_t begin,
                        int64_t end, char *narrow)
{
    for (int which = 0; which < 2; which++) {
        struct tensor cache = a->cache[which], from = a->from[which];
        int64_t d = cache.dim[3];
        for (int64_t pos = begin; pos < end; pos++) {
            float *x = (float *)from.data + (s->row0 + pos - s->pos0) * from.row_stride + head * d;
            if (cache.dtype == DTYPE_BF16) a->rows->to_bf16((uint16_t *)narrow, x, d);
            copy_position(cache, s->slot, head, pos, cache.dtype == DTYPE_BF16 ? narrow : (void *)x,
                          false);
        }
    }
}

/* Shared out by heads and panels of positions: no line of keys has two writers. */
static void kv_store_member(void *arg, int32_t member, int32_t n_members)
{
    const struct kv_store *a = arg;
    int64_t n_heads = a->cache[0].dim[1], n = 0, first = 0, begin, end;
    char *narrow = a->narrow + member * round_up(a->cache[0].dim[3] * 2, 64);
    for (int32_t s = 0; s < a->n_spans; s++) n += n_blocks(&a->spans[s]) * n_heads;
    team_share(n, 1, member, n_members, &begin, &end);
    for (const struct span *s = a->spans; s < a->spans + a->n_spans; s++) {
        int64_t blocks = n_blocks(s), last = first + blocks * n_heads;
        for (int64_t u = begin > first ? begin : first; u < min_i64(last, end); u++) {
            int64_t panel = s->pos0 / PANEL + (u - first) % blocks;
            int64_t from = panel * PANEL > s->pos0 ? panel * PANEL : s->pos0;
            store_block(a, s, (u - first) / blocks, from,
                        min_i64((panel + 1) * PANEL, s->pos0 + s->n_rows), narrow);
        }
        first = last;
    }
}

enum err cpu_kv_store(void *state, struct tensor k_cache, struct tensor v_cache,
                      struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                      int32_t n_spans)
{
    struct cpu *c = state;
    void *narrow;
    int64_t room = round_up(k_cache.dim[3] * 2, 64);
    CHECK(k_cache.layout == LAYOUT_KEYS && v_cache.layout == LAYOUT_VALUES);
    TRY(cpu_scratch(c, SCRATCH_MEMBERS, (size_t)(team_size(c->team) * room), &narrow));
    struct kv_store a = {.rows = c->isa.rows,
                         .cache = {k_cache, v_cache},
                         .from = {k_rows, v_rows},
                         .spans = spans,
                         .n_spans = n_spans,
                         .narrow = narrow};
    cpu_run(c, 2 * tensor_bytes(k_rows), kv_store_member, &a);
    return ERR_NONE;
}
