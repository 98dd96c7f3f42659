/* nelbo.h - how probable a model says given sequences are, by the objective it is trained with.
 *
 * Masked diffusion bounds -log p of a sequence by
 *
 *     integral over t of  w(t)  E[ sum over masked i of -log p(x_i | what is not masked) ],
 *
 * each position masked on its own with the rate r(t), w = r' / r.  In r the integral is that of
 * E[...] / r from 0 to 1: schedules give the same bound and differ in the noise of estimates.  It
 * is also the mean over l of N / l E[sum over l positions drawn at random]: the count form.
 *
 * Drawn as written the time form has no finite variance where r begins like t: masks are rare and
 * weigh 1 / t.  So one position, drawn at random, is masked whatever the time and the others at
 * the rate; the sum then weighs r' N / (number masked) instead of w.  The mean is the same: a set
 * of l masks comes up l / (N r) times as often.
 *
 * In blocks (BD3-LM), each block has a bound of its own, with the blocks before it clean in its
 * sight and none after; blocks of one token are the chain rule, the objective of autoregression.
 * With a shifted head a block's first token is decided, as in decoding, by the row before it.
 *
 * A model that is exact makes every bound -log p itself, in the mean over masks. */
#ifndef DIFFUSION_NELBO_H
#define DIFFUSION_NELBO_H

#include "diffusion/score.h"

/* How the mask rate grows with time, from 0 at 0 to 1 at `end`. */
struct noise_schedule {
    const char *name, *help;
    double end; /* 1, or where the formula gets there */
    double (*rate)(double t);
    double (*weight)(double t); /* rate' / rate */
};
/* Schedules in order; NULL past the last. */
const struct noise_schedule *noise_schedule_at(int32_t i);

enum nelbo_estimator {
    NELBO_CHAIN, /* each token after all before it: exact, no draws        */
    NELBO_TIME,  /* times drawn in strata, masks at the rate of the time   */
    NELBO_COUNT  /* counts drawn in strata, so many masks at random places */
};
const char *nelbo_estimator_name(enum nelbo_estimator e);

struct nelbo_spec {
    enum nelbo_estimator estimator;
    const struct noise_schedule *schedule; /* NELBO_TIME */
    int32_t n_prompt, n_gen;               /* given tokens, at least 1; tokens judged       */
    int32_t block_length;                  /* blocks from position 0; 0: one of all n_gen, whose
                                              sight is the whole sequence                   */
    bool shifted;                          /* a position is decided by the row before it    */
    int32_t draws;                         /* masked sequences per block                    */
    uint64_t seed;
};

struct nelbo; /* room for its passes */

/* ERR_USAGE for a spec that makes no bound.  The scorer is borrowed. */
enum err nelbo_create(const struct nelbo_spec *spec, struct scorer *s,
                      struct nelbo **out) MUST_CHECK;
void nelbo_free(struct nelbo *n); /* NULL is allowed */

/* An estimate of the bound for tokens[n_prompt + n_gen], in nats for all n_gen.  request: whose
 * random numbers. */
enum err nelbo_estimate(struct nelbo *n, const int32_t *tokens, uint32_t request,
                        double *nats) MUST_CHECK;

#endif
