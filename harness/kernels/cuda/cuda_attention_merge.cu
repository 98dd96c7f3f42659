/* cuda_attention_merge.cu - the chunks that several blocks left, folded in their order. */
#include "harness/kernels/cuda/cuda_attention_fused.h"

enum { N_THREADS = 128 };

/* A thread has 8 columns of one head of one row. */
template <int D> static __global__ void __launch_bounds__(N_THREADS) merge_kernel(struct fused a)
{
    enum { PIECES = D / WIDE };
    int64_t at = (int64_t)blockIdx.x * N_THREADS + threadIdx.x;
    int64_t row = at / PIECES / a.h, head = at / PIECES % a.h, col = at % PIECES * WIDE;
    if (row >= a.n) return;
    int64_t n_chunks = (a.rows[row].n_visible + CUDA_CHUNK - 1) / CUDA_CHUNK;
    const struct softmax *states = part_states(&a, D);
    struct softmax all = {-INFINITY, 0};
    float v[WIDE] = {};
    for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
        int64_t part = part_index(&a, chunk, row, head);
        float one[WIDE], keep, add;
        load(one, a.parts + part * D + col);
        fold(&all, states[part], &keep, &add);
#pragma unroll
        for (int i = 0; i < WIDE; i++) v[i] = fmaf(one[i], add, v[i] * keep);
    }
    float inverse = 1 / all.sum;
#pragma unroll
    for (int i = 0; i < WIDE; i++) v[i] *= inverse;
    store(a.out + row * a.out_stride + head * D + col, v);
}

cudaError_t attention_merge_launch(cudaStream_t s, const struct fused *a, int32_t d)
{
    unsigned n_blocks = blocks_for(a->n * a->h * d / WIDE, N_THREADS);
    if (d == 64)
        LAUNCH((merge_kernel<64>), n_blocks, N_THREADS, s, *a);
    else
        LAUNCH((merge_kernel<128>), n_blocks, N_THREADS, s, *a);
    return cudaGetLastError();
}
