/* cpu_rows.h - loops along one row, one table per instruction set (cpu_rows_ISA.c).
 *
 * All tables are built from the same text (cpu_rows_body.inc) on sixteen lanes, so they
 * differ by the rounding inside a multiply-add at most. */
#ifndef CPU_ROWS_H
#define CPU_ROWS_H

#include "harness/kernels/kernels.h"

/* Softmax sums over a slice of a row. */
struct slice_sums {
    float max;      /* of x                              */
    float sum;      /* of e^(x - max)                    */
    float weighted; /* of (x - max) e^(x - max)          */
};

/* Largest and second largest value of what was seen so far, and where. */
struct top2 {
    float first, second;
    int32_t id; /* of first, the lowest on ties; -1 before the first */
};

struct gumbel_key {
    uint32_t request, position, step;
    uint64_t seed;
    float temperature;
    int32_t excluded; /* id never chosen; -1: none */
    float floor;      /* nor one of a lower x      */
};

struct cpu_rows {
    /* out[n] = x / sqrt(mean(x^2) + eps) * gain */
    void (*rmsnorm)(float *out, const float *x, const void *gain, enum dtype gain_dtype, int64_t n,
                    float eps);
    /* Rotate pairs (x[j], x[j + half]) by the angles whose cosine and sine are given. */
    void (*rope)(float *x, const float *cosine, const float *sine, int64_t half);
    void (*swiglu)(float *out, const float *gate, const float *up, int64_t n);
    void (*add)(float *x, const float *y, int64_t n); /* x += y */
    void (*guide)(float *z, const float *u, float scale, int64_t n); /* z = u + scale (z - u) */
    void (*to_bf16)(uint16_t *out, const float *x, int64_t n);
    void (*from_bf16)(float *out, const uint16_t *x, int64_t n);
    void (*sums)(struct slice_sums *out, const float *x, int64_t n);
    /* x[0..n) are ids id0.. */
    void (*top2)(struct top2 *t, const float *x, int64_t id0, int64_t n);
    /* Largest x / temperature + Gumbel noise; id0 is a multiple of 64. */
    void (*gumbel)(struct top2 *t, const float *x, int64_t id0, int64_t n,
                   const struct gumbel_key *key);
    /* out[k][rows] = x[rows][k], rows at most 16 and `stride` apart. */
    void (*turn)(float *out, const float *x, int64_t stride, int64_t rows, int64_t k);
    /* The functions under the others, for tests. */
    void (*exp)(float *out, const float *x, int64_t n);
    void (*log)(float *out, const float *x, int64_t n);
    void (*gumbel_noise)(float *out, const uint32_t *words, int64_t n); /* n: multiple of 16 */
};

extern const struct cpu_rows cpu_rows_scalar, cpu_rows_avx2, cpu_rows_avx512;

#endif
