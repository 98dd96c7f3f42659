/* claims_world.c - see claims_world.h. */
#include "tests/claims_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/app/sweep.h"
#include "harness/app/verbs.h"
#include "tests/store_fixture.h"

static struct seen_phase make_phase(const struct seen *s, double forwards, double tokens,
                                    double rows, double visible, double moved, double logit_rows)
{
    const struct closed_model *m = &s->form;
    double ns = 1e9 * closed_time_additive(m, s->roof, s->batch, rows, visible, moved);
    double bytes = closed_bytes(m, s->batch, moved, 0, 1);
    return (struct seen_phase){
        .forwards = forwards,
        .tokens = tokens,
        .logit_rows = logit_rows * s->batch,
        .flop = closed_flop(m, s->batch, rows, visible, logit_rows),
        .flop_matmul = 2.0 * s->batch * (rows * m->p_lin + logit_rows * m->p_head),
        .bytes = bytes,
        .bytes_lo = bytes,
        .bytes_hi = bytes,
        .bytes_weight = m->s * m->p,
        .ns = {ns, 0.999 * ns, 1.001 * ns},
        .n_timed = 100,
    };
}

/* As many forwards as the expected tokens of each take, and the second model's before them. */
static void make_verify(struct seen *s, const struct cell *c)
{
    double k = s->drafts = c->spec.draft_tokens, at = s->n_prompt + s->n_gen / 2.0;
    double tokens = s->batch * (s->n_gen - 1.0);
    s->acceptance = (double)c->spec.acceptance;
    s->block = s->steps = 0;
    double forwards = (s->n_gen - 1.0) / closed_verify_tpf(k, s->acceptance);
    s->phase[PHASE_VERIFY] =
        make_phase(s, forwards, tokens, k + 1, at + k + 1, at + 2 * (k + 1), k + 1);
    if (strcmp(c->spec.draft, "none") == 0) return;
    struct model_config d;
    struct seen second = *s;
    ok(model_preset(c->spec.draft, 0, &d));
    d.n_vocab = 128256; /* that of llama3-8b */
    snprintf(s->draft, sizeof s->draft, "%s", c->spec.draft);
    s->draft_layers = d.n_layer;
    second.form = closed_model_of(&d, c->dtype, c->kv_dtype);
    s->phase[PHASE_DRAFT] = make_phase(&second, k * forwards, 0, 1, at, at, 1);
}

static struct seen make_run(const struct cell *c, bool timed)
{
    struct seen s = {
        .batch = c->spec.batch,
        .n_prompt = c->spec.n_prompt,
        .n_gen = c->spec.n_gen,
        .block = c->spec.block_length,
        .steps = c->spec.steps,
        .dtype = c->dtype,
        .kv_dtype = c->kv_dtype,
        .timed = timed,
        .plain = true,
        .roof = {312e12, 2039e9},
    };
    struct model_config config;
    ok(model_preset(c->model, c->layers, &config));
    s.layers = config.n_layer;
    s.form = closed_model_of(&config, c->dtype, c->kv_dtype);
    snprintf(s.model, sizeof s.model, "%s", c->model);
    snprintf(s.decoder, sizeof s.decoder, "%s", c->decoder);
    snprintf(s.device, sizeof s.device, "%s", timed ? "cuda:0" : "sim:a100-80gb");
    s.memory_budget = c->memory_budget;
    s.fused = c->spec.commit == COMMIT_FUSED;
    double len = s.n_prompt + s.n_gen, tokens = (double)s.batch * s.n_gen;
    if (strcmp(s.decoder, "ar-verify") == 0) {
        make_verify(&s, c);
    } else if (strcmp(s.decoder, "ar") == 0) {
        double at = seen_context(&s);
        s.block = s.steps = 0;
        s.phase[PHASE_DECODE] = make_phase(&s, s.n_gen - 1, tokens - s.batch, 1, at, at, 1);
    } else if (strcmp(s.decoder, "diffusion") == 0 && c->spec.cache == CACHE_DUAL) {
        /* The first forward of each block computes all positions, the others the block. */
        double b = s.block, blocks = s.n_gen / b, first = tokens / s.steps;
        snprintf(s.cache, sizeof s.cache, "dual");
        s.phase[PHASE_REFRESH] = make_phase(&s, blocks, first, len, len, 2 * len, b);
        s.phase[PHASE_REUSE] =
            make_phase(&s, blocks * (s.steps - 1), tokens - first, b, len, len + b, b);
    } else if (strcmp(s.decoder, "diffusion") == 0) {
        double blocks = s.block ? s.n_gen / s.block : 1;
        s.phase[PHASE_DENOISE] = make_phase(&s, blocks * s.steps, tokens, len, len, 2 * len, len);
    } else {
        double b = s.block, at = seen_context(&s), blocks = (len - s.n_prompt / s.block * b) / b;
        double fused = s.fused ? blocks - 1 : 0;
        s.phase[PHASE_DENOISE] =
            make_phase(&s, blocks * s.steps - fused, tokens, b, at + b, at + 2 * b, b);
        s.phase[PHASE_COMMIT] = make_phase(&s, blocks - fused, 0, b, at + b, at + 2 * b, 0);
        s.phase[PHASE_FUSED] = make_phase(&s, fused, 0, 2 * b, at + b / 2, at + 3 * b, b);
    }
    return s;
}

static void add_run(struct world *w, struct seen s)
{
    snprintf(s.run_id, sizeof s.run_id, "run-%d", w->n);
    w->run[w->n] = s;
    w->of[w->n] = &w->run[w->n];
    w->n++;
}

struct world claims_world(bool timed)
{
    struct sweep sweep;
    struct cell_list cells;
    struct world w = {0};
    ok(sweep_load(CLAIMS_SWEEP, "cpu", &sweep));
    ok(cells_expand(&sweep.space, &cells));
    w.run = calloc((size_t)cells.n, sizeof *w.run);
    w.of = calloc((size_t)cells.n, sizeof *w.of);
    assert_true(w.run && w.of);
    for (int32_t i = 0; i < cells.n; i++) {
        if (!cells.cell[i].skip_reason[0]) add_run(&w, make_run(&cells.cell[i].cell, timed));
    }
    cell_list_free(&cells);
    sweep_free(&sweep);
    return w;
}

void world_free(struct world *w)
{
    free(w->run);
    free(w->of);
}

/* "C22 a": the part after a blank, where a claim has several. */
void claim_name(const struct claim *c, char out[32])
{
    snprintf(out, 32, "%s%s%s", c->id, c->part ? " " : "", c->part ? c->part : "");
}

const struct claim *claim_named(const char *name)
{
    const struct claim *c;
    char full[32];
    for (int32_t i = 0; (c = claim_at(i)); i++) {
        claim_name(c, full);
        if (strcmp(full, name) == 0) return c;
    }
    fail_msg("no claim %s", name);
    return NULL;
}

struct finding judge(const struct world *w, const char *id)
{
    struct finding f;
    ok(claim_judge(claim_named(id), w->of, w->n, &f));
    return f;
}

void expect(const struct world *w, const char *id, enum verdict v)
{
    struct finding f = judge(w, id);
    if (f.verdict != v) {
        const struct question *q = f.decisive >= 0 ? &f.question[f.decisive] : NULL;
        fail_msg("%s: %s, expected %s: %s %g in [%g, %g] %s", id, verdict_name(f.verdict),
                 verdict_name(v), q ? q->what : "", q ? q->found.value : NAN, q ? q->least : NAN,
                 q ? q->most : NAN, f.reason);
    }
    finding_free(&f);
}
