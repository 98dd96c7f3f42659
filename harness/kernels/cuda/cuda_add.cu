/* cuda_add.cu - the residual sum, x[n,D] += y[n,D]. */
#include "harness/kernels/cuda/cuda_device.h"

template <int W>
static __global__ void add_kernel(bf16 *x, int64_t x_stride, const bf16 *y, int64_t y_stride,
                                  int64_t n_cols)
{
    int64_t row = blockIdx.x, col = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * W;
    if (col >= n_cols) return;
    float a[W], b[W];
    load(a, x + row * x_stride + col);
    load(b, y + row * y_stride + col);
#pragma unroll
    for (int i = 0; i < W; i++) a[i] += b[i];
    store(x + row * x_stride + col, a);
}

template <int W> static cudaError_t launch(cudaStream_t s, struct tensor x, struct tensor y)
{
    int64_t n_cols = x.dim[1];
    unsigned block = block_for(n_cols / W);
    dim3 grid((unsigned)x.dim[0], blocks_for(n_cols / W, block));
    LAUNCH((add_kernel<W>), grid, block, s, (bf16 *)x.data, x.row_stride, (const bf16 *)y.data,
           y.row_stride, n_cols);
    return cudaGetLastError();
}

cudaError_t cuda_launch_add(cudaStream_t s, struct tensor x, struct tensor y)
{
    if (x.dim[0] == 0) return cudaSuccess;
    return is_wide(x) && is_wide(y) ? launch<WIDE>(s, x, y) : launch<1>(s, x, y);
}
