/* accept_trace.h - how many drafts each verify forward of a commit trace found right. */
#ifndef AR_BASELINE_ACCEPT_TRACE_H
#define AR_BASELINE_ACCEPT_TRACE_H

#include "harness/decode/commit_trace.h"
#include "harness/decode/decoder.h"

/* ERR_USAGE with the line of the trace at fault where its first spec.batch requests are no decode
 * of the spec by AR that verifies drafts. */
enum err accept_trace_check(const struct decode_spec *s) MUST_CHECK;

/* Drafts that the request's next verify forward, from *at on, finds right; *at is moved to it. */
int32_t accept_trace_peek(const struct commit_trace *t, uint32_t request, int32_t *at);

#endif
