/* noise.h - a canvas of random tokens, where masked diffusion has masks.
 *
 * Uniform noise of level b leaves a token with probability 1 - b and puts one of the V ids drawn
 * uniformly in its place otherwise (the token itself may come up again).  Nothing in the canvas
 * says which tokens are noise, so every forward decides every position anew. */
#ifndef DIFFUSION_NOISE_H
#define DIFFUSION_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/model/config.h"

/* One position on its way from noise level `from` to a lower one. */
struct noise_move {
    double from, to; /* 1 >= from > to >= 0                                             */
    int32_t n_ids;   /* V                                                               */
};

/* What becomes of a position. */
enum fate { FATE_CLEAN, FATE_STAYS, FATE_NOISE, FATE_COUNT };

/* p[FATE_COUNT]: of a position that shows `now` if the token beneath it is `clean`, by the exact
 * reverse of uniform noise (D3PM):
 *
 *     q(next | now, clean)  ~  q(now | next) q(next | clean),
 *
 * next being clean, now, or any of the V.  same: now and clean are one token, FATE_CLEAN's. */
void noise_fates(const struct noise_move *m, bool same, double *p);

/* Ids that noise is drawn from: all that a decoder may choose. */
int32_t noise_ids(const struct model_config *c);

/* The token that noise puts at a place in a step; never the mask. */
int32_t noise_token(const struct model_config *c, uint64_t seed, uint32_t request, uint32_t place,
                    uint32_t step);

#endif
