/* matmul.c - the CPU backend's matmul as a shared library, so that another program's can be
 * timed in turns with it, in one process: see linear_torch.py. */
#include <stdlib.h>

#include "harness/base/rng.h"
#include "harness/kernels/bf16.h"
#include "harness/kernels/int8.h"
#include "harness/kernels/kernels.h"

struct beside {
    struct kernels *k;
    struct tensor x, y;
    struct tensor *w; /* [n_weights], used in turns so that each comes from memory */
    int64_t n_weights, at;
};

struct shape {
    int64_t columns;
    enum dtype dtype;
};

/* Numbers of size 1 / 32: that of a trained matrix, though no time depends on it. */
static void random_row(void *ctx, int64_t row, void *out)
{
    const struct shape *s = ctx;
    float x[INT8_GROUP];
    for (int64_t i = 0; i < s->columns; i++) {
        uint64_t r = mix64((uint64_t)(row * s->columns + i));
        float v = ((float)(r >> 40) * 0x1p-23f - 1) / 32;
        x[i % INT8_GROUP] = v;
        if (s->dtype == DTYPE_BF16) ((uint16_t *)out)[i] = bf16_from_f32(v);
        if (s->dtype == DTYPE_F32) ((float *)out)[i] = v;
        if (s->dtype == DTYPE_INT8 && (i % INT8_GROUP == INT8_GROUP - 1 || i == s->columns - 1))
            int8_quantise_group(out, s->columns, i / INT8_GROUP, x);
    }
}

/* y[max_rows, n] = x[max_rows, k] . w^T, dtype 0: f32, 1: bf16, 2: int8; compute 1: bf16 weights
 * are multiplied by x rounded to bf16.  NULL: no memory, or no such instruction. */
struct beside *beside_open(int threads, int dtype, int compute, int64_t max_rows, int64_t n,
                           int64_t k, int64_t n_weights)
{
    struct beside *b = calloc(1, sizeof *b);
    struct kernels_config c = {
        .backend = "cpu", .n_threads = threads, .compute = (enum dtype)compute};
    void *p;
    if (!b || kernels_open(&c, &b->k) != ERR_NONE) return NULL;
    b->w = calloc((size_t)n_weights, sizeof *b->w);
    b->n_weights = n_weights;
    for (int64_t i = 0; i < n_weights && b->w; i++) {
        struct shape s = {k, (enum dtype)dtype};
        if (kernels_alloc(b->k, kernels_packed_bytes(b->k, n, k, s.dtype), &p) != ERR_NONE)
            return NULL;
        b->w[i] = tensor_2d(p, s.dtype, ROLE_WEIGHT, n, k);
        b->w[i].layout = LAYOUT_PACKED;
        if (kernels_load_weight(b->k, b->w[i], random_row, &s) != ERR_NONE) return NULL;
    }
    if (!b->w || kernels_alloc(b->k, (size_t)(max_rows * k) * 4, &p) != ERR_NONE) return NULL;
    b->x = tensor_2d(p, DTYPE_F32, ROLE_ACTIVATION, max_rows, k);
    for (int64_t i = 0; i < max_rows * k; i++) ((float *)p)[i] = (float)(i % 7) - 3;
    if (kernels_alloc(b->k, (size_t)(max_rows * n) * 4, &p) != ERR_NONE) return NULL;
    b->y = tensor_2d(p, DTYPE_F32, ROLE_ACTIVATION, max_rows, n);
    return b;
}

/* One product with the next weight; 0 on success. */
int beside_run(struct beside *b, int64_t rows)
{
    struct tensor x = b->x, y = b->y, none = {0};
    x.dim[0] = y.dim[0] = rows;
    return (int)kn_matmul(b->k, y, x, b->w[b->at++ % b->n_weights], none);
}
