/* closed_form.h - what the decoders cost, worked out on paper.
 *
 * These formulas are written from the mathematics and know nothing of the kernels: they
 * are the second opinion the ledger is checked against, and they answer "from which batch
 * on" questions without a sweep.  They count what dominates: linear maps, attention,
 * weights, keys and values.  Norms, biases, embedding rows, activations and logits are
 * left out unless a function says otherwise.
 *
 * Letters
 *     P      parameters of the linear maps, head included    s      bytes per weight
 *     kappa  bytes of K and V per position, all layers       a      FLOPs per visible pair,
 *     R      ridge of the machine, FLOP per byte                    all layers
 *     R'     R s / 2: the rows at which the linear maps      G      query heads per K/V head
 *            cross the ridge; R for 2-byte weights
 *     B      sequences        L   positions of a sequence    C      cached positions
 *     b      block length     S   denoise forwards per block T      denoise forwards in all
 *     Lp, Lg prompt and generated positions                  TPF    tokens per forward and
 *                                                                   sequence
 * Two ways to put times together:
 *     lumped     one max(FLOP / peak, bytes / bandwidth) for the whole forward
 *     additive   linear maps and attention each with its own max, then summed, because
 *                a device runs them one after the other
 */
#ifndef ROOFLINE_CLOSED_FORM_H
#define ROOFLINE_CLOSED_FORM_H

#include <stdbool.h>

#include "harness/decode/decoder.h"
#include "roofline/roof.h"

struct closed_model {
    double p_lin, p_head, p; /* parameters; p = p_lin + p_head                  */
    double s;                /* bytes per weight                                */
    double kappa;            /* bytes of K and V per position, all layers       */
    double a;                /* FLOPs per visible (query, key) pair, all layers */
    double group;            /* query heads per K/V head                        */
};

struct closed_model closed_model_of(const struct model_config *c, enum dtype weights,
                                    enum dtype kv);

/* A number that may not exist; why says which side wins everywhere then. */
struct closed_value {
    bool exists;
    double value;    /* NaN when it does not exist              */
    const char *why; /* one clause, static storage; NULL if it does */
};

struct closed_value closed_exists(double value);
struct closed_value closed_missing(const char *why);

/* R'. */
double closed_ridge_rows(const struct closed_model *m, struct roof r);

/* ---- any forward ---- */

/* FLOPs: batch sequences of q rows, each seeing `visible` positions, with m logit rows per
 * sequence. */
double closed_flop(const struct closed_model *m, double batch, double q, double visible,
                   double logit_rows);

/* Bytes: weights once (the head only if logits are wanted), `read` K/V positions read and
 * `written` ones written per sequence. */
double closed_bytes(const struct closed_model *m, double batch, double read, double written,
                    double logit_rows);

/* Bytes of the tensors between kernels, per computed position: every kernel reading and
 * writing its own, and with norms, rotation and SwiGLU fused into the matmuls. */
double closed_activation_bytes(const struct model_config *c, enum dtype activation);
double closed_activation_bytes_fused(const struct model_config *c, enum dtype activation);

/* Seconds, additive: q rows per sequence through the linear maps and head, attention over
 * `visible` positions with `moved` K/V positions read or written. */
double closed_time_additive(const struct closed_model *m, struct roof r, double batch, double q,
                            double visible, double moved);

/* ---- autoregressive decoding: one row per sequence, sees L positions ---- */
double closed_ar_flop(const struct closed_model *m, double batch, double len);
double closed_ar_bytes(const struct closed_model *m, double batch, double len);
/* F / M without the one written position: B (2P + a L) / (s P + B kappa L). */
double closed_ar_intensity(const struct closed_model *m, double batch, double len);
/* Its limit for B to infinity; infinite at L = 0. */
double closed_ar_intensity_limit(const struct closed_model *m, double len);
/* Batch at which the whole step crosses the ridge; none from L_max on. */
struct closed_value closed_ar_ridge_batch(const struct closed_model *m, struct roof r, double len);
/* Context from which on no batch makes the step compute-bound. */
struct closed_value closed_ar_max_len(const struct closed_model *m, struct roof r);
double closed_ar_time(const struct closed_model *m, struct roof r, double batch, double len);
/* Seconds of so many tokens per sequence of a request, at its mean context. */
double closed_ar_request_time(const struct closed_model *m, struct roof r, double batch,
                              double n_prompt, double n_gen, double n_tokens);

/* ---- full-sequence diffusion: L rows per sequence, see each other, no cache ---- */
double closed_full_flop(const struct closed_model *m, double batch, double len, double logit_rows);
double closed_full_bytes(const struct closed_model *m, double batch, double len);
double closed_full_intensity(const struct closed_model *m, double batch, double len);
/* Batch at which a forward crosses the ridge. */
struct closed_value closed_full_ridge_batch(const struct closed_model *m, struct roof r,
                                            double len);
