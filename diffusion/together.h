/* together.h - what drawing tokens together must cost, on a Markov chain.
 *
 * A forward that reveals a set of positions draws each by itself.  However good its distributions,
 * what it draws has at best their product, so that for sets fixed beforehand
 *
 *     KL(true || produced)  >=  sum over forwards of  E[ total correlation of the set | revealed ],
 *
 * with equality where the distributions are the true ones.  In a chain the tokens at the ends of
 * every gap decide what is between, so that entropies are sums over gaps: H(g) of a token g places
 * after the last known one. */
#ifndef DIFFUSION_TOGETHER_H
#define DIFFUSION_TOGETHER_H

#include "harness/decode/process.h"

enum { TOGETHER_MAX = 12 };

/* n positions that follow a known token, position i revealed by forward step[i], 0 the first; in
 * nats.  The process is a Markov chain in its stationary distribution, here and below. */
double together_cost(const struct process *p, int32_t n, const int32_t *step);

/* The least of it over all ways to reveal n positions, 1 .. TOGETHER_MAX, in n_steps of 1 .. n
 * forwards.  step[n]: one that has it; NULL: not asked for. */
double together_least(const struct process *p, int32_t n, int32_t n_steps, int32_t *step);

#endif
