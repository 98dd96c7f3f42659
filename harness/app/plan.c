/* plan.c - run the decoder on the null backend and add up what it asks for. */
#include "harness/app/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/decode/session.h"
#include "roofline/device.h"

enum err plan_target_sim(const char *device, enum dtype weights, int64_t launch_ns,
                         struct plan_target *out)
{
    const struct device *d;
    TRY(device_find(device, &d));
    memset(out, 0, sizeof *out);
    device_traffic(d, &out->traffic);
    out->activation_dtype = device_activation_dtype(d);
    device_price(d, weights, (double)launch_ns, &out->price[TIER_DATASHEET]);
    out->memory_bytes = d->memory_bytes;
    return ERR_NONE;
}

/* -1 is not known. */
static void add_known(int64_t *sum, int64_t n)
{
    if (n >= 0) *sum = (*sum > 0 ? *sum : 0) + n;
}

static void phase_add(struct phase_total *t, const struct step_work *w, const struct ledger *l,
                      int32_t step)
{
    if (t->forwards++ == 0) {
        t->first_step = step;
        t->work.tokens_past_eos = -1;
    }
    add_known(&t->work.tokens_past_eos, w->tokens_past_eos);
    t->work.phase = w->phase;
    t->work.seqs += w->seqs;
    t->work.rows += w->rows;
    t->work.logit_rows += w->logit_rows;
    t->work.tokens_committed += w->tokens_committed;
    if (__builtin_add_overflow(t->work.flop_useful, w->flop_useful, &t->work.flop_useful))
        t->ledger.overflow = true;
    ledger_merge(&t->ledger, l);
}

/* The phase of each forward of a decode, in order. */
struct phase_list {
    uint8_t *phase; /* owned */
    int32_t n, room;
};

static enum err phase_list_add(struct phase_list *l, enum phase p)
{
    if (l->n == l->room) {
        int32_t room = l->room ? 2 * l->room : 256;
        uint8_t *grown = realloc(l->phase, (size_t)room);
        if (!grown) return err_set(ERR_NOMEM, "plan of %d forwards: out of memory", l->n);
        l->phase = grown;
        l->room = room;
    }
    l->phase[l->n++] = (uint8_t)p;
    return ERR_NONE;
}

static void find_middle_steps(const struct phase_list *l, struct plan *p)
{
    int64_t before[PHASE_COUNT] = {0};
    for (int32_t step = 0; step < l->n; step++) {
        struct phase_total *t = &p->phase[l->phase[step]];
        if (before[l->phase[step]]++ == t->forwards / 2) t->middle_step = step;
    }
}

static enum err walk(struct session *s, struct plan *p, struct phase_list *phases)
{
    struct ledger *l = kernels_ledger(session_kernels(s));
    for (int32_t step = 0; !session_done(s); step++) {
        struct step_work w;
        ledger_clear(l);
        TRY(session_step(s, &w));
        TRY(phase_list_add(phases, w.phase));
        phase_add(&p->phase[w.phase], &w, l, step);
        int64_t weights = 0;
        for (int op = 0; op < OP_COUNT; op++) weights += l->op[op].cost.bytes[ROLE_WEIGHT];
        if (weights > p->weight_bytes) p->weight_bytes = weights;
    }
    return ERR_NONE;
}

static enum err count_forwards(struct session *s, struct plan *p)
{
    struct phase_list phases = {0};
    enum err e = walk(s, p, &phases);
    if (e == ERR_NONE) find_middle_steps(&phases, p);
    free(phases.phase);
    if (e != ERR_NONE) return e;
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        bool over;
        ledger_total(&p->phase[ph].ledger, &over);
        p->overflow |= over;
    }
    return ERR_NONE;
}

static bool fits(const struct plan *p, const struct plan_target *t)
{
    return t->memory_bytes == 0 || p->memory_bytes <= t->memory_bytes;
}

enum err plan_cell(const struct cell *c, const struct plan_target *t, struct plan *out)
{
    const struct decoder_ops *ops = decoder_find(c->decoder);
    struct kernels *k = NULL;
    struct model *m = NULL, *draft = NULL;
    struct model_config shape;
    struct session *s = NULL;
    enum err e = ERR_NONE;
    memset(out, 0, sizeof *out);
    if (!ops) return err_set(ERR_USAGE, "no decoder \"%s\" (regime list decoders)", c->decoder);
    TRY(model_named(c->model, c->layers, &out->config));
    TRY(ops->check(&c->spec, &out->config));

