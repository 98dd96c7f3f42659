/* canvas_law.h - the probability with which a strategy that takes back what it revealed produces
 * given tokens, on an exact process.
 *
 * Such strategies are Markov chains: a step's coins and draws depend on the canvas (and, where
 * noise is told by its share, on that) and on nothing before it.  The chain's distribution is
 * carried from step to step over all canvases there are, (V + 1)^n with masks and V^n with noise,
 * so blocks are tiny.  remdm-conf also remembers how probable a token was when it was revealed: no
 * such chain. */
#ifndef DIFFUSION_CANVAS_LAW_H
#define DIFFUSION_CANVAS_LAW_H

#include "diffusion/strategy.h"
#include "harness/decode/process.h"

enum { CANVAS_LAW_MAX = 1024 };

struct canvas_law;

/* Whether the canvases of a block of n positions are at most CANVAS_LAW_MAX. */
bool canvas_law_covers(const struct decode_spec *s, int32_t n, int32_t n_symbols);

/* Both borrowed.  The process is that of a block: its initial distribution may change from one
 * call to the next. */
enum err canvas_law_create(const struct decode_spec *s, int32_t n, const struct process *local,
                           struct canvas_law **out) MUST_CHECK;
void canvas_law_free(struct canvas_law *l); /* NULL is allowed */

/* log of the probability that a block of `size` positions, masked at mask[n_masks] and elsewhere as
 * `tokens` has it, comes out as tokens[size]. */
double canvas_law_log(struct canvas_law *l, const int32_t *tokens, int32_t size,
                      const int32_t *mask, int32_t n_masks);

#endif