/* Forwards T at which diffusion takes as long as AR for the same tokens: fewer win.
 * Additive, attention of AR bound by bandwidth and of diffusion by compute. */
double closed_full_equal_steps(const struct closed_model *m, struct roof r, double batch,
                               double n_prompt, double n_gen);
/* The same with lumped times. */
double closed_full_equal_steps_lumped(const struct closed_model *m, struct roof r, double batch,
                                      double n_prompt, double n_gen);
/* Lg / T: tokens a forward must commit per sequence to be as fast as AR. */
double closed_full_equal_tpf(const struct closed_model *m, struct roof r, double batch,
                             double n_prompt, double n_gen);
/* FLOPs per generated token. */
double closed_full_flop_per_token(const struct closed_model *m, double n_prompt, double n_gen,
                                  double steps);

/* ---- block diffusion: b rows per sequence, see C cached positions and each other ---- */
double closed_block_flop(const struct closed_model *m, double batch, double cached, double block);
double closed_block_bytes(const struct closed_model *m, double batch, double cached, double block);
double closed_block_intensity(const struct closed_model *m, double batch, double cached,
                              double block);
struct closed_value closed_block_ridge_batch(const struct closed_model *m, struct roof r,
                                             double cached, double block);
double closed_block_time(const struct closed_model *m, struct roof r, double batch, double cached,
                         double block);
/* Tokens per forward of a schedule with a commit forward per block: b / (S + 1). */
double closed_block_tpf(double block, double steps);
/* With commits fused into the next block's first forward, which then has 2 b rows: b / S, and the
 * time of separate ones over that of fused ones, for C cached positions before the masked block. */
double closed_block_fused_tpf(double block, double steps);
double closed_block_fused_gain(const struct closed_model *m, struct roof r, double batch,
                               double cached, double block, double steps);
/* Time to read one sequence's cache over time to compute one token: R kappa C / 2P. */
double closed_block_x(const struct closed_model *m, struct roof r, double cached);
/* From this TPF on block diffusion never loses to AR, at any batch: (b + x) / (1 + x). */
double closed_block_tpf_inf(const struct closed_model *m, struct roof r, double cached,
                            double block);
/* Batch from which on AR is faster: TPF R' / (b - (TPF - 1) x).  None when TPF is at least
 * tpf_inf (block never loses) or below 1 (AR is always ahead). */
struct closed_value closed_block_crossover(const struct closed_model *m, struct roof r,
                                           double cached, double block, double tpf);
/* The same where a forward has every sequence `copies` times: TPF R' / (copies b - (TPF - copies)
 * x), none from copies times tpf_inf on. */
struct closed_value closed_block_crossover_of(const struct closed_model *m, struct roof r,
                                              double cached, double block, double tpf,
                                              double copies);
/* The same from the additive times, found by bisection up to max_batch. */
struct closed_value closed_block_crossover_additive(const struct closed_model *m, struct roof r,
                                                    double cached, double block, double tpf,
                                                    double max_batch);
/* Tokens per forward at which it is as fast as AR, additive. */
double closed_block_equal_tpf(const struct closed_model *m, struct roof r, double batch,
                              double cached, double block);
/* Decoding speed over AR's, additive, for S denoise forwards and a commit per block. */
double closed_block_speed(const struct closed_model *m, struct roof r, double batch,
                          double n_prompt, double n_gen, double block, double steps);
/* FLOPs per committed token: (b / TPF) (2P + a (C + b)). */
double closed_block_flop_per_token(const struct closed_model *m, double cached, double block,
                                   double tpf);

/* ---- classifier-free guidance: every forward has each sequence twice, so B sequences are 2 B in
 * the forms above, against AR, which has them once.  Where weights are streamed it is free; where
 * rows are computed it takes twice as long. ---- */
struct closed_value closed_guided_full_ridge_batch(const struct closed_model *m, struct roof r,
                                                   double len);
struct closed_value closed_guided_block_ridge_batch(const struct closed_model *m, struct roof r,
                                                    double cached, double block);
double closed_guided_equal_steps(const struct closed_model *m, struct roof r, double batch,
                                 double n_prompt, double n_gen);
double closed_guided_block_equal_tpf(const struct closed_model *m, struct roof r, double batch,
                                     double cached, double block);
/* 2 (b + x) / (1 + x), and TPF R' / (2 b - (TPF - 2) x). */
double closed_guided_block_tpf_inf(const struct closed_model *m, struct roof r, double cached,
                                   double block);
struct closed_value closed_guided_block_crossover(const struct closed_model *m, struct roof r,
                                                  double cached, double block, double tpf);

/* ---- AR that verifies k drafted tokens per forward, each right with probability p: what a
 *      block of k + 1 costs, without a commit ---- */
/* Expected tokens per forward: 1 + p + ... + p^k = (1 - p^(k+1)) / (1 - p). */
double closed_verify_tpf(double n_drafted, double acceptance);

