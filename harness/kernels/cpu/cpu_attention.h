/* cpu_attention.h - the parts of attention that depend on the instruction set. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H

#include <stdint.h>

#include "harness/kernels/tensor.h"

struct cpu_attention {
    /* Scores of a tile, s[query][SCORE_KEYS] of which n_keys are used and, for each query, the
     * first n_seen[query] visible, become weights e^(s - max), hidden ones 0; the running
     * maxima and sums go on, and what has been summed up so far, sum_v[query][d], is brought to
     * the new maximum. */
    void (*softmax_step)(float *s, int64_t n_queries, int64_t n_keys, const int32_t *n_seen,
                         float *max, float *sum, float *sum_v, int64_t d);
    /* Add a later piece's maximum, sum and sum_v[d] to an earlier one's.  Here and above d is a
     * multiple of PANEL. */
    void (*merge)(float *max, float *sum, float *sum_v, float max2, float sum2, const float *sum_v2,
                  int64_t d);
    /* out[d] = sum_v / sum, any d */
    void (*finish)(float *out, const float *sum_v, float sum, int64_t d);
};

extern const struct cpu_attention cpu_attention_scalar, cpu_attention_avx2, cpu_attention_avx512;

#endif