    struct kernels_config kc = {
        .backend = "null", .activation_dtype = t->activation_dtype, .traffic = t->traffic};
    TRY_OUT(kernels_open(&kc, &k));
    for (int tier = 0; tier < TIER_COUNT; tier++) {
        out->price[tier] = t->price[tier];
        kernels_set_price(k, tier, &t->price[tier]);
    }
    out->session_bytes = session_bytes(k, &out->config, ops, &c->spec, c->kv_dtype);
    bool drafts = session_draft_model(ops, &c->spec, &out->config, &shape);
    if (drafts) out->draft_bytes = model_bytes(k, &shape, c->dtype);
    out->memory_bytes =
        model_bytes(k, &out->config, c->dtype) + out->draft_bytes + out->session_bytes;
    if (!fits(out, t)) goto out; /* what cannot be run need not be counted */
    TRY_OUT(model_create(k, &out->config, c->dtype, c->spec.seed, &m));
    if (drafts) TRY_OUT(model_create(k, &shape, c->dtype, c->spec.seed, &draft));
    TRY_OUT(session_create_drafted(m, draft, ops, &c->spec, c->kv_dtype, &s));
    TRY_OUT(count_forwards(s, out));
    out->cache_resident = out->weight_bytes < 4 * t->traffic.llc_bytes;
out:
    session_free(s);
    model_free(m);
    model_free(draft);
    kernels_close(k);
    return e;
}

bool plan_skip_reason(const struct cell *c, const struct plan *p, const struct plan_target *t,
                      char *buf, size_t buf_size)
{
    if (p->overflow) {
        snprintf(buf, buf_size, "its FLOPs or bytes pass 2^63 - 1 and cannot be counted");
        return true;
    }
    if (!fits(p, t)) {
        snprintf(buf, buf_size, "needs %.1f GB of memory, %s has %.1f GB",
                 (double)p->memory_bytes / 1e9, c->device, (double)t->memory_bytes / 1e9);
        return true;
    }
    return false;
}

int32_t plan_rows(const struct plan *p, struct forward_row rows[PHASE_COUNT])
{
    int32_t n = 0;
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        const struct phase_total *t = &p->phase[ph];
        if (t->forwards == 0) continue;
        rows[n++] = (struct forward_row){
            .kind = FORWARD_PLAN,
            .phase = ph,
            .step = t->first_step,
            .n_forwards = t->forwards,
            .time_ns = -1,
            .other_cpus = -1,
            .work = t->work,
            .ledger = &t->ledger,
        };
    }
    return n;
}

static void predict_times(const struct plan *p, struct prediction *out, int64_t batch)
{
    int64_t forwards = 0, tokens = 0;
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        bool over;
        struct ledger_entry total = ledger_total(&p->phase[ph].ledger, &over);
        out->predicted_ns += total.predicted_ns[out->tier];
        if (phase_is_prefill(ph)) {
            out->prefill_ns += total.predicted_ns[out->tier];
            continue;
        }
        out->decode_ns += total.predicted_ns[out->tier];
        if (ph != PHASE_DRAFT) forwards += p->phase[ph].forwards;
        tokens += p->phase[ph].work.tokens_committed;
    }
    out->tokens_per_forward = forwards ? (double)tokens / (double)forwards / (double)batch : 0;
}

/* A forward over `block` positions after `cached` ones, against AR's. */
static void predict_block(struct prediction *out, const struct closed_model *m, double batch,
                          double cached, double block)
{
    struct roof r = out->roof;
    out->ridge_batch = closed_block_ridge_batch(m, r, cached, block);
    out->tokens_per_forward_needed =
        closed_exists(closed_block_equal_tpf(m, r, batch, cached, block));
    out->tokens_per_forward_always = closed_exists(closed_block_tpf_inf(m, r, cached, block));
    out->crossover_batch = closed_block_crossover(m, r, cached, block, out->tokens_per_forward);
}

/* Full-sequence diffusion: every forward computes all positions, or with a cache only one per
 * block does, and the ridge is that of the forwards between. */
static void predict_diffusion(struct prediction *out, const struct closed_model *m,
                              const struct decode_spec *s)
{
    struct roof r = out->roof;
    double batch = s->batch, len = s->n_prompt + s->n_gen,
           b = s->block_length ? s->block_length : s->n_gen;
    if (s->cache == CACHE_NONE) {
        out->ridge_batch = closed_full_ridge_batch(m, r, len);
        out->equal_steps =
            closed_exists(closed_full_equal_steps(m, r, batch, s->n_prompt, s->n_gen));
        out->tokens_per_forward_needed =
            closed_exists(closed_full_equal_tpf(m, r, batch, s->n_prompt, s->n_gen));
        return;
    }
    struct closed_cache c = {s->cache, s->refresh};
    double n_blocks = s->n_gen / b, middle = fmax(2.0, s->steps / 2.0);
    double rows = closed_cache_rows(c, s->n_gen, b, s->steps, (n_blocks - 1.0) / 2.0, middle);
    struct closed_value per_block =
        closed_cache_equal_steps(c, m, r, batch, s->n_prompt, s->n_gen, b);
    out->ridge_batch = closed_block_ridge_batch(m, r, len - rows, rows);
    out->equal_steps = out->tokens_per_forward_needed = per_block;
    if (!per_block.exists) return;
    out->equal_steps.value = per_block.value * s->n_gen / b;
    out->tokens_per_forward_needed.value = b / per_block.value;
}

