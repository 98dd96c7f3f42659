/* exact.h - a process in the transformer's place.
 *
 * exact_forward answers a pass as model_forward does, with the logits of a model that has
 * nothing left to learn: log p(token at a row's position | the tokens that row sees).  What a
 * row sees follows from its span, like a row of attention: its own pass's tokens and those of
 * cached positions as they were when their pass ran.  Which position a row decides is said by
 * its key, so heads of either kind and causal rows need no cases.  Tokens that a pass calls noisy
 * count for as much as they can be trusted.
 *
 * An exact session is a decode by an unchanged decoder on such answers. */
#ifndef DECODE_EXACT_H
#define DECODE_EXACT_H

#include "harness/decode/decoder.h"
#include "harness/decode/process.h"

/* A model shape with the process's symbols as ids and one more for the mask; no layers. */
struct model_config exact_config(const struct process *p);

struct exact_cache; /* the tokens where a model would have keys and values */

enum err exact_cache_create(struct kernels *k, const struct process *p,
                            const struct kv_cache_size *size, struct exact_cache **out) MUST_CHECK;
void exact_cache_free(struct exact_cache *c);  /* NULL is allowed */
void exact_cache_clear(struct exact_cache *c); /* forget all positions */

/* logits: [pass_logit_rows, n_symbols + 1], valid until the next forward; n_dim 0 when none
 * were asked for. */
enum err exact_forward(struct exact_cache *c, const struct pass *p, const struct row_key *keys,
                       struct tensor *logits) MUST_CHECK;
/* The same distributions in double precision: [n_symbols] of logit row i of the last forward. */
const double *exact_probability(const struct exact_cache *c, int64_t i);

/* What one read of logit row i says of the choice of id: from the double-precision
 * distribution, rounded to a multiple of 2^-20, so that strategies find equal what is equal
 * however it was summed up. */
struct row_stat exact_stat(const struct exact_cache *c, int64_t i, int32_t id);
/* The same of any distribution p[n]. */
struct row_stat exact_stat_of(const double *p, int32_t n, int32_t id);

/* out[n]: p^(1 / temperature), normalized: what a row is drawn from.  May be p itself. */
void exact_temper(const double *p, int32_t n, double temperature, double *out);

struct exact_session;
struct commit_log;

/* The process and the kernels outlive it; the temperature must be above 0 where
 * exact_log_drawn is to be read. */
enum err exact_session_create(struct kernels *k, const struct process *p,
                              const struct decoder_ops *ops, const struct decode_spec *s,
                              struct exact_session **out) MUST_CHECK;
void exact_session_free(struct exact_session *s); /* NULL is allowed */
bool exact_session_done(const struct exact_session *s);
enum err exact_session_step(struct exact_session *s, struct step_work *work) MUST_CHECK;
const int32_t *exact_session_tokens(const struct exact_session *s);

/* From now on every row chooses the token that `tokens` has at its position, with that token's
 * confidence: the decode of a given sequence.  tokens[batch, n_prompt + n_gen], borrowed; NULL:
 * rows choose for themselves again.  Not for a decoder that takes drafts. */
void exact_session_force(struct exact_session *s, const int32_t *tokens);

/* As session_log_commits. */
void exact_session_log_commits(struct exact_session *s, struct commit_log *log);

/* Sum over the tokens that sequence b has committed of the log probability with which each was
 * drawn from its row: the log probability of the sequence given the sets of positions revealed
 * together, if nothing else decided what was kept. */
double exact_log_drawn(const struct exact_session *s, int32_t b);

#endif
