/* cuda_guide.cu - guided logits, z[m,V] = u + scale (z - u). */
#include "harness/kernels/cuda/cuda_device.h"

template <int W>
static __global__ void guide_kernel(float *z, int64_t z_stride, const float *u, int64_t u_stride,
                                    int64_t n_cols, float scale)
{
    int64_t row = blockIdx.x, col = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * W;
    if (col >= n_cols) return;
    float a[W], b[W];
    load(a, z + row * z_stride + col);
    load(b, u + row * u_stride + col);
    /* Rounded after each operation, as on the CPU: __fmul_rn is never fused with the sum. */
#pragma unroll
    for (int i = 0; i < W; i++) a[i] = b[i] + __fmul_rn(scale, a[i] - b[i]);
    store(z + row * z_stride + col, a);
}

template <int W>
static cudaError_t launch(cudaStream_t s, struct tensor z, struct tensor u, float scale)
{
    int64_t n_cols = z.dim[1];
    unsigned block = block_for(n_cols / W);
    dim3 grid((unsigned)z.dim[0], blocks_for(n_cols / W, block));
    LAUNCH((guide_kernel<W>), grid, block, s, (float *)z.data, z.row_stride, (const float *)u.data,
           u.row_stride, n_cols, scale);
    return cudaGetLastError();
}

cudaError_t cuda_launch_guide(cudaStream_t s, struct tensor z, struct tensor u, float scale)
{
    if (z.dim[0] == 0) return cudaSuccess;
    return is_wide(z) && is_wide(u) ? launch<WIDE>(s, z, u, scale) : launch<1>(s, z, u, scale);
}
