/* cpu_attention.h - the parts of attention that depend on the instruction set. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H

#include <stdint.h>

#include "harness/kernels/tensor.h"

struct cpu_attention {
    /* n (at most SCORE_KEYS) key rows of d elements, `stride` apart, become f32 panels
     * out[SCORE_KEYS / PANEL][d][PANEL]; panels up to n rounded up to PANEL are filled,
     * absent keys with 0. */
    void (*pack_keys)(float *out, const void *keys, enum dtype dtype, int64_t stride, int64_t n,
                      int64_t d);
    /* n value rows become f32 panels out[d rounded up / PANEL][n][PANEL], columns past d 0. */
    void (*pack_values)(float *out, const void *values, enum dtype dtype, int64_t stride, int64_t n,
                        int64_t d);
    /* One query's scores s[n_keys] of a tile, of which n_seen are visible, become weights
     * e^(s - max), hidden ones 0; its running maximum and sum go on, and what it has summed up
     * so far, sum_v[d], is brought to the new maximum.  n_keys is at most SCORE_KEYS; s has
     * room for SCORE_KEYS. */
    void (*softmax_step)(float *s, int64_t n_keys, int64_t n_seen, float *max, float *sum,
                         float *sum_v, int64_t d);
    /* Add a later piece's maximum, sum and sum_v to an earlier one's. */
    void (*merge)(float *max, float *sum, float *sum_v, float max2, float sum2, const float *sum_v2,
                  int64_t d);
    /* out[d] = sum_v / sum */
    void (*finish)(float *out, const float *sum_v, float sum, int64_t d);
};

extern const struct cpu_attention cpu_attention_scalar, cpu_attention_avx2, cpu_attention_avx512;

#endif
