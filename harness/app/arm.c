/* arm.c - run and time one cell's forwards. */
#include "harness/app/arm.h"

#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/app/learn.h"
#include "harness/base/hash.h"
#include "roofline/probe.h"

enum err arm_plan(struct arm *a, struct engine *e, const struct cell *c)
{
    struct plan_target target;
    char why[160];
    a->cell = c;
    a->engine = e;
    a->plan = calloc(1, sizeof *a->plan);
    if (!a->plan) return err_set(ERR_NOMEM, "plan: out of memory");
    TRY(engine_target(e, c, &target));
    TRY(plan_cell(c, &target, a->plan));
    if (plan_skip_reason(c, a->plan, &target, why, sizeof why))
        return err_set(ERR_USAGE, "%s", why);
    engine_price(e, engine_roofs(e, c), c, a->plan->weight_bytes, a->price, &a->cache_resident);
    memcpy(a->plan->price, a->price, sizeof a->price);
    return ERR_NONE;
}

/* The plan again, once there is a model to ask and it is known where its sequences end. */
static enum err plan_again(struct arm *a, struct model *m)
{
    struct plan_target target;
    struct cell c = *a->cell;
    bool learns = plan_must_learn(&c);
    c.spec.eos = session_eos(a->session);
    if (!learns && !c.spec.eos) return ERR_NONE;
    TRY(engine_target(a->engine, &c, &target));
    if (learns)
        TRY(plan_learned(&c, m, &target, a->plan));
    else
        TRY(plan_cell(&c, &target, a->plan));
    memcpy(a->plan->price, a->price, sizeof a->price);
    return ERR_NONE;
}

enum err arm_open(struct arm *a, struct model *m, struct model *draft)
{
    const struct decoder_ops *ops = decoder_find(a->cell->decoder);
    const struct model_config *c = model_config_of(m);
    const struct kernels *k = model_kernels(m);
    a->memory_bytes = model_bytes(k, c, a->cell->dtype) +
                      (draft ? model_bytes(k, model_config_of(draft), a->cell->dtype) : 0) +
                      session_bytes(k, c, ops, &a->cell->spec, a->cell->kv_dtype);
    TRY(probe_clock.open(0, &a->probe));
    TRY(engine_set_mode(model_kernels(m), a->cell, true)); /* drafts are made here */
    TRY(session_create_drafted(m, draft, ops, &a->cell->spec, a->cell->kv_dtype, &a->session));
    return plan_again(a, m);
}

void arm_close(struct arm *a)
{
    session_free(a->session);
    probe_clock.close(a->probe);
    free(a->plan);
    free(a->forward);
    memset(a, 0, sizeof *a);
}

enum phase arm_main_phase(const struct arm *a)
{
    static const enum phase order[] = {PHASE_DECODE, PHASE_VERIFY, PHASE_DENOISE};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (a->recorded[order[i]]) return order[i];
    return PHASE_PREFILL;
}

/* Room for n more forwards, made outside the timed region. */
static enum err reserve(struct arm *a, int64_t n)
{
    if (a->n + n <= a->room) return ERR_NONE;
    int64_t room = 2 * (a->n + n);
    struct arm_forward *grown = realloc(a->forward, (size_t)room * sizeof *grown);
    if (room > INT32_MAX || !grown)
        return err_set(ERR_NOMEM, "records of %lld forwards: out of memory", (long long)room);
    a->forward = grown;
    a->room = (int32_t)room;
    return ERR_NONE;
}

/* Run the next step, or a recording, between the probe's begin and end. */
static enum err timed(struct arm *a, const struct recording *r, struct forward_row row)
{
    struct kernels *k = session_kernels(a->session);
    struct arm_forward *f = &a->forward[a->n];
    CHECK(a->n < a->room);
    for (int t = 0; t < TIER_COUNT; t++) kernels_set_price(k, t, &a->price[t]);
    kernels_trace(k, row.kind == FORWARD_TRACE);
    ledger_clear(kernels_ledger(k));
    struct measured measured;
    int64_t captured = kernels_graphs(k).captured;
    /* A trace waits for every call: there is nothing to capture. */
    TRY(engine_set_mode(k, a->cell, row.kind != FORWARD_TRACE));
    TRY(probe_clock.begin(a->probe));
    /* Inside, so that the device's time is part of the host's. */
    enum err e = kernels_timer_begin(k);
    if (e == ERR_NONE)
        e = r ? session_replay(a->session, r, &row.work) : session_step(a->session, &row.work);
    if (e == ERR_NONE) e = probe_clock.end(a->probe, &measured);
    kernels_trace(k, false);
    if (e == ERR_NONE) e = kernels_timer_end(k, &row.device_ns);
    if (e == ERR_NONE && !row.warmup && kernels_graphs(k).captured != captured)
        e = err_set(ERR_INTERNAL, "a CUDA graph was made inside a timed forward");
    if (e != ERR_NONE) return err_trace(e, __FILE__, __LINE__);
    row.time_ns = measured.time_ns;
    row.phase = row.work.phase;
    f->row = row;
    f->ledger = *kernels_ledger(k);
    a->n++;
    return ERR_NONE;
}

static int64_t plan_forwards(const struct plan *p)
{
    int64_t n = 0;
    for (int ph = 0; ph < PHASE_COUNT; ph++) n += p->phase[ph].forwards;
    return n;
}

/* Record the coming forward when it is the middle one of its phase. */
static enum err record_if_middle(struct arm *a, int32_t step)
{
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        const struct phase_total *t = &a->plan->phase[ph];
        if (t->forwards && t->middle_step == step)
            TRY(session_record_next(a->session, &a->recorded[ph]));
    }
    return ERR_NONE;
}

enum err arm_decode(struct arm *a, int32_t sample, bool warmup, int64_t *seq)
{
    const struct decode_spec *s = &a->cell->spec;
    TRY(session_restart(a->session));
    TRY(reserve(a, plan_forwards(a->plan)));
    a->decode_ns = 0;
    for (int32_t step = 0; !session_done(a->session); step++) {
        if (warmup) TRY(record_if_middle(a, step));
        TRY(reserve(a, 1));
        TRY(timed(a, NULL,
                  (struct forward_row){.kind = FORWARD_DECODE,
                                       .sample = sample,
                                       .step = step,
                                       .warmup = warmup,
                                       .seq = (*seq)++,
                                       .n_forwards = 1,
                                       .other_cpus = -1}));
        const struct forward_row *row = &a->forward[a->n - 1].row;
        a->decode_ns += row->time_ns;
        if (a->plan->phase[row->phase].middle_step == step) a->pinned_ns[row->phase] = row->time_ns;
    }
    size_t n = (size_t)s->batch * (size_t)spec_length(s);
    sha256_hex(session_tokens(a->session), n * sizeof(int32_t), a->tokens_sha256);
    return ERR_NONE;
}

enum err arm_replay(struct arm *a, const struct replay *r, int64_t *seq)
{
    TRY(reserve(a, 1));
    return timed(a, a->recorded[r->phase],
                 (struct forward_row){.kind = r->kind,
                                      .sample = r->sample,
                                      .step = a->plan->phase[r->phase].middle_step,
                                      .round = r->round,
                                      .warmup = r->warmup,
                                      .after_switch = r->after_switch,
                                      .seq = (*seq)++,
                                      .n_forwards = 1,
                                      .other_cpus = -1});
}
