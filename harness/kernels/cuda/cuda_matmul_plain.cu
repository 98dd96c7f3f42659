/* cuda_matmul_plain.cu - products of any shape and dtype on CUDA cores, and the launch of this
 * program's own kernels.
 *
 * A block computes 32 columns of y for 32 rows, a thread 4 rows of one column; both factors pass
 * through shared memory 32 elements of k at a time, as floats.  An element of y is one sum in
 * rising order of k. */
#include "harness/kernels/cuda/cuda_matmul_own.h"

enum { SIDE = 32, EACH = 4, N_THREADS = SIDE * SIDE / EACH };

/* Element [row, col] of weights [m,k] of any dtype. */
template <class W>
static __device__ __forceinline__ float weight_at(const struct matmul *a, const W *w, int64_t row,
                                                  int64_t col)
{
    float one[1];
    load(one, w + row * a->k + col);
    return one[0];
}

static __device__ __forceinline__ float weight_at(const struct matmul *a, const int8_t *w,
                                                  int64_t row, int64_t col)
{
    const uint8_t *scales = (const uint8_t *)(w + (int64_t)a->m * a->k);
    uint8_t scale = scales[int8_scale_place(row, col / INT8_GROUP, a->m, a->k)];
    return (float)w[row * a->k + int8_place(col, a->k)] * int8_scale(scale);
}

/* B: of the bias. */
template <class W, class B>
static __global__ void __launch_bounds__(N_THREADS) plain_kernel(struct matmul a)
{
    SHARED(float, w, [SIDE][SIDE + 1]);
    SHARED(float, x, [SIDE][SIDE + 1]);
    int32_t col = threadIdx.x % SIDE, first = threadIdx.x / SIDE;
    int64_t row0 = (int64_t)blockIdx.x * SIDE, col0 = (int64_t)blockIdx.y * SIDE;
    float sum[EACH] = {};
    for (int64_t k = 0; k < a.k; k += SIDE) {
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int32_t row = first + i * SIDE / EACH;
            bool there = k + col < a.k;
            float one[1] = {0};
            w[row][col] =
                there && col0 + row < a.m ? weight_at(&a, (const W *)a.w, col0 + row, k + col) : 0;
            if (there && row0 + row < a.n) load(one, a.x + (row0 + row) * a.x_stride + k + col);
            x[row][col] = one[0];
        }
        __syncthreads();
        for (int j = 0; j < SIDE; j++)
#pragma unroll
            for (int i = 0; i < EACH; i++)
                sum[i] = fmaf(x[first + i * SIDE / EACH][j], w[col][j], sum[i]);
        __syncthreads();
    }
    if (col0 + col >= a.m) return;
    float bias[1] = {0};
    if (a.bias) load(bias, (const B *)a.bias + col0 + col);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        int64_t row = row0 + first + i * SIDE / EACH, at = row * a.y_stride + col0 + col;
        float v[1] = {sum[i] + bias[0]};
        if (row >= a.n) continue;
        if (a.y_is_f32)
            store((float *)a.y + at, v);
        else
            store((bf16 *)a.y + at, v);
    }
}

cudaError_t matmul_plain_launch(cudaStream_t s, const struct matmul *a)
{
    dim3 grid((unsigned)(a->n + SIDE - 1) / SIDE, (unsigned)(a->m + SIDE - 1) / SIDE);
    if (a->w_dtype == DTYPE_F32)
        LAUNCH((plain_kernel<float, float>), grid, N_THREADS, s, *a);
    else if (a->w_dtype == DTYPE_BF16)
        LAUNCH((plain_kernel<bf16, bf16>), grid, N_THREADS, s, *a);
    else
        LAUNCH((plain_kernel<int8_t, bf16>), grid, N_THREADS, s, *a);
    return cudaGetLastError();
}

cudaError_t cuda_launch_matmul(cudaStream_t s, struct tensor y, struct tensor x, struct tensor w,
                               struct tensor bias, int32_t n_sms)
{
    struct matmul a = {};
    if (x.dim[0] == 0) return cudaSuccess;
    if (bias.n_dim > 0 && bias.dtype != dtype_beside(w.dtype)) return cudaErrorInvalidValue;
    a.y = y.data;
    a.x = (const bf16 *)x.data;
    a.w = w.data;
    a.bias = bias.n_dim > 0 ? bias.data : NULL;
    a.y_stride = y.row_stride;
    a.x_stride = x.row_stride;
    a.n = (int32_t)x.dim[0];
    a.m = (int32_t)w.dim[0];
    a.k = (int32_t)w.dim[1];
    a.y_is_f32 = y.dtype == DTYPE_F32;
    a.w_dtype = w.dtype;
    a.stores_wide = (uintptr_t)y.data % 16 == 0 && y.row_stride % WIDE == 0;
    struct cuda_matmul_plan plan = cuda_matmul_plan(x, w, n_sms);
    if (plan.kernel == CUDA_MATMUL_PLAIN) return matmul_plain_launch(s, &a);
    return plan.kernel == CUDA_MATMUL_FEW ? matmul_few_launch(s, &a, plan.tile)
                                          : matmul_many_launch(s, &a);
}
