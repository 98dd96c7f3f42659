/* check_tensors.c - buffers with guards, weights, random numbers and comparison for the checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/kernels/bf16.h"
#include "harness/kernels/int8.h"
#include "tests/check_kernels.h"

enum { GUARD = 128 }; /* elements before and after; keeps 256-byte alignment */

static const uint16_t sentinel_bf16 = 0xc7a5;
static const uint32_t sentinel_f32 = 0xc7a5c7a5; /* -84875.29 */

static void must(enum err e)
{
    if (e != ERR_NONE) fail_msg("%s: %s", err_name(e), err_msg());
}

static struct tensor whole(const struct guarded *g)
{
    return tensor_1d(g->base, g->t.dtype, g->t.role, g->total);
}

struct guarded guarded_open(struct kernels *k, struct tensor shape)
{
    struct guarded g = {.k = k, .t = shape};
    g.total = shape.dim[0] * shape.row_stride + 2 * GUARD;
    g.bytes = (size_t)(g.total * dtype_bytes(shape.dtype));
    must(kernels_alloc(k, g.bytes, &g.base));
    char *host = malloc(g.bytes);
    for (int64_t i = 0; i < g.total; i++) {
        if (shape.dtype == DTYPE_BF16)
            memcpy(host + 2 * i, &sentinel_bf16, 2);
        else
            memcpy(host + 4 * i, &sentinel_f32, 4);
    }
    must(kernels_upload(k, whole(&g), host));
    free(host);
    g.t.data = (char *)g.base + GUARD * dtype_bytes(shape.dtype);
    return g;
}

void guarded_close(struct guarded *g)
{
    kernels_free(g->k, g->base, g->bytes);
    *g = (struct guarded){0};
}

static void *rounded(float *x, int64_t n, enum dtype dtype)
{
    void *out = malloc((size_t)(n * dtype_bytes(dtype)) + 1);
    for (int64_t i = 0; i < n; i++) {
        if (dtype == DTYPE_BF16) {
            uint16_t b = bf16_from_f32(x[i]);
            x[i] = bf16_to_f32(b);
            ((uint16_t *)out)[i] = b;
        } else {
            ((float *)out)[i] = x[i];
        }
    }
    return out;
}

void guarded_set(struct guarded *g, float *x)
{
    void *host = rounded(x, tensor_count(g->t), g->t.dtype);
    must(kernels_upload(g->k, g->t, host));
    free(host);
}

void guarded_get(const struct guarded *g, float *x)
{
    int64_t n = tensor_count(g->t);
    uint16_t *host = malloc((size_t)(4 * n));
    must(kernels_sync(g->k));
    if (g->t.dtype == DTYPE_F32) {
        must(kernels_download(g->k, x, g->t));
    } else {
        must(kernels_download(g->k, host, g->t));
        for (int64_t i = 0; i < n; i++) x[i] = bf16_to_f32(host[i]);
    }
    free(host);
}

void guarded_check(const struct guarded *g, const char *what)
{
    /* What fills up a cache's panels is the backend's. */
    bool opaque = g->t.layout == LAYOUT_KEYS || g->t.layout == LAYOUT_VALUES;
    int64_t row = opaque ? g->t.row_stride : tensor_count(g->t) / g->t.dim[0];
    char *host = malloc(g->bytes);
    must(kernels_sync(g->k));
    must(kernels_download(g->k, host, whole(g)));
    for (int64_t i = 0; i < g->total; i++) {
        int64_t at = i - GUARD;
        bool inside = at >= 0 && at < g->t.dim[0] * g->t.row_stride && at % g->t.row_stride < row;
        bool same = g->t.dtype == DTYPE_BF16 ? memcmp(host + 2 * i, &sentinel_bf16, 2) == 0
                                             : memcmp(host + 4 * i, &sentinel_f32, 4) == 0;
        if (!inside && !same)
            fail_msg("%s: element %lld outside the result was written", what, (long long)at);
    }
    free(host);
}

/* rows[n] as int8.h stores them; x becomes the values stored. */
static void *rounded_int8(float *x, int64_t rows, int64_t n)
{
    char *out = malloc((size_t)(rows * dtype_row_bytes(DTYPE_INT8, n)));
    for (int64_t r = 0; r < rows; r++) {
        char *row = out + r * dtype_row_bytes(DTYPE_INT8, n);
        for (int64_t g = 0; g < int8_groups(n); g++)
            int8_quantise_group(row, n, g, x + r * n + g * INT8_GROUP);
        for (int64_t i = 0; i < n; i++) x[r * n + i] = int8_value(row, n, i);
    }
    return out;
}

struct rows_source {
    const char *data;
    size_t row_bytes;
};

static void copy_row(void *ctx, int64_t row, void *out)
{
    const struct rows_source *s = ctx;
    memcpy(out, s->data + (size_t)row * s->row_bytes, s->row_bytes);
}

struct weight weight_open(struct kernels *k, float *x, int64_t rows, int64_t cols, enum dtype dtype,
                          enum layout layout)
{
    struct weight w = {.k = k};
    if (x == NULL) return w;
    void *host = dtype == DTYPE_INT8 ? rounded_int8(x, rows, cols)
                                     : rounded(x, (rows ? rows : 1) * cols, dtype);
    struct rows_source source = {host, (size_t)dtype_row_bytes(dtype, cols)};
    w.bytes = layout == LAYOUT_PACKED ? kernels_packed_bytes(k, rows, cols, dtype)
                                      : source.row_bytes * (size_t)(rows ? rows : 1);
    void *data;
    must(kernels_alloc(k, w.bytes, &data));
    w.t = rows ? tensor_2d(data, dtype, ROLE_WEIGHT, rows, cols)
               : tensor_1d(data, dtype, ROLE_WEIGHT, cols);
    w.t.layout = layout;
    must(kernels_load_weight(k, w.t, copy_row, &source));
    free(host);
    return w;
}

void weight_close(struct weight *w)
{
    if (w->t.n_dim > 0) kernels_free(w->k, w->t.data, w->bytes);
    *w = (struct weight){0};
}

float *random_floats(int64_t n, uint64_t seed, float spread)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = mix64(seed * 0x9e3779b97f4a7c15u + (uint64_t)i);
        x[i] = ((float)(r >> 40) * 0x1p-23f - 1.0f) * spread;
    }
    return x;
}

void check_close(const char *what, const float *got, const double *want, const double *bound,
                 int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= bound[i])) /* also when not a number */
            fail_msg("%s: element %lld is %.9g, want %.9g within %.3g", what, (long long)i,
                     (double)got[i], want[i], bound[i]);
}
