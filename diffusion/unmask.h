/* unmask.h - how many masked positions a denoise forward reveals, and which.
 *
 * A block of one sequence starts with N masks and has S forwards to reveal them: N div
 * S each, the first N mod S one more, so the last one ends with none (S above N is N).
 * The order is fixed when the block starts. */
#ifndef DIFFUSION_UNMASK_H
#define DIFFUSION_UNMASK_H

#include "harness/decode/decoder.h"

/* Masks revealed by forward `step` (0, 1, ...) of min(n_steps, n_masks). */
int32_t unmask_quota(int32_t n_masks, int32_t n_steps, int32_t step);

/* One sequence's block being denoised. */
struct unmask {
    int32_t *order;     /* owned [capacity]: positions in the order they are revealed */
    int32_t begin, end; /* of the block                                               */
    int32_t n_masks;    /* at block start                                            */
    int32_t n_steps;    /* denoise forwards this block takes; 0 when nothing is masked */
    int32_t step;       /* forwards done                                             */
    int32_t n_revealed;
};

enum err unmask_create(struct unmask *u, int32_t capacity) MUST_CHECK;
void unmask_free(struct unmask *u);

/* Start block number `block` of sequence `request`: the positions of [begin, end) that
 * hold mask_id in tokens are to be revealed. */
void unmask_start(struct unmask *u, const struct decode_spec *s, uint32_t request, uint32_t block,
                  const int32_t *tokens, int32_t begin, int32_t end, int32_t mask_id);

/* Reveal this position before all others. */
void unmask_first(struct unmask *u, int32_t position);

bool unmask_done(const struct unmask *u);

/* The positions to reveal now: *positions[0 .. returned). */
int32_t unmask_next(const struct unmask *u, const int32_t **positions);
/* They have been revealed. */
void unmask_advance(struct unmask *u);

#endif
