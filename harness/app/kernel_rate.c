/* kernel_rate.c - time one matmul on several sets of kernels in turn. */
#include "harness/app/kernel_rate.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/stats.h"

/* A multiple of every tile's rows and of a panel; 2 MiB of f32 weights at most. */
enum { ROWS = 96, COLS = 1024, DEPTH = 512, N_SAMPLES = 31 };

/* Neighbours only add to a time, and to some sets more than to others: the fastest tenth counts. */
static const double fast = 0.1;

struct rate_job {
    struct kernels *k; /* borrowed */
    struct tensor y, x, w;
    size_t w_bytes;
    double ns[N_SAMPLES];
};

static void zero_row(void *ctx, int64_t row, void *out)
{
    memset(out, 0, (size_t)dtype_row_bytes(*(const enum dtype *)ctx, DEPTH));
}

static enum err rate_open(struct rate_job *j, enum dtype dtype)
{
    void *y, *x, *w;
    j->w_bytes = kernels_packed_bytes(j->k, COLS, DEPTH, dtype);
    TRY(kernels_alloc(j->k, ROWS * COLS * sizeof(float), &y));
    j->y = tensor_2d(y, DTYPE_F32, ROLE_ACTIVATION, ROWS, COLS);
    TRY(kernels_alloc(j->k, ROWS * DEPTH * sizeof(float), &x));
    j->x = tensor_2d(x, DTYPE_F32, ROLE_ACTIVATION, ROWS, DEPTH);
    TRY(kernels_alloc(j->k, j->w_bytes, &w));
    j->w = tensor_2d(w, dtype, ROLE_WEIGHT, COLS, DEPTH);
    j->w.layout = LAYOUT_PACKED;
    return kernels_load_weight(j->k, j->w, zero_row, &dtype);
}

static void rate_close(struct rate_job *j)
{
    if (!j->k) return;
    kernels_free(j->k, j->y.data, ROWS * COLS * sizeof(float));
    kernels_free(j->k, j->x.data, ROWS * DEPTH * sizeof(float));
    kernels_free(j->k, j->w.data, j->w_bytes);
}

static enum err multiply(struct rate_job *j, int32_t times)
{
    struct tensor none = {0};
    for (int32_t i = 0; i < times; i++) TRY(kn_matmul(j->k, j->y, j->x, j->w, none));
    return kernels_sync(j->k);
}

/* Other sets' threads spin for up to a millisecond after their turn. */
static enum err rate_sample(struct rate_job *j, double *ns)
{
    enum { REPEAT = 4, WARM_NS = 2000000 };
    int64_t begin = clock_ns();
    while (clock_ns() - begin < WARM_NS) TRY(multiply(j, 1));
    begin = clock_ns();
    TRY(multiply(j, REPEAT));
    *ns = (double)(clock_ns() - begin) / REPEAT;
    return ERR_NONE;
}

enum err kernel_rates(struct engine *engine, const struct cell *cell, int32_t n, double *flop_per_s)
{
    enum err e = ERR_NONE;
    struct rate_job *job = calloc((size_t)n + 1, sizeof *job);
    if (!job) return err_set(ERR_NOMEM, "rates of %d sets of kernels: out of memory", n);
    for (int32_t i = 0; i < n; i++) {
        TRY_OUT(engine_kernels(engine, &cell[i], &job[i].k));
        TRY_OUT(rate_open(&job[i], cell[i].dtype));
    }
    for (int32_t s = 0; s < N_SAMPLES; s++)
        for (int32_t i = 0; i < n; i++) TRY_OUT(rate_sample(&job[i], &job[i].ns[s]));
    for (int32_t i = 0; i < n; i++) {
        stats_sort(job[i].ns, N_SAMPLES);
        flop_per_s[i] =
            2.0 * ROWS * COLS * DEPTH * 1e9 / stats_quantile(job[i].ns, N_SAMPLES, fast);
    }
out:
    for (int32_t i = 0; i < n; i++) rate_close(&job[i]);
    free(job);
    return e;
}
