/* guidance.h - classifier-free guidance: every forward also computes each sequence without its
 * prompt, and what it decides is led away from that.
 *
 * A twin has the same rows as its sequence with the prompt's tokens masked, and a cache slot of
 * its own behind those of the batch.  It is counted like any sequence: twice the rows, logit rows
 * and K/V, once the weights. */
#ifndef DECODE_GUIDANCE_H
#define DECODE_GUIDANCE_H

#include "harness/decode/decoder.h"

struct guidance {
    float scale; /* w + 1 */
    int32_t prefix, mask_id;
    int32_t first_twin;   /* slot of sequence 0's                                */
    struct pass_seq *seq; /* owned [2 slots]                                     */
    int32_t *tokens;      /* owned [max_rows]: of the twins                      */
};

/* Of at most n_slots sequences and max_rows rows, twins not counted. */
enum err guidance_init(struct guidance *g, const struct decode_spec *s,
                       const struct model_config *c, int32_t n_slots, int64_t max_rows) MUST_CHECK;
void guidance_free(struct guidance *g);

/* The pass and, after it, its twin; valid until the next one. */
struct pass guidance_pass(struct guidance *g, const struct pass *p);

/* Of the logits of such a pass: the guided ones, in the rows of the pass itself. */
enum err guidance_apply(const struct guidance *g, struct kernels *k,
                        struct tensor *logits) MUST_CHECK;

#endif
