/* schedule.h - how much of a block is still masked as its denoise forwards go on.
 *
 * Time t runs from 1, all masked, to 0.  The mask rate of a position at time t is
 *     linear   t                (MDLM, LLaDA)
 *     cosine   sin(pi t / 2)    (MaskGIT)
 * Samplers over time draw from it; strategies with a count per forward use its integer form. */
#ifndef DIFFUSION_SCHEDULE_H
#define DIFFUSION_SCHEDULE_H

#include "harness/decode/decoder.h"

double schedule_mask_rate(enum schedule s, double t);

/* Masks left after forward `step` (0 the first) of min(n_steps, n_masks), with `left` before it.
 *     linear   N div S fewer, one more fewer in the first N mod S forwards
 *     cosine   floor(N cos(pi (step + 1) / 2 S)), but at least one fewer than before and at
 *              least one left for each forward to come */
int32_t schedule_left(enum schedule s, int32_t n_masks, int32_t n_steps, int32_t step,
                      int32_t left);

/* A position's own reveal time u, uniform in (0, 1): it is masked while the mask rate is u or
 * above.  The same for every decoder, batch and strategy. */
double schedule_reveal_time(uint64_t seed, uint32_t request, uint32_t position);

/* Which of n_steps equal steps of time, 0 the first, takes the mask rate below u. */
int32_t schedule_step_of(enum schedule s, double u, int32_t n_steps);

/* Denoise steps of one block of one sequence under a batch policy. */
int32_t schedule_steps(const struct decode_spec *s, uint32_t request, uint32_t block);

#endif
