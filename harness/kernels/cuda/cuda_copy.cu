/* cuda_copy.cu - rows moved and converted: embeddings, gathers, the bias under a matmul. */
#include "harness/kernels/cuda/cuda_device.h"

template <int W, class To, class From>
static __global__ void copy_kernel(To *out, int64_t out_stride, const From *from,
                                   int64_t from_stride, const int32_t *index, int64_t n_cols)
{
    int64_t row = blockIdx.x, col = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * W;
    int64_t from_row = index ? index[row] : row;
    if (col >= n_cols) return;
    float v[W];
    load(v, from + from_row * from_stride + col);
    store(out + row * out_stride + col, v);
}

template <int W, class To, class From>
static cudaError_t launch(cudaStream_t s, struct tensor out, struct tensor from,
                          const int32_t *index)
{
    int64_t n_cols = out.dim[1];
    unsigned block = block_for(n_cols / W);
    dim3 grid((unsigned)out.dim[0], blocks_for(n_cols / W, block));
    LAUNCH((copy_kernel<W, To, From>), grid, block, s, (To *)out.data, out.row_stride,
           (const From *)from.data, from.n_dim == 1 ? 0 : from.row_stride, index, n_cols);
    return cudaGetLastError();
}

template <class To, class From>
static cudaError_t launch_width(cudaStream_t s, struct tensor out, struct tensor from,
                                const int32_t *index)
{
    if (is_wide(out) && is_wide(from)) return launch<WIDE, To, From>(s, out, from, index);
    return launch<1, To, From>(s, out, from, index);
}

cudaError_t cuda_launch_copy(cudaStream_t s, struct tensor out, struct tensor from,
                             const int32_t *index)
{
    if (out.dim[0] == 0) return cudaSuccess;
    bool to_bf16 = out.dtype == DTYPE_BF16, from_bf16 = from.dtype == DTYPE_BF16;
    if (to_bf16 && from_bf16) return launch_width<bf16, bf16>(s, out, from, index);
    if (to_bf16) return launch_width<bf16, float>(s, out, from, index);
    if (from_bf16) return launch_width<float, bf16>(s, out, from, index);
    return launch_width<float, float>(s, out, from, index);
}
