/* session.h - one decode of one batch: decoder, cache and scratch on a shared model.
 *
 * session_step runs one forward: the decoder's pass, the transformer, the row
 * statistics, the decoder's choice.  A forward is a pure function of its pass and
 * of cache positions that stay as they are, so it can be recorded and run again:
 * that is how a forward is timed many times at one pinned context. */
#ifndef DECODE_SESSION_H
#define DECODE_SESSION_H

#include "harness/decode/decoder.h"

struct commit_log;
struct session;
struct recording; /* a forward that can be replayed; owned by the session */

enum err session_create(struct model *m, const struct decoder_ops *ops, const struct decode_spec *s,
                        enum dtype kv, struct session **out) MUST_CHECK;
/* With the model that session_draft_model asks for, loaded on the same kernels; it outlives the
 * session.  session_create is for specs that ask for none. */
enum err session_create_drafted(struct model *m, struct model *draft,
                                const struct decoder_ops *ops, const struct decode_spec *s,
                                enum dtype kv, struct session **out) MUST_CHECK;
/* Whether decoding takes a second model, and its shape. */
bool session_draft_model(const struct decoder_ops *ops, const struct decode_spec *s,
                         const struct model_config *c, struct model_config *draft);
void session_free(struct session *s); /* NULL is allowed */

/* Back to the empty sequence; recordings stay. */
enum err session_restart(struct session *s) MUST_CHECK;

bool session_done(const struct session *s);
enum err session_step(struct session *s, struct step_work *work) MUST_CHECK;

/* Keep the pass that the next session_step will run. */
enum err session_record_next(struct session *s, struct recording **out) MUST_CHECK;
/* Run a recorded forward again: same work, same cache positions written, no choice
 * accepted.  Valid once the session has stepped past it. */
enum err session_replay(struct session *s, const struct recording *r,
                        struct step_work *work) MUST_CHECK;

/* From now on every step adds to the log, which outlives the session; NULL: no more.  Not where
 * the backend only counts. */
void session_log_commits(struct session *s, struct commit_log *log);

/* tokens[batch, spec_length]; meaningless where the backend only counts. */
const int32_t *session_tokens(const struct session *s);
/* [batch]: where sequences end, as spec.eos has it, given or found out when the session was made;
 * NULL: not known, or only from a trace. */
const int32_t *session_eos(const struct session *s);
struct kernels *session_kernels(const struct session *s);

/* Bytes a session takes beside its models. */
int64_t session_bytes(const struct kernels *k, const struct model_config *c,
                      const struct decoder_ops *ops, const struct decode_spec *s, enum dtype kv);
/* The largest that its forwards ask of a backend. */
struct kernels_extent session_extent(const struct model_config *c, const struct decoder_ops *ops,
                                     const struct decode_spec *s, enum dtype weights,
                                     enum dtype kv);

#endif
