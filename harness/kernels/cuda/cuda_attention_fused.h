/* cuda_attention_fused.h - what the fused attention kernel and the one that merges its parts
 * agree on.
 *
 * A row's keys are cut into chunks of CUDA_CHUNK at fixed positions.  Each chunk has a softmax of
 * its own, and the chunks are folded together from the first to the last, in the same words
 * whether one block has them all or each is another's.  So a row's bits do not depend on how
 * many blocks share its keys, nor on the rows beside it. */
#ifndef CUDA_ATTENTION_FUSED_H
#define CUDA_ATTENTION_FUSED_H

#include "harness/kernels/cuda/cuda_device.h"
#include "harness/kernels/cuda/cuda_ptx.h"

struct fused {
    bf16 *out;
    const bf16 *q, *keys, *values;
    const struct cuda_row *rows;
    const struct cuda_tile *tiles;
    float *parts; /* values[chunk][n][h][d], then state[chunk][n][h][2] */
    int64_t out_stride, q_stride, cap;
    int64_t n, n_chunks;
    int32_t h, hk, group; /* group: query heads of a key/value head */
    int32_t n_tiles, n_splits;
    float scale; /* of scores, for powers of two */
};

/* A softmax so far: maximum of the scores, sum of 2^(score - max). */
struct softmax {
    float max, sum;
};

/* Add a chunk; values are to follow: v = fmaf(chunk's, add, v * keep). */
static __device__ __forceinline__ void fold(struct softmax *all, struct softmax chunk, float *keep,
                                            float *add)
{
    float max = fmaxf(all->max, chunk.max);
    *keep = power_of_two(all->max - max);
    *add = power_of_two(chunk.max - max);
    all->max = max;
    all->sum = fmaf(chunk.sum, *add, all->sum * *keep);
}

static __host__ __device__ __forceinline__ int64_t part_index(const struct fused *a, int64_t chunk,
                                                              int64_t row, int64_t head)
{
    return (chunk * a->n + row) * a->h + head;
}

static __device__ __forceinline__ struct softmax *part_states(const struct fused *a, int32_t d)
{
    return (struct softmax *)(a->parts + a->n_chunks * a->n * a->h * d);
}

cudaError_t attention_merge_launch(cudaStream_t s, const struct fused *a, int32_t d);

#endif
