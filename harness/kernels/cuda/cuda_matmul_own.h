/* cuda_matmul_own.h - this program's own matrix products, y[n,m] = x[n,k] . w[m,k]^T + bias: what
 * its kernels agree on.
 *
 * k is cut into N_PARTS parts of whole steps; a part is summed by itself, 16 elements at a time in
 * rising order, and the parts are added from the first to the last.  Weights are always mma's
 * a, rows of x its b.  So an element of y is the same sum whichever kernel makes it and whatever
 * other rows there are: its bits depend on its row, its weights and k alone. */
#ifndef CUDA_MATMUL_OWN_H
#define CUDA_MATMUL_OWN_H

#include "harness/kernels/cuda/cuda_tile.h"

enum { N_PARTS = 4, STEP = 64 };

struct matmul {
    void *y;
    const bf16 *x;
    const void *w, *bias; /* bias: NULL, or of w's dtype */
    int64_t y_stride, x_stride;
    int32_t n, m, k;
    bool y_is_f32, w_is_f32;
    bool stores_wide; /* 8 results of a row may be stored by 16-byte accesses */
};

/* Elements of k in a part; the last ones may have fewer, or none. */
static __host__ __device__ __forceinline__ int part_steps(int32_t k)
{
    int steps = (k + STEP - 1) / STEP;
    return (steps + N_PARTS - 1) / N_PARTS;
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
/* Anything, on CUDA cores: f32 weights, rows that do not begin on 16 bytes. */
cudaError_t matmul_plain_launch(cudaStream_t s, const struct matmul *a);

#endif
