/* cusim_cublas.c - in place of cuda_library.c: a driver that is always there, and a cuBLAS whose
 * matmul is three loops with f32 sums in rising order of k. */
#include "harness/kernels/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>

#include "harness/kernels/bf16.h"
#include "tests/cusim/cusim_state.h"

struct cublasContext {
    cudaStream_t stream;
    void *workspace;
    cublasMath_t math;
};

struct gemm {
    int64_t launch;
    int m, n, k, lda, ldb, ldc;
    cudaDataType_t ab_type, c_type;
    bool tf32; /* of the clock only: factors are not rounded */
    float alpha, beta;
    const void *a, *b;
    void *c;
};

static float element(const void *p, cudaDataType_t type, int64_t i)
{
    if (type == CUDA_R_16F) {
        _Float16 half;
        memcpy(&half, (const uint16_t *)p + i, sizeof half);
        return (float)half;
    }
    return type == CUDA_R_16BF ? bf16_to_f32(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

/* Columns of `rows` elements, `ld` apart, all inside one buffer. */
static bool inside(const void *p, int rows, int cols, int ld, cudaDataType_t type)
{
    size_t size = type == CUDA_R_32F ? 4 : 2;
    return device_range(p, ((size_t)(cols - 1) * (size_t)ld + (size_t)rows) * size, "cublasGemmEx");
}

static void gemm_run(void *arg)
{
    const struct gemm *g = arg;
    if (!inside(g->a, g->k, g->m, g->lda, g->ab_type) ||
        !inside(g->b, g->k, g->n, g->ldb, g->ab_type) ||
        !inside(g->c, g->m, g->n, g->ldc, g->c_type))
        return;
    struct region *r = region_find(g->c);
    struct cusim_ran ran = {.launch = g->launch, .name = "gemm", .begin_ns = clock_now()};
    clock_gemm(2.0 * g->m * g->n * g->k, g->ab_type == CUDA_R_32F && !g->tf32);
    size_t size = g->c_type == CUDA_R_16BF ? 2 : 4;
    for (int64_t j = 0; j < g->n; j++) {
        for (int64_t i = 0; i < g->m; i++) {
            float sum = 0;
            for (int64_t l = 0; l < g->k; l++)
                sum += element(g->a, g->ab_type, i * g->lda + l) *
                       element(g->b, g->ab_type, j * g->ldb + l);
            sum *= g->alpha;
            /* With beta 0 whatever c holds, not a number included, has no effect. */
            if (g->beta != 0) sum += g->beta * element(g->c, g->c_type, j * g->ldc + i);
            if (g->c_type == CUDA_R_16BF)
                ((uint16_t *)g->c)[j * g->ldc + i] = bf16_from_f32(sum);
            else
                ((float *)g->c)[j * g->ldc + i] = sum;
        }
        size_t at = (size_t)((char *)g->c - r->base) + (size_t)(j * g->ldc) * size;
        region_host_wrote(r, at, (size_t)g->m * size);
    }
    ran.end_ns = clock_now();
    launch_ran(&ran);
}

static cublasStatus_t sim_gemm(cublasHandle_t h, cublasOperation_t op_a, cublasOperation_t op_b,
                               int m, int n, int k, const void *alpha, const void *a,
                               cudaDataType_t a_type, int lda, const void *b, cudaDataType_t b_type,
                               int ldb, const void *beta, void *c, cudaDataType_t c_type, int ldc,
                               cublasComputeType_t compute, cublasGemmAlgo_t algo)
{
    (void)algo;
    /* What the real one refuses or this one lacks, and the settings this program relies on. */
    if (op_a != CUBLAS_OP_T || op_b != CUBLAS_OP_N ||
        (compute != CUBLAS_COMPUTE_32F &&
         (compute != CUBLAS_COMPUTE_32F_FAST_TF32 || a_type != CUDA_R_32F)) ||
        (c_type != CUDA_R_32F && c_type != CUDA_R_16BF) || a_type != b_type ||
        (a_type == CUDA_R_32F && c_type != CUDA_R_32F) || m < 1 || n < 1 || k < 1 || lda < k ||
        ldb < k || ldc < m || !h->workspace ||
        h->math != CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (cusim.report[0]) return CUBLAS_STATUS_EXECUTION_FAILED;
    struct gemm *g = malloc(sizeof *g);
    *g = (struct gemm){launch_told(),
                       m,
                       n,
                       k,
                       lda,
                       ldb,
                       ldc,
                       a_type,
                       c_type,
                       compute == CUBLAS_COMPUTE_32F_FAST_TF32,
                       *(const float *)alpha,
                       *(const float *)beta,
                       a,
                       b,
                       c};
    stream_queue(h->stream, gemm_run, free, g);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t sim_create(cublasHandle_t *h)
{
    *h = calloc(1, sizeof **h);
    cusim.live_objects++;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t sim_destroy(cublasHandle_t h)
{
    free(h);
    cusim.live_objects--;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t sim_set_stream(cublasHandle_t h, cudaStream_t s)
{
    h->stream = s;
    h->workspace = NULL; /* as the real one does */
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t sim_set_workspace(cublasHandle_t h, void *workspace, size_t n)
{
    (void)n;
    h->workspace = workspace;
    return (uintptr_t)workspace % 256 == 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

static cublasStatus_t sim_set_math_mode(cublasHandle_t h, cublasMath_t mode)
{
    h->math = mode;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t sim_version(cublasHandle_t h, int *version)
{
    if (!h) return CUBLAS_STATUS_INVALID_VALUE;
    *version = 130100;
    return CUBLAS_STATUS_SUCCESS;
}

static const char *sim_status_string(cublasStatus_t s)
{
    if (s == CUBLAS_STATUS_EXECUTION_FAILED) return "CUBLAS_STATUS_EXECUTION_FAILED";
    return s == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "CUBLAS_STATUS_INVALID_VALUE";
}

enum err cuda_driver_check(int32_t *n_devices)
{
    int n = 0;
    TRY(cuda_check(cudaGetDeviceCount(&n), "counting devices"));
    *n_devices = n;
    return ERR_NONE;
}

enum err cublas_open(struct cublas *out)
{
    *out = (struct cublas){.create = sim_create,
                           .destroy = sim_destroy,
                           .set_stream = sim_set_stream,
                           .set_workspace = sim_set_workspace,
                           .set_math_mode = sim_set_math_mode,
                           .gemm = sim_gemm,
                           .version = sim_version,
                           .status_string = sim_status_string};
    return ERR_NONE;
}

void cublas_close(struct cublas *c)
{
    (void)c;
}

enum err cuda_available(void)
{
    return ERR_NONE;
}
