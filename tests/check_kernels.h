/* check_kernels.h - one function per operation: run it on an opened backend at a case's shape,
 * compare with ref.h within a bound derived from the shape, and look for writes outside.
 * Failures end the running cmocka test with the case and the element. */
#ifndef TESTS_CHECK_KERNELS_H
#define TESTS_CHECK_KERNELS_H

#include "tests/kernel_cases.h"

/* Unit roundoff of f32 and of bf16. */
#define U_F32 0x1p-24
#define U_BF16 0x1p-8

/* A 2-D to 4-D buffer on the backend, between two guards. */
struct guarded {
    struct kernels *k;
    struct tensor t; /* the part operations see */
    void *base;
    size_t bytes;
    int64_t total; /* elements, guards and padding between rows included */
};

/* t.data is ignored; t.row_stride counts.  Everything is filled with a sentinel. */
struct guarded guarded_open(struct kernels *k, struct tensor shape);
void guarded_close(struct guarded *g);
/* Rounded to the tensor's dtype, in place in x too. */
void guarded_set(struct guarded *g, float *x);
void guarded_get(const struct guarded *g, float *x);
/* Guards and padding still hold the sentinel. */
void guarded_check(const struct guarded *g, const char *what);

/* A packed weight, or a 1-D one when rows is 0; x is rounded to dtype in place. */
struct weight {
    struct kernels *k;
    struct tensor t; /* n_dim 0 after a NULL x */
    size_t bytes;
};
struct weight weight_open(struct kernels *k, float *x, int64_t rows, int64_t cols, enum dtype dtype,
                          enum layout layout);
void weight_close(struct weight *w);

/* n numbers in -spread .. spread that depend on seed alone. */
float *random_floats(int64_t n, uint64_t seed, float spread);

/* |got - want| <= bound for all, or fail naming the first that is not. */
void check_close(const char *what, const float *got, const double *want, const double *bound,
                 int64_t n);

void check_matmul(struct kernels *k, const struct matmul_case *c);
void check_attention(struct kernels *k, const struct attention_case *c);
void check_rowstat(struct kernels *k, const struct rowstat_case *c);
void check_rope(struct kernels *k, const struct rope_case *c);
void check_rmsnorm(struct kernels *k, const struct rows_case *c, enum dtype gain);
void check_swiglu(struct kernels *k, const struct rows_case *c);
void check_guide(struct kernels *k, const struct rows_case *c);
void check_add(struct kernels *k, const struct rows_case *c);
void check_embed(struct kernels *k, const struct rows_case *c, enum dtype dtype,
                 enum layout layout);
void check_gather(struct kernels *k, const struct rows_case *c);
void check_kv_store(struct kernels *k, enum dtype dtype);

/* All of the above at all cases but int8's. */
void check_all(struct kernels *k);
void check_int8(struct kernels *k);
/* How many choices were not too close to tell. */
int32_t check_top_p(struct kernels *k);
/* Probabilities 0.5, 0.25, ...: at 0.6 the second crosses the line and is kept, the others go. */
void check_nucleus_line(struct kernels *k, int32_t draws);

#endif
