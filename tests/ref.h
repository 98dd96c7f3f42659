/* ref.h - every operation of kernels.h once more, in double precision from its formula, with
 * plain loops over plain arrays: what the kernels are compared with.
 *
 * `mag` results are sums of absolute values, the measure of how much rounding a sum can
 * gather; NULL where not wanted. */
#ifndef TESTS_REF_H
#define TESTS_REF_H

#include <stdint.h>

#include "harness/kernels/kernels.h"

/* y[n,m] = x[n,k] . w[m,k]^T + bias[m]; mag[n,m] = |x| . |w|^T + |bias|; bias NULL: none. */
void ref_matmul(double *y, double *mag, const float *x, const float *w, const float *bias,
                int64_t n, int64_t m, int64_t k);

/* out[n,d] = x / sqrt(mean(x^2) + eps) * gain */
void ref_rmsnorm(double *out, const float *x, const float *gain, int64_t n, int64_t d, double eps);

/* x[n,h,d] rotated, row i at pos[i]; mag: |a cos| + |b sin| of each result. */
void ref_rope(double *out, double *mag, const float *x, const int32_t *pos, int64_t n, int64_t h,
              int64_t d, const struct rope *r);

struct ref_attention_shape {
    int64_t n, h, hk, d, cap;
};

/* out[n,h,d]; keys, values [slots,hk,cap,d].  mag[n,h,d] = softmax . |values|; score_mag[n,h]
 * = the largest |q| . |key| / sqrt(d) among the keys seen. */
void ref_attention(double *out, double *mag, double *score_mag, const float *q, const float *keys,
                   const float *values, const struct ref_attention_shape *s,
                   const struct span *spans, int32_t n_spans);

/* out[n,f] = silu(gate) * up, gate_up[n,2f] */
void ref_swiglu(double *out, const float *gate_up, int64_t n, int64_t f);

struct ref_stat {
    int32_t id;
    double margin; /* by how much the chosen id's value leads the next allowed one's */
    double confidence, p_first, p_second, entropy_nats;
};

void ref_rowstat(struct ref_stat *out, const float *logits, int64_t v, const struct row_key *key,
                 const struct choice_rule *rule);

/* -log(-log(u)) of one id. */
double ref_gumbel(const struct row_key *key, uint64_t seed, int32_t id);

#endif