/* Seconds per verify forward that a second model d takes to draft k tokens, a row each. */
double closed_draft_time(const struct closed_model *d, struct roof r, double batch, double cached,
                         double n_drafted);
/* The same for the model itself, in one forward over the last token and k masks. */
double closed_self_draft_time(const struct closed_model *m, struct roof r, double batch,
                              double cached, double n_drafted);
/* Tokens a verify forward must commit to be as fast as AR, draft_s seconds of drafting included;
 * the speed over AR's at a stated acceptance, and the acceptance at which it is 1. */
double closed_verify_equal_tpf(const struct closed_model *m, struct roof r, double batch,
                               double cached, double n_drafted, double draft_s);
double closed_verify_speed(const struct closed_model *m, struct roof r, double batch, double cached,
                           double n_drafted, double acceptance, double draft_s);
struct closed_value closed_verify_equal_acceptance(const struct closed_model *m, struct roof r,
                                                   double batch, double cached, double n_drafted,
                                                   double draft_s);
/* The number of drafts, at most max_drafts, from which on one more makes it slower, when each
 * takes draft_s.  0: the first does.  Streaming weights, where a verify forward takes as long
 * as AR's and a draft c of that, k drafts are worth it while p^k > c (1 + p + .. + p^(k-1)) /
 * (1 + (k - 1) c). */
int32_t closed_verify_best_drafts(const struct closed_model *m, struct roof r, double batch,
                                  double cached, double acceptance, double draft_s,
                                  int32_t max_drafts);

/* ---- approximate caches on full-sequence diffusion: per block one refresh of all L
 *      positions, then S - 1 forwards that reuse its keys and values ---- */
/* A dual-cache reuse step computes b rows against all L positions. */
double closed_dual_reuse_flop(const struct closed_model *m, double batch, double len, double block);
double closed_dual_reuse_bytes(const struct closed_model *m, double batch, double len,
                               double block);
/* Share of rows, and nearly of FLOPs, spent in refreshes: L / (L + (S - 1) b). */
double closed_dual_refresh_share(double len, double block, double steps);
/* Rows of the uncached decoder over rows of the cached one, and what bounds it:
 * S L / (L + (S - 1) b) <= min(S, L / b). */
double closed_dual_gain(double len, double block, double steps);
double closed_dual_gain_bound(double len, double block, double steps);
/* Steps per block below which dual caching beats AR at batch 1; needs L >= R' > b. */
struct closed_value closed_dual_max_steps(const struct closed_model *m, struct roof r, double len,
                                          double block);
/* Decoding speed over AR's, additive, for a schedule of S forwards per block. */
double closed_dual_speed(const struct closed_model *m, struct roof r, double batch, double n_prompt,
                         double n_gen, double block, double steps);
double closed_prefix_speed(const struct closed_model *m, struct roof r, double batch,
                           double n_prompt, double n_gen, double block, double steps);
/* Forwards per block at which that speed is 1; none when the refreshes alone take longer. */
struct closed_value closed_dual_equal_steps(const struct closed_model *m, struct roof r,
                                            double batch, double n_prompt, double n_gen,
                                            double block);
struct closed_value closed_prefix_equal_steps(const struct closed_model *m, struct roof r,
                                              double batch, double n_prompt, double n_gen,
                                              double block);

/* ---- any of them, with a refresh every so many forwards of a block besides its first (0: none),
 *      and the delayed cache, whose second forward is a refresh too ---- */
struct closed_cache {
    enum cache_policy policy;
    double refresh;
};
/* Whether forward i of a block computes all positions, and the rows of one that does not: with S
 * forwards per block, block j of Lg / b. */
bool closed_cache_refreshes(struct closed_cache c, double i);
double closed_cache_rows(struct closed_cache c, double n_gen, double block, double steps, double j,
                         double i);
/* Rows of the uncached decoder over rows of the cached one. */
double closed_cache_gain(struct closed_cache c, double n_prompt, double n_gen, double block,
                         double steps);
/* Decoding speed over AR's, additive. */
double closed_cache_speed(struct closed_cache c, const struct closed_model *m, struct roof r,
                          double batch, double n_prompt, double n_gen, double block, double steps);
/* Forwards per block at which that speed is 1, between whole ones by their times; none when one
 * forward per block takes longer, or when as many as positions do not. */
struct closed_value closed_cache_equal_steps(struct closed_cache c, const struct closed_model *m,
                                             struct roof r, double batch, double n_prompt,
                                             double n_gen, double block);
/* The same with classifier-free guidance, against AR without: twice the rows of every forward; what
 * a cache saves of them (closed_cache_gain) is the same. */
double closed_guided_cache_speed(struct closed_cache c, const struct closed_model *m, struct roof r,
                                 double batch, double n_prompt, double n_gen, double block,
                                 double steps);
struct closed_value closed_guided_cache_equal_steps(struct closed_cache c,
                                                    const struct closed_model *m, struct roof r,
                                                    double batch, double n_prompt, double n_gen,
                                                    double block);

#endif
