/* kv_cache.h - the memory of one running batch, seen from inside the model. */
#ifndef MODEL_KV_CACHE_H
#define MODEL_KV_CACHE_H

#include "harness/model/model.h"

struct kv_cache {
    struct kernels *k;         /* borrowed */
    struct kv_cache_size size;
    void *base;                /* owned; device memory */
    size_t n_bytes;
    int32_t *valid;            /* owned [n_slots] */

    int32_t n_layers_stored;
    struct tensor *keys, *values; /* owned [layer], each [slots, hk, cap, d] */

    /* Activations of one forward, reused by every layer; rows of dim[0] = max_rows. */
    struct tensor x, normed, qkv, attended, projected, gate_up, ff;
    struct tensor picked, logits; /* [max_logits, D], [max_logits, V] */

    /* On a backend that only counts: what the last forward of so many rows was charged beside
     * attention.  Nothing else depends on what its rows see. */
    struct ledger counted;
    int64_t counted_rows, counted_logits; /* rows 0: none yet */

    /* Host side of a pass: owned. */
    int32_t *ids, *pos; /* [max_rows]   */
    int32_t *index;     /* [max_logits] */
    struct span *spans; /* [n_slots]    */
    struct span *runs;  /* [max_rows]: the same rows cut where positions are not side by side;
                           NULL unless scattered */
};

#endif
