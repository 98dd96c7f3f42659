/* cpu_attention.h - the parts of attention that depend on the instruction set. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H

#include <stdint.h>

#include "harness/kernels/tensor.h"

/* Up to FEW_QUERIES queries, keys and values are used where they lie in the cache; more share
 * the work of laying them out as panels for the tiles of matmul.  The sums are the same. */
enum { FEW_QUERIES = 8 };

/* Positions of one key/value head: rows of d elements, one after the other. */
struct cache_rows {
    const void *data;
    enum dtype dtype;
    int64_t n; /* at most SCORE_KEYS */
    int64_t d;
    const void *ahead; /* memory of the same layout to prefetch meanwhile */
};

struct cpu_attention {
    /* s[query][SCORE_KEYS] = queries . keys; queries [d][n_queries], at most FEW_QUERIES.  Scores
     * of keys from rows->n up to the next multiple of 16 are 0. */
    void (*few_scores)(float *s, const struct cache_rows *keys, const float *queries,
                       int64_t n_queries);
    /* sum_v[query][stride] += weights[query][SCORE_KEYS] . values */
    void (*few_values)(float *sum_v, int64_t stride, const float *weights,
                       const struct cache_rows *values, int64_t n_queries);
    /* Keys become f32 panels out[SCORE_KEYS / PANEL][d][PANEL]; panels up to keys->n rounded up
     * to PANEL are filled, absent keys with 0. */
    void (*pack_keys)(float *out, const struct cache_rows *keys);
    /* Values become f32 panels out[d rounded up / PANEL][n][PANEL], columns past d 0. */
    void (*pack_values)(float *out, const struct cache_rows *values);
    /* Scores of a tile, s[query][SCORE_KEYS] of which n_keys are used and, for each query, the
     * first n_seen[query] visible, become weights e^(s - max), hidden ones 0; the running
     * maxima and sums go on, and what has been summed up so far, sum_v[query][d], is brought to
     * the new maximum. */
    void (*softmax_step)(float *s, int64_t n_queries, int64_t n_keys, const int32_t *n_seen,
                         float *max, float *sum, float *sum_v, int64_t d);
    /* Add a later piece's maximum, sum and sum_v to an earlier one's. */
    void (*merge)(float *max, float *sum, float *sum_v, float max2, float sum2, const float *sum_v2,
                  int64_t d);
    /* out[d] = sum_v / sum */
    void (*finish)(float *out, const float *sum_v, float sum, int64_t d);
};

extern const struct cpu_attention cpu_attention_scalar, cpu_attention_avx2, cpu_attention_avx512;

#endif