/* With every sequence there twice. */
static void predict_guided(struct prediction *out, const struct closed_model *m,
                           const struct cell *c, double middle)
{
    struct roof r = out->roof;
    const struct decode_spec *s = &c->spec;
    double batch = s->batch, b = s->block_length;
    if (s->cache != CACHE_NONE) return;
    if (strcmp(c->decoder, "diffusion") == 0) {
        double steps = closed_guided_equal_steps(m, r, batch, s->n_prompt, s->n_gen);
        out->ridge_batch = closed_guided_full_ridge_batch(m, r, s->n_prompt + s->n_gen);
        out->equal_steps = closed_exists(steps);
        out->tokens_per_forward_needed = closed_exists(s->n_gen / steps);
        return;
    }
    out->ridge_batch = closed_guided_block_ridge_batch(m, r, middle, b);
    out->tokens_per_forward_needed =
        closed_exists(closed_guided_block_equal_tpf(m, r, batch, middle, b));
    out->tokens_per_forward_always = closed_exists(closed_guided_block_tpf_inf(m, r, middle, b));
    out->crossover_batch = closed_guided_block_crossover(m, r, middle, b, out->tokens_per_forward);
}

/* Draft forwards make a verify forward's time longer. */
static void predict_drafts(struct prediction *out, const struct closed_model *m,
                           const struct cell *c, const struct plan *p, double middle)
{
    const struct decode_spec *s = &c->spec;
    struct model_config shape;
    double k = s->draft_tokens, batch = s->batch, seconds = 0.0;
    if (session_draft_model(decoder_find(c->decoder), s, &p->config, &shape)) {
        struct closed_model d = closed_model_of(&shape, c->dtype, c->kv_dtype);
        seconds = closed_draft_time(&d, out->roof, batch, middle, k);
    } else if (strcmp(s->draft, "self") == 0) {
        struct model_config first = p->config;
        first.n_layer = s->draft_layers;
        struct closed_model d = closed_model_of(&first, c->dtype, c->kv_dtype);
        seconds = closed_draft_time(&d, out->roof, batch, middle, k);
    } else if (strcmp(s->draft, "self-denoise") == 0) {
        seconds = closed_self_draft_time(m, out->roof, batch, middle, k);
    }
    if (seconds == 0.0) return;
    out->tokens_per_forward_needed =
        closed_exists(closed_verify_equal_tpf(m, out->roof, batch, middle, k, seconds));
    /* What these forms say holds for free drafts. */
    out->tokens_per_forward_always = out->crossover_batch =
        closed_missing("depends on the batch through the drafts");
}

void plan_predict(const struct cell *c, const struct plan *p, struct prediction *out)
{
    struct closed_model m = closed_model_of(&p->config, c->dtype, c->kv_dtype);
    const struct decode_spec *s = &c->spec;
    double middle = spec_prefix(s) + s->n_gen / 2.0;
    struct closed_value none = closed_missing("not a question about this decoder");
    *out = (struct prediction){
        .tier = p->price[TIER_CEILINGS].known ? TIER_CEILINGS : TIER_DATASHEET,
        .ridge_batch = none,
        .max_context = none,
        .equal_steps = none,
        .tokens_per_forward_needed = none,
        .tokens_per_forward_always = none,
        .crossover_batch = none,
    };
    const struct price *price = &p->price[out->tier];
    struct roof r = {price->matmul_flop_per_s, price->bytes_per_s};
    out->roof = r;
    predict_times(p, out, s->batch);
    if (s->guidance > 0) {
        predict_guided(out, &m, c, middle);
        return;
    }
    if (strcmp(c->decoder, "ar") == 0) {
        out->ridge_batch = closed_ar_ridge_batch(&m, r, middle);
        out->max_context = closed_ar_max_len(&m, r);
    } else if (strcmp(c->decoder, "diffusion") == 0) {
        predict_diffusion(out, &m, s);
    } else if (strcmp(c->decoder, "block") == 0) {
        predict_block(out, &m, s->batch, middle, s->block_length);
    } else if (strcmp(c->decoder, "ar-verify") == 0) {
        predict_block(out, &m, s->batch, middle, s->draft_tokens + 1);
        if (strcmp(s->draft, "none") != 0 && s->draft_tokens) predict_drafts(out, &m, c, p, middle);
    }
}
