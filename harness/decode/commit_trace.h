/* commit_trace.h - the decisions of a decode without its arithmetic: which positions each
 * forward of each request committed.  docs/TRACES.md describes the file.
 *
 * A trace replayed in a denoiser takes the place of its strategy: another engine's decisions on
 * a trained model then say how many forwards are needed, where seeded weights cannot. */
#ifndef DECODE_COMMIT_TRACE_H
#define DECODE_COMMIT_TRACE_H

#include "harness/base/hash.h"
#include "harness/base/strbuf.h"
#include "harness/model/model.h"

struct trace_forward {
    enum phase phase;
    int32_t line;     /* in the file                                        */
    int32_t block;    /* -1: not said                                       */
    int32_t first, n; /* its positions: position[first .. first + n)        */
};

struct trace_request {
    struct trace_forward *forward; /* owned, in order */
    int32_t n, room;
    int32_t eos; /* position of its first end-of-sequence token; -1: not said */
};

struct commit_trace {
    char *name;                    /* owned: the file, for errors          */
    struct trace_request *request; /* owned                                */
    int32_t n_requests;
    int32_t *position; /* owned: 0 is the first token generated */
    int32_t n_positions, room;
    bool states_eos;              /* every request says where its eos is  */
    char sha256[SHA256_HEX_SIZE]; /* of the file                          */
};

/* ERR_USAGE with file and line where it is not a trace, or not there. */
enum err commit_trace_load(const char *path, struct commit_trace **out) MUST_CHECK;
/* The same of text in memory, called `name` in errors. */
enum err commit_trace_parse(const char *name, const char *text, size_t len,
                            struct commit_trace **out) MUST_CHECK;
void commit_trace_free(struct commit_trace *t); /* NULL is allowed */

/* One line of a trace, with its newline. */
struct trace_line {
    int32_t request, forward, block; /* block -1: none */
    enum phase phase;
    const int32_t *position;
    int32_t n;
};
void commit_trace_write(struct strbuf *out, const struct trace_line *l);

#endif
