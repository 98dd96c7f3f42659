/* cuda_copy.cu - rows moved and converted: embeddings, gathers, the bias under a matmul. */
#include "harness/kernels/cuda/cuda_int8.h"

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

/* A thread has a group of int8 weights: two 16-byte pieces of them, or one after the other. */
template <bool IS_WIDE, class To>
static __global__ void expand_kernel(To *out, int64_t out_stride, const int8_t *from, int64_t m,
                                     const int32_t *index, int64_t k)
{
    int64_t row = blockIdx.x, group = (int64_t)blockIdx.y * blockDim.x + threadIdx.x;
    int64_t from_row = index ? index[row] : row, begin = group * INT8_GROUP;
    const uint8_t *scales = (const uint8_t *)(from + m * k);
    if (begin >= k) return;
    float scale = int8_scale(scales[int8_scale_place(from_row, group, m, k)]);
    from += from_row * k;
    out += row * out_stride;
#pragma unroll
    for (int piece = 0; IS_WIDE && piece < INT8_GROUP; piece += 16) {
        uint4 u = *(const uint4 *)(from + begin + piece);
        const uint32_t word[4] = {u.x, u.y, u.z, u.w};
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float v[WIDE];
#pragma unroll
            for (int i = 0; i < WIDE; i++)
                v[i] = (float)(int8_t)(word[i / 2] >> 8 * (2 * half + i % 2)) * scale;
            store(out + begin + piece + WIDE * half, v);
        }
    }
    for (int64_t i = begin; !IS_WIDE && i < k && i < begin + INT8_GROUP; i++) {
        const float v[1] = {(float)from[int8_place(i, k)] * scale};
        store(out + i, v);
    }
}

template <class To>
static cudaError_t launch_expand(cudaStream_t s, struct tensor out, struct tensor from,
                                 const int32_t *index)
{
    int64_t m = from.dim[0], k = from.dim[1], n_groups = (k + INT8_GROUP - 1) / INT8_GROUP;
    unsigned block = block_for(n_groups);
    dim3 grid((unsigned)out.dim[0], blocks_for(n_groups, block));
    bool wide = is_wide(out) && (uintptr_t)from.data % 16 == 0 && k % INT8_GROUP == 0;
    if (wide)
        LAUNCH((expand_kernel<true, To>), grid, block, s, (To *)out.data, out.row_stride,
               (const int8_t *)from.data, m, index, k);
    else
        LAUNCH((expand_kernel<false, To>), grid, block, s, (To *)out.data, out.row_stride,
               (const int8_t *)from.data, m, index, k);
    return cudaGetLastError();
}

cudaError_t cuda_launch_copy(cudaStream_t s, struct tensor out, struct tensor from,
                             const int32_t *index)
{
    if (out.dim[0] == 0) return cudaSuccess;
    bool to_bf16 = out.dtype == DTYPE_BF16, from_bf16 = from.dtype == DTYPE_BF16;
    if (from.dtype == DTYPE_INT8)
        return to_bf16 ? launch_expand<bf16>(s, out, from, index)
                       : launch_expand<float>(s, out, from, index);
    if (to_bf16 && from_bf16) return launch_width<bf16, bf16>(s, out, from, index);
    if (to_bf16) return launch_width<bf16, float>(s, out, from, index);
    if (from_bf16) return launch_width<float, bf16>(s, out, from, index);
    return launch_width<float, float>(s, out, from, index);
}
