/* cuda_blas.c - cuBLAS as this program uses it: one stream, f32 sums all the way, memory of ours.
 */
#include "harness/kernels/cuda/cuda.h"

/* NVIDIA's recommendation for Hopper; more than older cards need. */
enum { WORKSPACE_BYTES = 32 << 20 };

static enum err check_status(const struct blas *b, cublasStatus_t s, const char *what)
{
    if (s == CUBLAS_STATUS_SUCCESS) return ERR_NONE;
    return err_set(ERR_DEVICE, "cuda: %s: %s", what, b->lib.status_string(s));
}

enum err blas_open(struct blas *b, cudaStream_t s)
{
    TRY(cublas_open(&b->lib));
    TRY(check_status(b, b->lib.create(&b->handle), "cublasCreate"));
    TRY(cuda_check(cudaMalloc(&b->workspace, WORKSPACE_BYTES), "workspace of cuBLAS"));
    /* In this order: a new stream brings back cuBLAS's own workspace, which would be allocated
     * inside timed regions and again for every graph. */
    TRY(check_status(b, b->lib.set_stream(b->handle, s), "cublasSetStream"));
    TRY(check_status(b, b->lib.set_workspace(b->handle, b->workspace, WORKSPACE_BYTES),
                     "cublasSetWorkspace"));
    /* Partial sums of a split k stay in f32, f32 factors are not cut to tf32. */
    return check_status(
        b, b->lib.set_math_mode(b->handle, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
        "cublasSetMathMode");
}

enum err blas_version(const struct blas *b, int *out)
{
    return check_status(b, b->lib.version(b->handle, out), "cublasGetVersion");
}

void blas_close(struct blas *b)
{
    if (b->handle) b->lib.destroy(b->handle);
    cublas_close(&b->lib);
    cudaFree(b->workspace);
    *b = (struct blas){0};
}

/* Column-major, this is y^T[m,n] = w . x^T. */
enum err blas_gemm(struct blas *b, const struct blas_gemm *g)
{
    const float alpha = 1;
    cublasStatus_t s =
        b->lib.gemm(b->handle, CUBLAS_OP_T, CUBLAS_OP_N, g->m, g->n, g->k, &alpha, g->w, g->factor,
                    g->k, g->x, g->factor, (int)g->x_stride, &g->beta, g->y, g->result,
                    (int)g->y_stride, g->compute, CUBLAS_GEMM_DEFAULT);
    if (s == CUBLAS_STATUS_SUCCESS) return ERR_NONE;
    return err_set(ERR_DEVICE, "cuda: cublasGemmEx of %d x %d x %d: %s", g->n, g->m, g->k,
                   b->lib.status_string(s));
}
