/* traced.h - decodes written down as commit traces, and traces held against decoders. */
#ifndef TESTS_TRACED_H
#define TESTS_TRACED_H

#include "harness/decode/commit_trace.h"
#include "harness/decode/decoder.h"
#include "tests/toy.h"

/* A line of a trace. */
#define LINE(request, forward, phase, committed)                                                   \
    "{\"request\":" #request ",\"forward\":" #forward ",\"phase\":\"" phase                        \
    "\",\"committed\":" committed "}\n"

enum { TRACED_FORWARDS = 200 };

struct traced {
    char *text;      /* its trace; owned                    */
    int32_t *tokens; /* owned [batch, spec_length]          */
    int32_t n;       /* forwards                            */
    struct step_work work[TRACED_FORWARDS];
};

/* Decode, a second model included where the spec asks for one. */
void traced_decode(struct toy *t, const struct decoder_ops *ops, const struct decode_spec *s,
                   struct traced *out);
void traced_free(struct traced *d);
/* They are one decode: the same lines, forwards and tokens. */
void traced_same(const struct traced *a, const struct traced *b, const struct decode_spec *s);

/* "t.jsonl" of this text. */
struct commit_trace *traced_parse(const char *text);
/* tiny-test's decoder takes the spec's trace, or refuses it with words that begin like this. */
void traced_check(const struct decoder_ops *ops, const struct decode_spec *s, const char *sentence);

#endif
