/* cuda_attention_plan.c - how the fused attention is cut into blocks.
 *
 * Only shapes, the cache's capacity and the number of SMs decide, so that a launch is the same
 * whatever the sequences' lengths and can be captured once; and the cut never shows in a bit of
 * the result (cuda_attention_fused.h), so that it is free to follow speed alone. */
#include "harness/kernels/cuda/launch.h"

enum {
    FEW = 16, /* pairs that one mma has rows for */
    MANY = 64,
    BLOCKS_PER_SM = 2
};

static bool on_16_bytes(struct tensor t)
{
    return (uintptr_t)t.data % 16 == 0 && t.row_stride % 8 == 0;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

struct cuda_attention_plan cuda_attention_plan(struct tensor out, struct tensor q,
                                               struct tensor k_cache, struct tensor v_cache,
                                               const struct span *spans, int32_t n_spans,
                                               int32_t n_sms)
{
    struct cuda_attention_plan plan = {0};
    int64_t d = q.dim[2], h = q.dim[1], hk = k_cache.dim[1], group = h / hk, most = 0, n_tiles = 0;
    if (q.dim[0] == 0 || (d != 64 && d != 128) || group > MANY || k_cache.dtype != DTYPE_BF16)
        return plan;
    if (!on_16_bytes(q) || !on_16_bytes(out) || !on_16_bytes(k_cache) || !on_16_bytes(v_cache))
        return plan;
    for (int32_t i = 0; i < n_spans; i++)
        if (spans[i].n_rows > most) most = spans[i].n_rows;
    int64_t block_rows = most * group <= FEW ? FEW : MANY, tile_rows = block_rows / group;
    for (int32_t i = 0; i < n_spans; i++) n_tiles += divide_up(spans[i].n_rows, tile_rows);

    int64_t n_chunks = divide_up(k_cache.dim[2], CUDA_CHUNK);
    int64_t n_splits = (int64_t)BLOCKS_PER_SM * n_sms / (n_tiles * hk);
    int64_t parts = n_chunks * q.dim[0] * h * (d + 2) * (int64_t)sizeof(float);
    if (n_splits > n_chunks) n_splits = n_chunks;
    if (n_splits < 1 || parts > CUDA_PARTS_BYTES_MOST) n_splits = 1;
    plan.block_rows = (int32_t)block_rows;
    plan.tile_rows = (int32_t)tile_rows;
    plan.n_tiles = (int32_t)n_tiles;
    plan.n_splits = (int32_t)n_splits;
    plan.parts_bytes = n_splits > 1 ? (size_t)parts : 0;
    return plan;
}

/* The plain kernel has a row to a block and does nothing for keys that it does not see; lanes have
 * 8 elements of a head each. */
struct attention_tile cuda_attention_tile(const struct cuda_attention_plan *plan, struct tensor q,
                                          struct tensor k_cache)
{
    int32_t group = (int32_t)(q.dim[1] / k_cache.dim[1]);
    if (plan->block_rows == 0)
        return (struct attention_tile){.rows = 1, .pairs = group, .keys = 1, .width = 8};
    return (struct attention_tile){
        .rows = plan->tile_rows, .pairs = plan->block_rows, .keys = CUDA_KEY_TILE, .width = 1};
}

void cuda_attention_tiles(const struct cuda_attention_plan *plan, const struct span *spans,
                          int32_t n_spans, struct cuda_tile *tiles)
{
    for (int32_t i = 0; i < n_spans; i++)
        for (int32_t row = 0; row < spans[i].n_rows; row += plan->tile_rows) {
            int32_t left = spans[i].n_rows - row;
            *tiles++ = (struct cuda_tile){
                .row0 = spans[i].row0 + row,
                .n_rows = left < plan->tile_rows ? left : plan->tile_rows,
            };
        }
}
