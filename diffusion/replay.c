/* replay.c - walk a trace's requests through the blocks of a spec. */
#include "diffusion/replay.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* One request on its way. */
struct walk {
    const struct commit_trace *t;
    const struct decode_spec *s;
    const struct replay_blocks *blocks;
    int32_t request, begin, end; /* of the current block, in generated positions */
    int32_t left;                /* of the block: positions to be committed              */
    bool *done;                  /* owned [n_gen]                                        */
    bool started;                /* the block has had a denoise forward                  */
};

static bool denoises(enum phase p)
{
    return p != PHASE_PREFILL && p != PHASE_COMMIT;
}

static enum err refuse(const struct walk *w, const struct trace_forward *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static enum err refuse(const struct walk *w, const struct trace_forward *f, const char *fmt, ...)
{
    char what[240];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(ERR_USAGE, "%s:%d: %s", w->t->name, f->line, what);
}

/* Whether a prefill or commit decides this generated position. */
static bool is_given(const struct walk *w, int32_t position)
{
    return w->blocks->given_first &&
           (spec_prefix(w->s) + position - w->blocks->begin) % w->blocks->length == 0;
}

static void enter_block(struct walk *w, int32_t begin)
{
    w->begin = begin > 0 ? begin : 0;
    w->end = begin + w->blocks->length;
    w->started = false;
    w->left = 0;
    for (int32_t p = w->begin; p < w->end; p++) w->left += !is_given(w, p);
}

static enum err commit_one(struct walk *w, const struct trace_forward *f, int32_t p)
{
    if (p >= w->s->n_gen)
        return refuse(w, f, "position %d is not one of the %d generated", p, w->s->n_gen);
    if (!denoises(f->phase)) {
        if (!is_given(w, p))
            return refuse(w, f,
                          "a %s forward commits position %d, which here a denoise forward "
                          "must",
                          phase_name(f->phase), p);
    } else {
        if (p < w->begin || p >= w->end)
            return refuse(w, f, "position %d is outside block %d..%d, which is not finished", p,
                          w->begin, w->end - 1);
        if (is_given(w, p))
            return refuse(w, f,
                          "a %s forward commits position %d, which here the forward before "
                          "its block gives",
                          phase_name(f->phase), p);
        w->left--;
    }
    w->done[p] = true;
    return ERR_NONE;
}

static enum err take(struct walk *w, const struct trace_forward *f)
{
    if (f->phase == PHASE_VERIFY || f->phase == PHASE_DRAFT || f->phase == PHASE_PREFILL_DRAFT)
        return refuse(w, f,
                      "a %s forward; a denoiser's are prefill, denoise, refresh, reuse, "
                      "fused and commit",
                      phase_name(f->phase));
    bool next = denoises(f->phase) && w->left == 0;
    while (next && w->left == 0 && w->end < w->s->n_gen) enter_block(w, w->end);
    if (next && w->left == 0)
        return refuse(w, f, "a %s forward after everything is committed", phase_name(f->phase));
    int32_t number = (w->end + spec_prefix(w->s) - w->blocks->begin) / w->blocks->length - 1;
    if (denoises(f->phase) && f->block >= 0 && f->block != number)
        return refuse(w, f, "block %d; expected %d with block-length %d", f->block, number,
                      w->blocks->length);
    for (int32_t i = 0; i < f->n; i++) TRY(commit_one(w, f, w->t->position[f->first + i]));
    if (denoises(f->phase) && !w->started && w->blocks->reveals_first && !w->done[w->begin])
        return refuse(w, f,
                      "the block's first forward must commit position %d: with this head and "
                      "cache no later one computes the row that decides it",
                      w->begin);
    if (denoises(f->phase)) w->started = true;
    return ERR_NONE;
}

static enum err walk_request(struct walk *w)
{
    const struct trace_request *q = &w->t->request[w->request];
    enter_block(w, w->blocks->begin - spec_prefix(w->s));
    for (int32_t p = 0; p < w->s->n_gen; p++) w->done[p] = false;
    for (int32_t i = 0; i < q->n; i++) TRY(take(w, &q->forward[i]));
    for (int32_t p = 0; p < w->s->n_gen; p++)
        if (!w->done[p])
            return refuse(w, &q->forward[q->n - 1], "request %d ends without position %d of %d",
                          w->request, p, w->s->n_gen);
    return ERR_NONE;
}

enum err replay_check(const struct decode_spec *s, const struct replay_blocks *b)
{
    if (s->batch > s->trace->n_requests)
        return err_set(ERR_USAGE, "%s has %d requests, too few for a batch of %d", s->trace->name,
                       s->trace->n_requests, s->batch);
    struct walk w = {.t = s->trace, .s = s, .blocks = b};
    w.done = calloc((size_t)s->n_gen, sizeof *w.done);
    if (!w.done) return err_set(ERR_NOMEM, "replay of %d positions: out of memory", s->n_gen);
    enum err e = ERR_NONE;
    for (; w.request < s->batch && e == ERR_NONE; w.request++) e = walk_request(&w);
    free(w.done);
    return e;
}

const struct trace_forward *replay_next(const struct commit_trace *t, uint32_t request, int32_t *at)
{
    const struct trace_request *q = &t->request[request];
    while (*at < q->n && !denoises(q->forward[*at].phase)) ++*at;
    CHECK(*at < q->n);
    return &q->forward[(*at)++];
}
