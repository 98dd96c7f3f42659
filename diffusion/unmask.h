/* unmask.h - one sequence's block being denoised: what is masked, and what a forward reveals.
 *
 * A block of N masks has S steps to reveal them, S above N being N for strategies that count
 * per forward.  Strategies over time take S steps of time, and a forward for each step that
 * reveals something.
 *
 * Strategies of noise have no masks left once a block has started: what was masked is random tokens
 * (noise.h), every one of them is decided anew by each of the S forwards, and the block is done
 * after the last. */
#ifndef DIFFUSION_UNMASK_H
#define DIFFUSION_UNMASK_H

#include "diffusion/replay.h"
#include "diffusion/strategy.h"

struct unmask {
    const struct decode_spec *spec; /* borrowed */
    const struct strategy_ops *strategy;
    const struct model_config *config; /* borrowed */
    uint32_t request, block;
    int32_t begin, end;            /* of the block                                              */
    int32_t n_masks, *mask;        /* owned [capacity]: masked at block start, ascending        */
    int32_t n_open, *open;         /* owned [capacity]: masked (or noisy) now, ascending        */
    int32_t n_revealed, *revealed; /* owned [capacity]: by the last forward, ascending   */
    int32_t n_steps;               /* of the block                                              */
    int32_t step;          /* forwards done; steps of time where positions are masked again */
    int32_t scheduled;     /* masks the schedule leaves after `step` forwards           */
    double noise;          /* share of noise in the tokens at mask[]; 0: those are masks */
    int32_t at;            /* in the request's commit trace, over all blocks            */
    int32_t first;         /* revealed by the first forward, come what may; -1: none    */
    struct ranked *ranked; /* owned [capacity]: scratch                                 */
    bool *chosen;          /* owned [capacity]: scratch                                 */
    bool *masked;          /* owned [capacity]: whether mask[i] is masked now           */
    float *trust;          /* owned [capacity]: probability mask[i] was revealed with   */
};

enum err unmask_create(struct unmask *u, int32_t capacity) MUST_CHECK;
void unmask_free(struct unmask *u);

/* Start block number `block` of sequence `request`: the positions of [begin, end) that
 * hold the mask in tokens are to be revealed, and hold noise from now on if that is the strategy's.
 */
void unmask_start(struct unmask *u, const struct decode_spec *s, uint32_t request, uint32_t block,
                  int32_t *tokens, int32_t begin, int32_t end, const struct model_config *c);

/* Reveal this position with the first forward. */
void unmask_first(struct unmask *u, int32_t position);

/* Nothing is masked, nor will be again. */
bool unmask_done(const struct unmask *u);

/* A forward is done: stat[n_open] of the rows that decide open[].  Writes the tokens of
 * revealed[], and the mask or noise where positions are given up again. */
void unmask_accept(struct unmask *u, const struct row_stat *stat, int32_t *tokens);

#endif
