/* drift.h - how far a decoder's logits are from those of the same text computed anew.
 *
 * Whatever a decoder keeps in its cache, each of its logit rows can be had without one: a single
 * forward over every position its rows may see, with the tokens as they stand.  An exact cache
 * gives the same bits; an approximate one drifts, and this says how far. */
#ifndef DECODE_DRIFT_H
#define DECODE_DRIFT_H

#include "harness/decode/decoder.h"

struct drift {
    int64_t forwards;      /* with logits                                                  */
    int64_t rows;          /* logit rows                                                   */
    int64_t differing;     /* rows that would choose another token                         */
    int64_t unequal;       /* rows of which some bit differs                               */
    double largest;        /* difference of two logits                                     */
    double spread;         /* standard deviation of the logits of all rows, for comparison */
    double sum, square, n; /* of those logits, as they come in                          */
};

/* Decode the spec whole, its sequences' rows held against a forward with this mask (MASK_BLOCK:
 * of spec->block_length), phase by phase.  Cost: a forward over everything visible for each of
 * the decoder's.  The spec has no depth, no second model, and comes from drafts of nobody. */
enum err drift_measure(struct model *m, const struct decoder_ops *ops, const struct decode_spec *s,
                       enum dtype kv, enum mask mask, struct drift out[PHASE_COUNT]) MUST_CHECK;

#endif
