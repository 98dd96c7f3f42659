/* cuda_extra.c - how much device memory this backend will take beside its callers' operands.
 *
 * Upper bounds from the largest shapes.  cuBLAS's workspace is not among them: it is there from
 * the start. */
#include "harness/kernels/cuda/cuda.h"

/* What the driver keeps for a captured launch; nothing documents it. */
enum { GRAPH_NODE_BYTES = 16 << 10 };

/* Buffers are made twice as large as what is asked for, and the smaller one is freed first. */
static int64_t growth(size_t has, int64_t wanted)
{
    return wanted > (int64_t)has ? 2 * wanted - (int64_t)has : 0;
}

/* Of keys that blocks share; more than the limit is never shared. */
static int64_t parts_bytes(const struct kernels_extent *x)
{
    int64_t chunks = (x->capacity + CUDA_CHUNK - 1) / CUDA_CHUNK;
    int64_t bytes = chunks * x->rows * x->n_head * (x->d_head + 2) * (int64_t)sizeof(float);
    if ((x->d_head != 64 && x->d_head != 128) || x->kv != DTYPE_BF16) return 0;
    return bytes < CUDA_PARTS_BYTES_MOST ? bytes : CUDA_PARTS_BYTES_MOST;
}

static int64_t rope_bytes(const struct kernels_extent *x)
{
    int64_t positions = CUDA_ROPE_POSITIONS;
    while (positions < x->capacity) positions *= 2;
    return x->d_head * positions * (int64_t)sizeof(float);
}

struct kernels_extra cuda_extra(const void *state, const struct kernels_mode *mode,
                                const struct kernels_extent *x)
{
    const struct cuda *c = state;
    bool widens = x->weights == DTYPE_F32 && mode->matmul == MATMUL_CUBLAS;
    int64_t wide = widens ? x->rows * x->widest * (int64_t)sizeof(float) : 0;
    const int64_t scratch[SCRATCH_COUNT] = {
        [SCRATCH_X] = wide,
        [SCRATCH_Y] = wide,
        [SCRATCH_PARTS] = parts_bytes(x),
        [SCRATCH_SLICES] =
            x->logit_rows * cuda_n_slices(x->n_vocab) * (int64_t)sizeof(struct cuda_slice),
        [SCRATCH_STATS] = x->logit_rows * (int64_t)sizeof(struct row_stat),
        [SCRATCH_FLOOR] = x->logit_rows * (int64_t)sizeof(float),
        [SCRATCH_ROPE] = rope_bytes(x),
    };
    const int64_t staged[STAGE_COUNT] = {
        [STAGE_IDS] = x->rows * (int64_t)sizeof(int32_t),
        [STAGE_INDEX] = x->logit_rows * (int64_t)sizeof(int32_t),
        [STAGE_POS] = x->rows * (int64_t)sizeof(int32_t),
        [STAGE_ROWS] = x->rows * (int64_t)sizeof(struct cuda_row),
        [STAGE_TILES] = x->rows * (int64_t)sizeof(struct cuda_tile),
        [STAGE_KEYS] = x->logit_rows * (int64_t)sizeof(struct row_key),
    };
    struct kernels_extra extra = {0};
    for (int i = 0; i < SCRATCH_COUNT; i++)
        extra.scratch_bytes += growth(c->scratch[i].bytes, scratch[i]);
    for (int i = 0; i < STAGE_COUNT; i++)
        extra.scratch_bytes += growth(c->staged[i].capacity, staged[i]);
    if (mode->graph) extra.graph_bytes = x->n_graphs * x->calls * GRAPH_NODE_BYTES;
    return extra;
}
