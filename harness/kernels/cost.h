/* cost.h - one formula per operation, from operand shapes to struct cost.
 *
 * Pure functions.  tests/test_cost.c checks each against numbers worked out by
 * hand and docs/COUNTING.md derives them in words.  Letters as in kernels.h. */
#ifndef KERNELS_COST_H
#define KERNELS_COST_H

#include "harness/kernels/ledger.h"
#include "harness/kernels/span.h"

/* What of the machine decides traffic and padding. */
struct traffic_model {
    int64_t llc_bytes;  /* an activation or logit operand above half of it goes to DRAM */
    int32_t row_tile;   /* rows a matmul executes at once; 1: no padding                */
    int32_t block_rows; /* w is read again for every so many rows of x; 0: read once    */
    int32_t block_cols; /* x is read again for every so many columns of y; 0: once      */
};

/* What a kernel computes at once, whether or not there is so much: it executes whole tiles. */
struct matmul_tile {
    int32_t rows, cols, depth; /* of y[n,m] and of k */
};
struct attention_tile {
    int32_t rows;  /* of one span; its last tile may have fewer                              */
    int32_t pairs; /* (row, query head) pairs that they are computed as, per key/value head  */
    int32_t keys;  /* those that the tile's last row sees are padded to a multiple of it ... */
    int32_t width; /* ... and the head's to one of this                                      */
};

/* Each returns false when a count would pass 2^63 - 1. */
bool cost_embed(const struct traffic_model *t, struct tensor out, struct tensor table,
                struct cost *c);
bool cost_rmsnorm(const struct traffic_model *t, struct tensor out, struct tensor x,
                  struct tensor gain, struct cost *c);
/* tile NULL: nobody says more than t->row_tile. */
bool cost_matmul(const struct traffic_model *t, const struct matmul_tile *tile, struct tensor y,
                 struct tensor x, struct tensor w, struct tensor bias, struct cost *c);
bool cost_rope(const struct traffic_model *t, struct tensor x, struct cost *c);
bool cost_kv_store(const struct traffic_model *t, struct tensor k, struct tensor v,
                   struct tensor cache, struct cost *c);
bool cost_attention(const struct traffic_model *t, const struct attention_tile *tile,
                    struct tensor out, struct tensor q, struct tensor keys,
                    const struct span *spans, int32_t n_spans, struct cost *c);
bool cost_swiglu(const struct traffic_model *t, struct tensor out, struct tensor gate_up,
                 struct cost *c);
bool cost_add(const struct traffic_model *t, struct tensor x, struct tensor y, struct cost *c);
bool cost_gather(const struct traffic_model *t, struct tensor out, struct cost *c);
bool cost_guide(const struct traffic_model *t, struct tensor z, struct tensor u, struct cost *c);
/* nucleus: with a read of the logits before, to find what may be sampled. */
bool cost_rowstat(const struct traffic_model *t, struct tensor logits, bool nucleus,
                  struct cost *c);

#endif
