/* cuda_rmsnorm.cu - one block per vector: a row, or one head of a row.  A thread keeps the pieces
 * it has read, so that vectors up to HELD * 256 * 8 = 8192 long are read once. */
#include "harness/kernels/cuda/cuda_device.h"

enum { HELD = 4 };

template <int W>
static __device__ __forceinline__ float add_squares(float (&v)[W], const bf16 *x, float sum)
{
    load(v, x);
#pragma unroll
    for (int j = 0; j < W; j++) sum = fmaf(v[j], v[j], sum);
    return sum;
}

template <int W, class Gain>
static __device__ __forceinline__ void put_scaled(bf16 *out, float (&v)[W], const Gain *gain,
                                                  float scale)
{
    float g[W];
    load(g, gain);
#pragma unroll
    for (int j = 0; j < W; j++) v[j] = v[j] * scale * g[j];
    store(out, v);
}

/* out may be x: each thread writes only what it alone reads. */
template <int W, class Gain>
static __global__ void rmsnorm_kernel(bf16 *out, int64_t out_stride, const bf16 *x,
                                      int64_t x_stride, const Gain *gain, int32_t n_heads,
                                      int32_t d, float eps)
{
    int64_t row = blockIdx.x / n_heads, head = blockIdx.x % n_heads;
    x += row * x_stride + head * d;
    out += row * out_stride + head * d;
    int32_t stride = (int32_t)blockDim.x * W, first = (int32_t)threadIdx.x * W;
    float held[HELD][W], sum = 0;
#pragma unroll
    for (int h = 0; h < HELD; h++)
        if (first + h * stride < d) sum = add_squares(held[h], x + first + h * stride, sum);
    for (int32_t i = first + HELD * stride; i < d; i += stride) {
        float v[W];
        sum = add_squares(v, x + i, sum);
    }
    float scale = rsqrtf(block_sum(sum) / d + eps);
#pragma unroll
    for (int h = 0; h < HELD; h++)
        if (first + h * stride < d)
            put_scaled(out + first + h * stride, held[h], gain + first + h * stride, scale);
    for (int32_t i = first + HELD * stride; i < d; i += stride) {
        float v[W];
        load(v, x + i);
        put_scaled(out + i, v, gain + i, scale);
    }
}

template <int W, class Gain>
static cudaError_t launch(cudaStream_t s, struct tensor out, struct tensor x, struct tensor gain,
                          float eps)
{
    int64_t n_heads = x.n_dim == 3 ? x.dim[1] : 1, d = last_dim(x);
    LAUNCH((rmsnorm_kernel<W, Gain>), (unsigned)(x.dim[0] * n_heads), block_for(d / W), s,
           (bf16 *)out.data, out.row_stride, (const bf16 *)x.data, x.row_stride,
           (const Gain *)gain.data, (int32_t)n_heads, (int32_t)d, eps);
    return cudaGetLastError();
}

cudaError_t cuda_launch_rmsnorm(cudaStream_t s, struct tensor out, struct tensor x,
                                struct tensor gain, float eps)
{
    if (x.dim[0] == 0) return cudaSuccess;
    bool wide = is_wide(out) && is_wide(x) && is_wide(gain);
    if (gain.dtype == DTYPE_BF16)
        return wide ? launch<WIDE, bf16>(s, out, x, gain, eps)
                    : launch<1, bf16>(s, out, x, gain, eps);
    return wide ? launch<WIDE, float>(s, out, x, gain, eps)
                : launch<1, float>(s, out, x, gain, eps);
}
