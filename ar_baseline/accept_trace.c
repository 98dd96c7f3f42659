/* accept_trace.c - walk a trace's requests forward by forward. */
#include "ar_baseline/accept_trace.h"

#include <stdarg.h>
#include <stdio.h>

static enum err refuse(const struct commit_trace *t, const struct trace_forward *f, const char *fmt,
                       ...) __attribute__((format(printf, 3, 4)));

static enum err refuse(const struct commit_trace *t, const struct trace_forward *f, const char *fmt,
                       ...)
{
    char what[240];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(ERR_USAGE, "%s:%d: %s", t->name, f->line, what);
}

/* A forward's tokens must be the next n after the first `done`, in any order; none is there twice.
 */
static enum err in_order(const struct commit_trace *t, const struct trace_forward *f, int32_t done)
{
    for (int32_t i = 0; i < f->n; i++) {
        int32_t p = t->position[f->first + i];
        if (p < done || p >= done + f->n)
            return refuse(t, f,
                          "position %d; expected the %d after the %d that are there, from left to "
                          "right",
                          p, f->n, done);
    }
    return ERR_NONE;
}

/* Tokens that a forward may commit after `done` of them, or what is wrong with it. */
static enum err check_forward(const struct decode_spec *s, const struct trace_forward *f,
                              int32_t done)
{
    const struct commit_trace *t = s->trace;
    int32_t left = s->n_gen - done;
    switch (f->phase) {
    case PHASE_DRAFT:
    case PHASE_PREFILL_DRAFT:
        if (f->n > 0) return refuse(t, f, "a %s forward commits nothing", phase_name(f->phase));
        return ERR_NONE;
    case PHASE_PREFILL:
        if (done > 0 || f->n != 1)
            return refuse(t, f, "expected one prefill, which commits position 0 alone");
        break;
    case PHASE_VERIFY:
        if (done == 0) return refuse(t, f, "a verify forward before the prefill");
        if (f->n < 1)
            return refuse(t, f, "a verify forward commits at least the model's own choice");
        if (f->n > left)
            return refuse(t, f, "%d tokens where %d of %d are left", f->n, left, s->n_gen);
        if (f->n > s->draft_tokens + 1)
            return refuse(t, f,
                          "%d tokens are more than %d drafts and the model's own; want "
                          "draft-tokens %d or more",
                          f->n, s->draft_tokens, f->n - 1);
        break;
    default:
        return refuse(t, f, "a %s forward; verified drafts take prefill, draft and verify",
                      phase_name(f->phase));
    }
    return in_order(t, f, done);
}

static enum err check_request(const struct decode_spec *s, int32_t request)
{
    const struct trace_request *q = &s->trace->request[request];
    int32_t done = 0;
    for (int32_t i = 0; i < q->n; i++) {
        TRY(check_forward(s, &q->forward[i], done));
        done += q->forward[i].n;
    }
    if (done < s->n_gen)
        return refuse(s->trace, &q->forward[q->n - 1], "request %d ends after %d of %d tokens",
                      request, done, s->n_gen);
    return ERR_NONE;
}

enum err accept_trace_check(const struct decode_spec *s)
{
    if (s->batch > s->trace->n_requests)
        return err_set(ERR_USAGE, "%s has %d requests, too few for a batch of %d", s->trace->name,
                       s->trace->n_requests, s->batch);
    for (int32_t b = 0; b < s->batch; b++) TRY(check_request(s, b));
    return ERR_NONE;
}

int32_t accept_trace_peek(const struct commit_trace *t, uint32_t request, int32_t *at)
{
    const struct trace_request *q = &t->request[request];
    while (*at < q->n && q->forward[*at].phase != PHASE_VERIFY) ++*at;
    CHECK(*at < q->n);
    return q->forward[*at].n - 1;
}
