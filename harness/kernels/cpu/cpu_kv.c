/* cpu_kv.c - new keys and values into the cache, [slots, hk, cap, d] f32 or bf16. */
#include <string.h>

#include "harness/kernels/cpu/cpu.h"

struct kv_store {
    const struct cpu_rows *rows;
    struct tensor cache[2], from[2]; /* keys, values */
    const struct span *spans;
    int32_t n_spans;
};

/* Row `row` of the span, all heads. */
static void store_row(const struct kv_store *a, const struct span *s, int64_t row, int which)
{
    struct tensor cache = a->cache[which], from = a->from[which];
    int64_t n_heads = cache.dim[1], cap = cache.dim[2], d = cache.dim[3];
    const float *x = (const float *)from.data + (s->row0 + row) * from.row_stride;
    for (int64_t h = 0; h < n_heads; h++, x += d) {
        int64_t at = s->slot * cache.row_stride + (h * cap + s->pos0 + row) * d;
        if (cache.dtype == DTYPE_BF16)
            a->rows->to_bf16((uint16_t *)cache.data + at, x, d);
        else
            memcpy((float *)cache.data + at, x, (size_t)d * sizeof *x);
    }
}

static void kv_store_member(void *arg, int32_t member, int32_t n_members)
{
    const struct kv_store *a = arg;
    int64_t begin, end, first = 0;
    int64_t n = 0;
    for (int32_t s = 0; s < a->n_spans; s++) n += a->spans[s].n_rows;
    team_share(n, 1, member, n_members, &begin, &end);
    for (int32_t s = 0; s < a->n_spans; first += a->spans[s].n_rows, s++) {
        int64_t last = min_i64(first + a->spans[s].n_rows, end);
        for (int64_t i = begin > first ? begin : first; i < last; i++) {
            store_row(a, &a->spans[s], i - first, 0);
            store_row(a, &a->spans[s], i - first, 1);
        }
    }
}

enum err cpu_kv_store(void *state, struct tensor k_cache, struct tensor v_cache,
                      struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                      int32_t n_spans)
{
    struct cpu *c = state;
    struct kv_store a = {.rows = c->isa.rows,
                         .cache = {k_cache, v_cache},
                         .from = {k_rows, v_rows},
                         .spans = spans,
                         .n_spans = n_spans};
    cpu_run(c, 2 * tensor_bytes(k_rows), kv_store_member, &a);
    return ERR_NONE;
}
