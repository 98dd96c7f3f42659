/* learn.c - decode once, and plan what that committed. */
#include "harness/app/learn.h"

#include "diffusion/strategy.h"
#include "harness/app/decoders.h"
#include "harness/decode/session.h"

enum err decode_logged(struct model *m, struct model *draft, const struct cell *c,
                       struct commit_log *l)
{
    struct session *n;
    struct step_work work;
    struct decode_spec s = c->spec;
    enum err e = ERR_NONE;
    s.on_eos = EOS_GO_ON; /* a trace has all of every request */
    TRY(session_create_drafted(m, draft, decoder_find(c->decoder), &s, c->kv_dtype, &n));
    session_log_commits(n, l);
    while (e == ERR_NONE && !session_done(n)) e = session_step(n, &work);
    session_free(n);
    return e;
}

bool plan_must_learn(const struct cell *c)
{
    const struct strategy_ops *s = strategy_of(c->spec.strategy);
    /* What takes positions back keeps to a number of steps, and no trace can hold it. */
    return cell_denoises(c) && !c->spec.trace && s->adaptive && !s->revises;
}

static enum err plan_logged(const struct cell *c, const struct commit_log *l,
                            const struct plan_target *t, struct plan *out)
{
    struct cell replayed = *c;
    struct commit_trace *trace;
    TRY(strbuf_check(&l->text));
    TRY(commit_trace_parse("commits of the model", strbuf_text(&l->text), l->text.len, &trace));
    replayed.spec.trace = trace;
    enum err e = plan_cell(&replayed, t, out);
    commit_trace_free(trace);
    return e;
}

enum err plan_learned(const struct cell *c, struct model *m, const struct plan_target *t,
                      struct plan *out)
{
    struct commit_log l = {0};
    TRY(commit_log_init(&l, &c->spec, model_config_of(m)));
    enum err e = decode_logged(m, NULL, c, &l);
    if (e == ERR_NONE) e = plan_logged(c, &l, t, out);
    commit_log_free(&l);
    return e;
}
