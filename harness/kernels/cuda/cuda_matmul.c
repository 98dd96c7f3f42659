/* cuda_matmul.c - y = x . w^T + bias by cuBLAS, sums in f32 all the way.
 *
 * Row-major y[n,m] = x[n,k] . w[m,k]^T is column-major y^T[m,n] = w . x^T.  cuBLAS wants both
 * factors in one dtype, so f32 weights meet x widened to f32, and y is rounded afterwards.
 * The bias is laid under y first and added by the multiplication itself (beta = 1): it meets
 * the f32 sum, and y is rounded once. */
#include "harness/kernels/cuda/cuda.h"

enum err cuda_gemm(struct cuda *c, struct tensor y, struct tensor x, struct tensor w, float beta)
{
    const float alpha = 1;
    int m = (int)w.dim[0], n = (int)x.dim[0], k = (int)w.dim[1];
    cudaDataType_t factor = w.dtype == DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F;
    cudaDataType_t result = y.dtype == DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F;
    cublasStatus_t s =
        c->cublas.gemm(c->handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, k, &alpha, w.data, factor, k,
                       x.data, factor, (int)x.row_stride, &beta, y.data, result, (int)y.row_stride,
                       CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    if (s == CUBLAS_STATUS_SUCCESS) return ERR_NONE;
    return err_set(ERR_DEVICE, "cuda: cublasGemmEx of %d x %d x %d: %s", n, m, k,
                   c->cublas.status_string(s));
}

static enum err copy(struct cuda *c, struct tensor out, struct tensor from)
{
    struct cuda_call call = {.kind = CALL_COPY, .t = {out, from}};
    return cuda_do(c, &call);
}

enum err cuda_matmul(void *state, struct tensor y, struct tensor x, struct tensor w,
                     struct tensor bias)
{
    struct cuda *c = state;
    int64_t n = x.dim[0], m = w.dim[0], k = w.dim[1];
    struct tensor to = y;
    if (n == 0) return ERR_NONE;
    CHECK(x.dtype == DTYPE_BF16 && m <= INT32_MAX && n <= INT32_MAX && k <= INT32_MAX);
    if (c->mode.matmul == MATMUL_OWN) {
        struct cuda_call own = {.kind = CALL_MATMUL, .t = {y, x, w, bias}};
        return cuda_do(c, &own);
    }
    if (w.dtype == DTYPE_F32) {
        void *data;
        TRY(cuda_scratch(c, SCRATCH_X, (size_t)(n * k) * sizeof(float), &data));
        struct tensor wide = tensor_2d(data, DTYPE_F32, ROLE_ACTIVATION, n, k);
        TRY(copy(c, wide, x));
        x = wide;
        if (y.dtype == DTYPE_BF16) {
            TRY(cuda_scratch(c, SCRATCH_Y, (size_t)(n * m) * sizeof(float), &data));
            to = tensor_2d(data, DTYPE_F32, ROLE_ACTIVATION, n, m);
        }
    }
    if (bias.n_dim > 0) TRY(copy(c, to, bias));
    struct cuda_call call = {.kind = CALL_GEMM, .t = {to, x, w}, .number = bias.n_dim > 0 ? 1 : 0};
    TRY(cuda_do(c, &call));
    return to.data == y.data ? ERR_NONE : copy(c, y, to);
}
