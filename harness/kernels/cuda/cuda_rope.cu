/* cuda_rope.cu - rotary position embedding in place, from a table of cosines and sines. */
#include "harness/kernels/cuda/cuda_device.h"

/* A thread turns W pairs (j, j + half) of one head; the block's x dimension walks a row. */
template <int W>
static __global__ void rope_kernel(bf16 *x, int64_t stride, const int32_t *pos, const float *table,
                                   int32_t n_heads, int32_t half)
{
    int64_t row = blockIdx.x;
    int32_t i = (int32_t)(blockIdx.y * blockDim.x + threadIdx.x) * W; /* pair within the row */
    if (i >= n_heads * half) return;
    int32_t head = i / half, j = i % half;
    const float *cosine = table + (int64_t)pos[row] * 2 * half + j;
    float a[W], b[W], c[W], s[W];
    x += row * stride + head * 2 * half + j;
    load(a, x);
    load(b, x + half);
    load(c, cosine);
    load(s, cosine + half);
#pragma unroll
    for (int w = 0; w < W; w++) {
        float turned = a[w] * c[w] - b[w] * s[w];
        b[w] = b[w] * c[w] + a[w] * s[w];
        a[w] = turned;
    }
    store(x, a);
    store(x + half, b);
}

template <int W>
static cudaError_t launch(cudaStream_t s, struct tensor x, const int32_t *pos, const float *table)
{
    int64_t half = x.dim[2] / 2, n = x.dim[1] * half / W;
    unsigned block = block_for(n);
    dim3 grid((unsigned)x.dim[0], blocks_for(n, block));
    LAUNCH((rope_kernel<W>), grid, block, s, (bf16 *)x.data, x.row_stride, pos, table,
           (int32_t)x.dim[1], (int32_t)half);
    return cudaGetLastError();
}

cudaError_t cuda_launch_rope(cudaStream_t s, struct tensor x, const int32_t *pos,
                             const float *table)
{
    if (x.dim[0] == 0) return cudaSuccess;
    bool wide = is_wide(x) && x.dim[2] / 2 % WIDE == 0;
    return wide ? launch<WIDE>(s, x, pos, table) : launch<1>(s, x, pos, table);
}
