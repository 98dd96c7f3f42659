/* toy.h - a small model on the CPU, and a double-precision transformer to hold it against. */
#ifndef TESTS_TOY_H
#define TESTS_TOY_H

#include "harness/model/model.h"

struct toy {
    struct kernels *k;
    struct model_config config;
    enum dtype dtype;
    struct model *model;
};

/* "tiny-test" (or another preset) with seeded weights, or a folder's; fails the test if it cannot. */
void toy_open(struct toy *t, const char *preset, enum dtype dtype, int32_t threads);
void toy_close(struct toy *t);

/* A cache for n_slots sequences of up to capacity positions, every row with logits. */
struct kv_cache *toy_cache(struct toy *t, int32_t n_slots, int32_t capacity);

/* Run one pass and return its logits [rows, V]; the caller frees them. */
float *toy_forward(struct toy *t, struct kv_cache *c, const struct pass *p);

/* One sequence: n rows of `tokens` from pos0, all of them with logits. */
float *toy_rows(struct toy *t, struct kv_cache *c, int32_t slot, const int32_t *tokens,
                int32_t pos0, int32_t n, enum mask mask, int32_t block, bool keep);

/* The same rows in double precision, from the weights the backend holds: positions 0..n-1,
 * row i sees visible(i) of them.  logits [n, V]. */
double *toy_reference(struct toy *t, const int32_t *tokens, int32_t n, enum mask mask,
                      int32_t block);
/* The same with rows anywhere, seeing anything: row i stands at positions[i] and sees row s where
 * sees[i * n + s]. */
double *toy_reference_seeing(struct toy *t, const int32_t *tokens, const int32_t *positions,
                             int32_t n, const bool *sees);

#endif
