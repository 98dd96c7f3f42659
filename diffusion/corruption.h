/* corruption.h - what it costs to corrupt tokens by Gaussian noise on their embeddings, beside
 * masking, with nothing left to learn on either side.
 *
 * Tokens of an exact process have embeddings of `width` dimensions, orthogonal and of length
 * sqrt(width) each: the layout that is easiest to tell apart.  At signal-to-noise ratio g = a / (1
 * - a) a token w is seen as sqrt(a) e_w + sqrt(1 - a) z, which says of symbol v no more than the
 * number g width [v = w] + sqrt(g width) z_v: the log of its likelihood.  Forward-backward over all
 * positions then gives the exact posterior of each token, the best denoiser there is: its mean
 * embedding.
 *
 * The bound of T steps of time, g falling from g_0 to g_T, in nats per token (Kingma et al. 2021):
 *
 *     sum over steps of (g_(k-1) - g_k) / 2  E|e_w - mean|^2 (g_k)     what each step leaves open
 *   + E[-log p(w | seen at g_0)]                                       rounding
 *   + width / 2 log(1 + g_T)                                            what noise knows at the
 * start
 *
 * Masking's, with steps of equal time at mask rates k / T, is the mean over k of the -log p of a
 * masked token at rate k / T. */
#ifndef DIFFUSION_CORRUPTION_H
#define DIFFUSION_CORRUPTION_H

#include "harness/base/mean.h"
#include "harness/decode/process.h"

enum { CORRUPTION_POINTS = 97 };

/* What is found at CORRUPTION_POINTS levels of corruption, most corrupt last. */
struct corruption_curve {
    int32_t width; /* of embeddings; 0: masks                                           */
    double level[CORRUPTION_POINTS];    /* log g, falling; masks: rate, rising              */
    double entropy[CORRUPTION_POINTS];  /* of a token's posterior, mean over all: nats      */
    double surprise[CORRUPTION_POINTS]; /* -log p(w | seen), of all; masks: of masked ones */
    double error[CORRUPTION_POINTS];    /* share of tokens whose nearest embedding is another's */
    double mmse[CORRUPTION_POINTS];     /* E|e_w - mean|^2 / width                          */
};

/* Noise on n_tokens tokens after one that is given, for n_sequences sequences. */
enum err corruption_noise(const struct process *p, int32_t width, int32_t n_tokens,
                          int64_t n_sequences, uint64_t seed,
                          struct corruption_curve *out) MUST_CHECK;
enum err corruption_masks(const struct process *p, int32_t n_tokens, int64_t n_sequences,
                          uint64_t seed, struct corruption_curve *out) MUST_CHECK;

/* The same noise on one token of n_symbols equally likely ones: a vocabulary of a model's size. */
enum err corruption_noise_of_uniform(int32_t n_symbols, int32_t width, int64_t n_draws,
                                     uint64_t seed, struct corruption_curve *out) MUST_CHECK;

/* Where a curve stands at a time in (0, 1) of the usual schedules: noise a = cos^2(pi t / 2), mask
 * rate t.  Returns a level. */
double corruption_level(const struct corruption_curve *c, double time);
/* A column of the curve at a level, between its points. */
double corruption_at(const struct corruption_curve *c, const double *column, double level);

/* Share of time during which the posteriors' entropy is 5 to 95 % of what it is at the end. */
double corruption_useful_time(const struct corruption_curve *c);

/* Bound of `steps` steps, nats per token: of equal time, from where no token is misread any more;
 * and the least of all with steps of equal time or of equal log g over any window, so that rounding
 * may draw what is still open.  Of masks there is one. */
double corruption_bound(const struct corruption_curve *c, int32_t steps);
/* The same of infinitely many steps over the whole curve: in the mean over draws the entropy of the
 * tokens, so that its distance from that is the noise that corruption_bound has as well. */
double corruption_limit(const struct corruption_curve *c);
double corruption_best_bound(const struct corruption_curve *c, int32_t steps);

#endif
