/* cuda_matmul.c - y = x . w^T + bias by cuBLAS or by kernels of our own.
 *
 * cuBLAS wants both factors in one dtype, so f32 weights meet x widened to f32, and y is rounded
 * afterwards.
 * The bias is laid under y first and added by the multiplication itself (beta = 1): it meets
 * the f32 sum, and y is rounded once. */
#include "harness/kernels/cuda/cuda.h"

enum err cuda_gemm(struct cuda *c, struct tensor y, struct tensor x, struct tensor w, float beta)
{
    struct blas_gemm g = {
        .n = (int)x.dim[0],
        .m = (int)w.dim[0],
        .k = (int)w.dim[1],
        .factor = w.dtype == DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F,
        .result = y.dtype == DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F,
        .compute = CUBLAS_COMPUTE_32F,
        .x = x.data,
        .w = w.data,
        .y = y.data,
        .x_stride = x.row_stride,
        .y_stride = y.row_stride,
        .beta = beta,
    };
    return blas_gemm(&c->blas, &g);
}

static enum err copy(struct cuda *c, struct tensor out, struct tensor from)
{
    struct cuda_call call = {.kind = CALL_COPY, .t = {out, from}};
    return cuda_do(c, &call);
}

/* cuBLAS does not tell. */
bool cuda_matmul_tile(const void *state, struct tensor y, struct tensor x, struct tensor w,
                      struct matmul_tile *out)
{
    const struct cuda *c = state;
    (void)y;
    *out = cuda_matmul_plan(x, w, c->n_sms).tile;
    return c->mode.matmul == MATMUL_OWN;
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
    if (w.dtype == DTYPE_INT8)
        return err_set(
            ERR_UNSUPPORTED,
            "cuda: cuBLAS cannot multiply int8 weights with a scale for every %d of them; "
            "--matmul own can",
            INT8_GROUP);
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
