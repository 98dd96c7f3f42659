/* cuda_matmul_own.h - this program's own matrix products, y[n,m] = x[n,k] . w[m,k]^T + bias: what
 * its kernels agree on.
 *
 * k is cut into N_PARTS parts of whole steps; a part is summed by itself, 16 elements at a time in
 * rising order, and the parts are added from the first to the last.  Weights are always mma's
 * a, rows of x its b.  So an element of y is the same sum whichever kernel makes it and whatever
 * other rows there are: its bits depend on its row, its weights and k alone. */
#ifndef CUDA_MATMUL_OWN_H
#define CUDA_MATMUL_OWN_H

#include "harness/kernels/cuda/cuda_int8.h"

enum { N_PARTS = 4, STEP = INT8_STEP };

struct matmul {
    void *y;
    const bf16 *x;
    const void *w, *bias; /* bias: NULL, or of the dtype beside w's */
    int64_t y_stride, x_stride;
    int32_t n, m, k;
    enum dtype w_dtype;
    bool y_is_f32;
    bool stores_wide; /* 8 results of a row may be stored by 16-byte accesses */
};

/* Elements of k in a part; the last ones may have fewer, or none. */
static __host__ __device__ __forceinline__ int part_steps(int32_t k)
{
    int steps = (k + STEP - 1) / STEP;
    return (steps + N_PARTS - 1) / N_PARTS;
}

/* ---- ROWS rows of weights, a step of k, in shared memory ---- */

template <class W, int ROWS> struct weight_tile;
template <int ROWS> struct weight_tile<bf16, ROWS> {
    alignas(16) bf16 v[ROWS][STEP];
};
template <int ROWS> struct weight_tile<int8_t, ROWS> : int8_tile<ROWS> {
};

/* Queue the copy of rows row0 on, elements k .. k1 - 1 of k; k is a multiple of a step. */
template <int N_THREADS, int ROWS>
static __device__ __forceinline__ void copy_weights(weight_tile<bf16, ROWS> &to,
                                                    const struct matmul *a, int64_t row0, int64_t k,
                                                    int64_t k1, int thread)
{
    copy_tile<N_THREADS>(to.v, (const bf16 *)a->w + row0 * a->k + k, a->k, a->m - row0, k1 - k,
                         thread);
}

template <int N_THREADS, int ROWS>
static __device__ __forceinline__ void copy_weights(weight_tile<int8_t, ROWS> &to,
                                                    const struct matmul *a, int64_t row0, int64_t k,
                                                    int64_t k1, int thread)
{
    const int8_t *w = (const int8_t *)a->w;
    const uint8_t *scales = (const uint8_t *)(w + (int64_t)a->m * a->k);
    (void)k1; /* steps are whole */
    copy_int8_tile<N_THREADS>(to, w + row0 * a->k + k, a->k, scales + (k / STEP * a->m + row0) * 2,
                              a->m - row0, thread);
}

/* Rows row0 .. row0 + 15, elements 32 pair .. + 31, as mma's a of two steps of 16. */
template <int ROWS>
static __device__ __forceinline__ void
load_weights(uint32_t (&a)[2][4], const weight_tile<bf16, ROWS> &tile, int row0, int pair, int lane)
{
    load_a(a[0], tile.v, row0, 2 * pair, lane);
    load_a(a[1], tile.v, row0, 2 * pair + 1, lane);
}

template <int ROWS>
static __device__ __forceinline__ void load_weights(uint32_t (&a)[2][4],
                                                    const weight_tile<int8_t, ROWS> &tile, int row0,
                                                    int pair, int lane)
{
    load_int8_a(a, tile, row0, pair, lane);
}

/* v + bias to y[row, col ..], as far as there are columns. */
static __device__ __forceinline__ void store_results(const struct matmul *a, int64_t row,
                                                     int32_t col, float (&v)[WIDE])
{
    int32_t left = a->m - col;
    if (a->bias) {
#pragma unroll
        for (int i = 0; i < WIDE; i++)
            if (i < left) v[i] += float_of_bf16(((const bf16 *)a->bias)[col + i]);
    }
    float *f32 = (float *)a->y + row * a->y_stride + col;
    bf16 *half = (bf16 *)a->y + row * a->y_stride + col;
    if (a->stores_wide && left >= WIDE) {
        if (a->y_is_f32)
            store(f32, v);
        else
            store(half, v);
        return;
    }
#pragma unroll
    for (int i = 0; i < WIDE; i++) {
        if (i < left && a->y_is_f32) f32[i] = v[i];
        if (i < left && !a->y_is_f32) half[i] = bf16_of_float(v[i]);
    }
}

/* Few rows: blocks of weights, read once by blocks of t.rows each. */
cudaError_t matmul_few_launch(cudaStream_t s, const struct matmul *a, struct matmul_tile t);
/* Many rows: tiles of 128 x 128. */
cudaError_t matmul_many_launch(cudaStream_t s, const struct matmul *a);
/* Anything, on CUDA cores: f32 weights, operands that tiles do not fit. */
cudaError_t matmul_plain_launch(cudaStream_t s, const struct matmul *a);

#endif
