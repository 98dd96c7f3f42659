/* strategy.h - which masked positions a denoise forward reveals, and how many.
 *
 * A strategy is a row of one table: a score that ranks the masked positions of a block and a
 * count that says how many of the best are revealed.  Both see what one read of each row of
 * logits yields and nothing else, so they serve any source of row statistics: a network, an
 * exact process, a backend that only counts.
 *
 * Ties go to the lower position.  While something is masked at least one position is revealed. */
#ifndef DIFFUSION_STRATEGY_H
#define DIFFUSION_STRATEGY_H

#include "diffusion/schedule.h"

/* The masked positions of one sequence's block when a forward has been computed. */
struct strategy_view {
    const struct decode_spec *spec;
    uint32_t request;
    int32_t n_steps; /* of this block                                            */
    int32_t quota;   /* positions the schedule wants revealed now: 1 .. n        */
    int32_t n;
    const int32_t *position;     /* [n] ascending                                            */
    const struct row_stat *stat; /* [n] of the row that decides each                         */
};

struct ranked {
    double score;
    int32_t at; /* index into the view */
};

/* How ReMDM moves from time t to s < t: unmasked positions are masked again with probability
 * `remask`, masked ones revealed with probability `reveal`. */
struct remask_tick {
    double alpha_t, alpha_s; /* probability that a position is unmasked               */
    double remask, reveal;   /* remdm-conf shares out `remask` by confidence          */
};

struct strategy_ops {
    const char *name; /* "low-confidence": the word on the command line           */
    const char *help;
    const char *takes; /* options that matter to it, a blank after each              */
    const char *reads; /* row statistics it looks at; "": none, so it may run on a
                          backend that only counts                                 */
    bool adaptive;     /* how many positions a forward reveals depends on the logits */
    bool differs;      /* ... or on the sequence                                    */
    bool revises;      /* what is revealed is not final before the block is done    */
    bool noisy;        /* random tokens instead of masks, all decided anew by every forward:
                          the `count` best stay and the rest is noise again, or, without a
                          count, each moves by the exact reverse of uniform noise     */
    double (*score)(const struct strategy_view *v, int32_t at); /* the largest first   */
    int32_t (*count)(const struct strategy_view *v, const struct ranked *r); /* 1 .. n    */
    /* Instead of both, where positions are masked again (NULL elsewhere): tick `tick` of n_ticks.
     */
    struct remask_tick (*tick)(const struct decode_spec *s, int32_t tick, int32_t n_ticks);
};

const struct strategy_ops *strategy_of(enum strategy s);

/* Whether an option ("threshold") matters to the strategy. */
bool strategy_takes(enum strategy s, const char *option);

/* Rank the view's positions into r[n]; the first `returned` are to be revealed. */
int32_t strategy_choose(const struct strategy_ops *s, const struct strategy_view *v,
                        struct ranked *r);

/* ERR_USAGE with the reason where the spec's strategy cannot be run as asked. */
enum err strategy_check(const struct decode_spec *s) MUST_CHECK;

#endif
