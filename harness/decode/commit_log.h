/* commit_log.h - the commit trace of a decode as it goes. */
#ifndef DECODE_COMMIT_LOG_H
#define DECODE_COMMIT_LOG_H

#include "harness/decode/commit_trace.h"
#include "harness/decode/decoder.h"

struct commit_log {
    struct strbuf text; /* the trace so far                                          */
    struct decode_spec spec;
    int32_t mask_id;
    int32_t *n_forwards; /* owned [batch]                                             */
    int32_t *before;     /* owned [batch, spec_length]: tokens before a forward  */
    int32_t *position;   /* owned [n_gen]: scratch                                    */
};

enum err commit_log_init(struct commit_log *l, const struct decode_spec *s,
                         const struct model_config *c) MUST_CHECK;
void commit_log_free(struct commit_log *l);

/* Around the decoder's accept: tokens[batch, spec_length]. */
void commit_log_before(struct commit_log *l, const int32_t *tokens);
void commit_log_after(struct commit_log *l, const struct pass *p, const int32_t *tokens);

#endif
