/* law.h - the probability with which a strategy, on an exact process, produces given tokens,
 * summed over every way it could have come to them.
 *
 * A forward reveals a set of a block's masked positions.  What is drawn at the others is thrown
 * away, but may have had a say in the choice: where the most confident draws are revealed, the
 * others must have been less confident.  So a forward reveals the set C with the tokens x_C with
 * probability
 *
 *     product over C of p_i(x_i)  x  product over the rest of P(draw would not have changed C),
 *
 * and a block's tokens come up with the sum over all orders of sets, taken over subsets of the
 * block: 2^n states, so blocks are small. */
#ifndef DIFFUSION_LAW_H
#define DIFFUSION_LAW_H

#include "diffusion/strategy.h"
#include "harness/decode/process.h"

enum { LAW_MAX_MASKS = 12 };

struct law_spec {
    const struct decode_spec *decode; /* borrowed; lockstep, no cache */
    bool
        aligned; /* blocks start at position 0 (block), else at the end of the prompt (diffusion) */
    bool shifted; /* aligned: a block's first token is decided by the row before it */
};

struct law;

/* Whether the sum can be done: the strategy reveals for good, in sets of at most LAW_MAX_MASKS, or
 * its canvases are few enough (canvas_law.h). */
bool law_covers(const struct law_spec *s, const struct process *p);

/* The process is borrowed. */
enum err law_create(const struct law_spec *s, const struct process *p, struct law **out) MUST_CHECK;
void law_free(struct law *l); /* NULL is allowed */

/* log of the probability that tokens[n_prompt + n_gen] follow their prompt. */
double law_log(struct law *l, const int32_t *tokens);

#endif
