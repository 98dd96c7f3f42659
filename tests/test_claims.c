/* test_claims.c - that every claim can hold, can fail, and says when it cannot be decided.
 *
 * The world of the tests is the built-in sweep on a machine that obeys the closed forms exactly:
 * there the claims hold.  One number is then doctored for each, so that its inequality is broken
 * by construction. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/app/verbs.h"
#include "tests/claims_world.h"
#include "tests/store_fixture.h"

struct doctoring {
    const char *id;
    const char *decoder; /* whose runs are changed */
    int32_t batch_min, batch_max, len_min, len_max, block_min, block_max;
    double flop, bytes, ns; /* factors */
    const char *about;      /* words of the question that fails */
    const char *model;      /* NULL: any                        */
    const char *which;      /* NULL: any; "dual": so cached; "fused"; "32 drafts" */
};

enum { ANY = 1 << 30 };

/* Each breaks one inequality: the arithmetic is beside it. */
static const struct doctoring doctored[] = {
    /* Half an intensity of 1. */
    {"C01", "ar", 1, 1, 0, ANY, 0, ANY, 1, 2, 1, "FLOP per byte", NULL, NULL},
    /* Half the bandwidth, limit 0.6. */
    {"C03", "ar", 1, 1, 0, ANY, 0, ANY, 1, 1, 2, "read bandwidth", NULL, NULL},
    /* 10 FLOP per byte, limit 153 / 20 = 7.7; and 10 / 153 = 0.065 of the peak, limit 0.02. */
    {"C03", "ar", 1, 1, 0, ANY, 0, ANY, 10, 1, 1, "FLOP", NULL, NULL},
    /* 1 / 1.3 of linear growth, limit 0.85. */
    {"C04", "ar", 16, 16, 0, ANY, 0, ANY, 1, 1.3, 1, "batch 16", NULL, NULL},
    /* 1.5 times the ridge's batch with twice the bytes: 0.75 of the ridge at best. */
    {"C05", "ar", 2, ANY, 0, 64, 0, ANY, 1, 2, 1, "reaches the ridge", NULL, NULL},
    /* The largest batches at twice the limit of their intensity. */
    {"C06", "ar", 64, ANY, 0, ANY, 0, ANY, 2, 1, 1, "limit for large batches", NULL, NULL},
    /* Five times an intensity of 1 with 4 query heads per K/V head. */
    {"C06", "ar", 1, 1, 3840, 4096, 0, ANY, 5, 1, 1, "at batch 1", "llama3-8b", NULL},
    /* 512 over a ridge of 153 is 3.3; a fifth of it is on the memory side. */
    {"C07", "diffusion", 1, 1, 512, 512, 0, ANY, 1, 5, 1, "FLOP per byte", NULL, NULL},
    /* A third of the peak, limit 0.4. */
    {"C07", "diffusion", 1, 1, 512, 512, 0, ANY, 1, 1, 3, "FLOP peak", NULL, NULL},
    {"C08", "diffusion", 1, 1, 64, 64, 0, ANY, 1, 1, 1.5, "time of a forward", NULL, NULL},
    /* 64 times 5 is above 153. */
    {"C08", "diffusion", 1, 1, 64, 64, 0, ANY, 5, 1, 1, "below the ridge", NULL, NULL},
    {"C09", "diffusion", 1, ANY, 0, ANY, 0, ANY, 1.2, 1, 1, "FLOPs per token", NULL, NULL},
    /* T* is inversely as the time of a forward: 1 / 1.6 is below 0.7. */
    {"C10", "diffusion", 1, 1, 512, 512, 0, ANY, 1, 1, 1.6, "both are as fast", NULL, NULL},
    /* One model a third slower: still within 0.7 to 1.3, but not independent of the model. */
    {"C10", "diffusion", 1, 1, 512, 512, 0, ANY, 1, 1, 1.33, "such number", "tinyllama-1.1b", NULL},
    /* 3.3 / 4: faster than AR. */
    {"C11", "diffusion", 1, 1, 512, 512, 0, ANY, 1, 1, 0.25, "tokens per second of AR", NULL, NULL},
    /* Twice the throughput at batch 8, limit 1.25. */
    {"C12", "diffusion", 8, 8, 0, ANY, 0, ANY, 1, 1, 0.5, "diffusion", NULL, NULL},
    /* AR gains 4 times, expected 5.6. */
    {"C12", "ar", 8, 8, 0, ANY, 0, ANY, 1, 1, 2, "ar batch 1", NULL, NULL},
    /* 256 to 2048 positions cost 8 times and more; 4 times less leaves a half, limit 0.2. */
    {"C13", "diffusion", 1, 1, 2048, 2048, 0, ANY, 1, 1, 0.25, "diffusion", NULL, NULL},
    {"C13", "ar", 1, 1, 2048, 2048, 0, ANY, 1, 1, 2, "ar batch", NULL, NULL},
    {"C13", "block", 1, 1, 2048, 2048, 0, ANY, 1, 1, 2, "block batch", NULL, NULL},
    {"C14", "block", 1, 1, 4224, 4224, 16, 16, 1, 1.3, 1, "denoise", NULL, NULL},
    /* Growth of 1.09 times 1.1 is above 1.15, each intensity alone within 15 %. */
    {"C14", "block", 1, 1, 4224, 4224, 16, 16, 1.1, 1, 1, "over that at", NULL, NULL},
    /* Latency 1.3 times that of one row far below the ridge, limit 1.25. */
    {"C15", "block", 1, 1, 4096, 4096, 4, 64, 1, 1, 1.3, "over that of one", NULL, NULL},
    /* Four ridges of rows in 0.4 x 4 = 1.6 times the time of one, expected 2.5. */
    {"C15", "block", 1, 1, 4096, 4096, 512, ANY, 1, 1, 0.4, "time of 612", NULL, NULL},
    /* 64 rows at 1.6 times the time of one: a knee below 76. */
    {"C15", "block", 1, 1, 4096, 4096, 64, ANY, 1, 1, 1.6, "1.5 times as long", NULL, NULL},
    {"C16", "block", 1, 1, 0, ANY, 4, 32, 1, 1, 1.5, "speed over AR's", NULL, NULL},
    /* AR that is slower in proportion to the batch has its best at the smallest. */
    {"C17", "ar", 8, ANY, 512, 512, 0, ANY, 1, 1, 100, "share of AR's best", NULL, NULL},
    /* The plateau already at batch 1, predicted at 153 / 16 = 9.6. */
    {"C17", "block", 1, 1, 512, 512, 16, 16, 1, 1, 0.08, "four fifths", NULL, NULL},
    /* Blocks four times as slow are overtaken four times as early, limit 2. */
    {"C18", "block", 1, ANY, 512, 512, 0, ANY, 1, 1, 4, "AR is faster", NULL, NULL},
    {"C19", "block", 1, ANY, 0, ANY, 0, ANY, 1, 1, 10, "speed over AR's", NULL, NULL},
    {"C20", "ar", 1, ANY, 64, 64, 0, ANY, 1, 1, 2, "tokens per second of AR", NULL, NULL},
    /* A fifth more FLOPs, limit a tenth. */
    {"C21", "diffusion", 1, ANY, 0, ANY, 32, 32, 1.2, 1, 1, "with it", NULL, "dual"},
    /* 1024 positions at a tenth of 6.8 ridges; blocks of 32 at 6 times a fifth of one. */
    {"C22 a", "diffusion", 1, ANY, 0, ANY, 32, 32, 0.1, 1, 1, "refresh", NULL, "dual"},
    {"C22 a", "diffusion", 1, ANY, 0, ANY, 32, 32, 6, 1, 1, "reuse", NULL, "dual"},
    /* Twice as fast, limit 1.25. */
    {"C22 b", "diffusion", 1, ANY, 0, ANY, 32, 32, 1, 1, 0.5, "without the cache", NULL, "dual"},
    {"C26", "ar-verify", 1, 1, 0, ANY, 0, ANY, 1, 1, 1.1, "of a denoise forward", NULL, NULL},
    {"C31", "ar-verify", 1, 1, 0, ANY, 0, ANY, 1, 1, 1.5, "speed over AR's", NULL, NULL},
    /* 32 drafts for the price of 3. */
    {"C32", "ar-verify", 4, 4, 0, ANY, 0, ANY, 1, 1, 0.1, "when fastest", NULL, "32 drafts"},
    /* 0.9 times as fast in half the time. */
    {"C33", "ar-verify", 256, 256, 0, ANY, 0, ANY, 1, 1, 0.5, "speed over AR's", NULL, NULL},
    /* Forwards a tenth slower undo what is saved, and a tenth faster save where nothing is. */
    {"C34 a", "block", 1, 1, 0, ANY, 0, ANY, 1, 1, 1.1, "separate commits", NULL, "fused"},
    {"C34 b", "block", 256, 256, 0, ANY, 0, ANY, 1, 1, 0.9, "separate commits", NULL, "fused"},
    {"C35", "diffusion", 1, ANY, 0, ANY, 0, ANY, 1, 1, 0.01, "of AR with batch", NULL, NULL},
};

static bool is_which(const struct seen *s, const char *which)
{
    if (strcmp(which, "fused") == 0) return s->fused;
    return strcmp(which, "32 drafts") == 0 ? s->drafts == 32 : strcmp(s->cache, which) == 0;
}

static void doctor(struct world *w, const struct doctoring *d)
{
    for (int32_t i = 0; i < w->n; i++) {
        struct seen *s = &w->run[i];
        int32_t len = s->n_prompt + s->n_gen;
        if (strcmp(s->decoder, d->decoder) != 0 || s->batch < d->batch_min ||
            s->batch > d->batch_max || len < d->len_min || len > d->len_max ||
            s->block < d->block_min || s->block > d->block_max ||
            (d->model && strcmp(s->model, d->model) != 0) || (d->which && !is_which(s, d->which)))
            continue;
        for (int p = 0; p < PHASE_COUNT; p++) {
            struct seen_phase *f = &s->phase[p];
            f->flop *= d->flop;
            f->flop_matmul *= d->flop;
            f->bytes *= d->bytes;
            f->bytes_lo *= d->bytes;
            f->bytes_hi *= d->bytes;
            f->ns = reading_scaled(f->ns, d->ns);
        }
    }
}

static void every_claim_holds_where_the_closed_forms_do(void **state)
{
    struct world w = claims_world(true);
    const struct claim *c;
    char name[32];
    for (int32_t i = 0; (c = claim_at(i)); i++) {
        claim_name(c, name);
        if (c->ask && c->by < EVIDENCE_LITERATURE && !claim_is_about_sides(c))
            expect(&w, name, VERDICT_PASS);
    }
    world_free(&w);
}

static void every_claim_fails_when_its_number_is_doctored(void **state)
{
    for (size_t i = 0; i < sizeof doctored / sizeof doctored[0]; i++) {
        struct world w = claims_world(true);
        doctor(&w, &doctored[i]);
        expect(&w, doctored[i].id, VERDICT_FAIL);
        struct finding f = judge(&w, doctored[i].id);
        const struct question *q = &f.question[f.decisive];
        if (!strstr(q->what, doctored[i].about))
            fail_msg("%s failed at \"%s\", not at \"%s\"", doctored[i].id, q->what,
                     doctored[i].about);
        finding_free(&f);
        world_free(&w);
    }
}

static void every_claim_that_asks_is_doctored(void **state)
{
    const struct claim *c;
    char name[32];
    for (int32_t i = 0; (c = claim_at(i)); i++) {
        claim_name(c, name);
        bool there = !c->ask || c->by >= EVIDENCE_LITERATURE || strcmp(c->id, "C02") == 0 ||
                     claim_is_about_sides(c);
        for (size_t k = 0; k < sizeof doctored / sizeof doctored[0]; k++)
            there |= strcmp(doctored[k].id, name) == 0;
        if (!there) fail_msg("nothing shows that %s can fail", name);
    }
}

/* A GPU of twice the bandwidth has half the ridge, 76.5. */
static void a_low_ridge_fails(void **state)
{
    struct world w = claims_world(true);
    for (int32_t i = 0; i < w.n; i++) w.run[i].roof.bytes_per_s *= 2;
    expect(&w, "C02", VERDICT_FAIL);
    world_free(&w);
    /* A plan for a device that is called an A100 and is not one. */
    w = claims_world(false);
    for (int32_t i = 0; i < w.n; i++) w.run[i].roof.flop_per_s *= 1.01;
    expect(&w, "C02", VERDICT_FAIL);
    world_free(&w);
}

/* ---- what cannot be decided ---- */

static void what_the_limits_reach_across_is_inconclusive(void **state)
{
    struct world w = claims_world(true);
    for (int32_t i = 0; i < w.n; i++) {
        struct seen_phase *p = &w.run[i].phase[PHASE_DENOISE];
        /* 1.0 times AR's time, known to be between 0.5 and 2: the limit is 1.3. */
        if (w.run[i].n_prompt + w.run[i].n_gen == 64)
            p->ns = (struct reading){p->ns.value, 0.5 * p->ns.value, 2 * p->ns.value};
    }
    expect(&w, "C08", VERDICT_INCONCLUSIVE);
    for (int32_t i = 0; i < w.n; i++) w.run[i].phase[PHASE_DENOISE].ns.lo = NAN;
    expect(&w, "C08", VERDICT_INCONCLUSIVE);
    world_free(&w);
}

/* A side of the ridge needs both ends of the traffic band. */
static void an_undecided_side_is_inconclusive(void **state)
{
    struct world w = claims_world(false);
    for (int32_t i = 0; i < w.n; i++) w.run[i].phase[PHASE_DENOISE].bytes_hi *= 50;
    expect(&w, "C07", VERDICT_INCONCLUSIVE);
    world_free(&w);
}

static void expect_reason(const struct world *w, const char *id, enum verdict v, const char *text)
{
    struct finding f = judge(w, id);
    assert_int_equal(f.verdict, v);
    if (!strstr(f.reason, text)) fail_msg("%s: \"%s\" says nothing of %s", id, f.reason, text);
    finding_free(&f);
}

static void a_time_that_means_nothing_is_not_used(void **state)
{
    for (int what = 0; what < 5; what++) {
        static const char *const reasons[] = {"cache", "forwards were timed", "starting its calls",
                                              "other processes", "roofs before and after"};
        struct world w = claims_world(true);
        for (int32_t i = 0; i < w.n; i++) {
            struct seen *s = &w.run[i];
            if (what == 0) s->cache_resident = true;
            for (int p = 0; what == 1 && p < PHASE_COUNT; p++) s->phase[p].n_timed = 19;
            for (int p = 0; what == 2 && p < PHASE_COUNT; p++) {
                s->phase[p].calls = 1;
                s->launch_ns = fmax(s->launch_ns, 0.3 * s->phase[p].ns.value);
            }
            if (what == 3) s->crowding = 0.25;
            if (what == 4) s->roofs_moved = 0.25;
        }
        expect_reason(&w, "C03", VERDICT_INCONCLUSIVE, reasons[what]);
        expect_reason(&w, "C16", VERDICT_INCONCLUSIVE, reasons[what]);
        /* A side of the ridge wants a ridge. */
        if (what == 0 || what > 2)
            expect_reason(&w, "C05", VERDICT_INCONCLUSIVE, reasons[what]);
        else
            expect(&w, "C05", VERDICT_PASS);
        /* Counts do not mind. */
        expect(&w, "C04", VERDICT_PASS);
        world_free(&w);
    }
}

/* Keep runs of one decoder, batch and length; 0: any. */
static void keep(struct world *w, const char *decoder, int32_t batch, int32_t len)
{
    int32_t n = 0;
    for (int32_t i = 0; i < w->n; i++) {
        const struct seen *s = &w->run[i];
        if (decoder && strcmp(s->decoder, decoder) != 0) continue;
        if ((batch && s->batch != batch) || (len && s->n_prompt + s->n_gen != len)) continue;
        w->run[n++] = *s;
    }
    w->n = n;
}

/* A block of q rows and the verify forward it took turns with, on a crowded machine. */
static void forwards_in_turn_are_compared_round_by_round(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct world w = claims_world(true);
        for (int32_t i = 0; i < w.n; i++) {
            struct seen *s = &w.run[i];
            s->crowding = 0.5;
            s->over_verify = what == 0   ? (struct reading){1.001, 0.99, 1.01}
                             : what == 1 ? (struct reading){1.04, 1.03, 1.05}
                                         : (struct reading){1.001, 0.97, 1.01};
            for (int32_t k = 0; k < w.n; k++)
                if (strcmp(w.run[k].decoder, "ar-verify") == 0 && seen_same_request(s, &w.run[k]) &&
                    w.run[k].batch == s->batch && s->phase[PHASE_DENOISE].forwards > 0 &&
                    w.run[k].phase[PHASE_VERIFY].logit_rows == s->phase[PHASE_DENOISE].logit_rows)
                    snprintf(s->verifier_id, sizeof s->verifier_id, "%s", w.run[k].run_id);
        }
        expect(&w, "C26",
               what == 0   ? VERDICT_PASS
               : what == 1 ? VERDICT_FAIL
                           : VERDICT_INCONCLUSIVE);
        /* With another run than the one it is held against, crowding counts. */
        for (int32_t i = 0; i < w.n; i++) snprintf(w.run[i].verifier_id, 37, "another");
        expect(&w, "C26", VERDICT_INCONCLUSIVE);
        world_free(&w);
    }
}

static void a_condition_that_is_false_is_inconclusive(void **state)
{
    struct world w = claims_world(true);
    keep(&w, NULL, 0, 64); /* 64 positions are not twice the ridge's rows */
    expect_reason(&w, "C07", VERDICT_INCONCLUSIVE, "the ridge's rows");
    expect_reason(&w, "C06", VERDICT_INCONCLUSIVE, "L_max");
    expect_reason(&w, "C12", VERDICT_INCONCLUSIVE, "the ridge's rows");
    world_free(&w);
    w = claims_world(true);
    keep(&w, NULL, 0, 512); /* and 512 are not half of them */
    expect_reason(&w, "C08", VERDICT_INCONCLUSIVE, "more than half");
    expect_reason(&w, "C20", VERDICT_INCONCLUSIVE, "wants at most 256 cached");
    world_free(&w);
    w = claims_world(true);
    keep(&w, "diffusion", 1, 0);
    expect_reason(&w, "C09", VERDICT_INCONCLUSIVE, "no ar run");
    world_free(&w);
    w = claims_world(true);
    for (int32_t i = 0; i < w.n; i++) snprintf(w.run[i].device, sizeof w.run[i].device, "cpu");
    expect_reason(&w, "C02", VERDICT_INCONCLUSIVE, "none of these GPUs");
    world_free(&w);
}

static void without_runs_nothing_is_said(void **state)
{
    struct world w = claims_world(true);
    keep(&w, "ar", 1, 0);
    expect_reason(&w, "C07", VERDICT_NOT_RUN, "no run");
    expect_reason(&w, "C14", VERDICT_NOT_RUN, "no run");
    expect_reason(&w, "C21", VERDICT_NOT_RUN, "no run");
    for (int32_t i = 0; i < w.n; i++) w.run[i].plain = false;
    expect_reason(&w, "C01", VERDICT_NOT_RUN, "no run");
    world_free(&w);
}

/* ---- predictions are not measurements ---- */

static void a_plan_decides_no_claim_about_time_alone(void **state)
{
    struct world planned = claims_world(false), timed = claims_world(true);
    const struct claim *c;
    for (int32_t i = 0; (c = claim_at(i)); i++) {
        struct finding p, t;
        if (!c->ask || c->by >= EVIDENCE_LITERATURE || claim_is_about_sides(c)) continue;
        ok(claim_judge(c, planned.of, planned.n, &p));
        ok(claim_judge(c, timed.of, timed.n, &t));
        assert_false(p.timed);
        assert_int_equal(t.timed, c->clocked);
        assert_int_equal(p.verdict, c->by == EVIDENCE_TIMING ? VERDICT_NOT_RUN : VERDICT_PASS);
        assert_int_equal(p.evidence, c->by == EVIDENCE_TIMING ? EVIDENCE_NONE : EVIDENCE_ANALYTIC);
        assert_int_equal(t.evidence, c->clocked ? EVIDENCE_TIMING : EVIDENCE_ANALYTIC);
        if (c->by == EVIDENCE_TIMING) assert_non_null(strstr(p.reason, "only a clock"));
        for (int32_t k = 0; k < p.n_questions; k++) assert_false(p.question[k].timed);
        /* An intensity is counted, whatever the run. */
        for (int32_t k = 0; k < t.n_questions; k++) {
            const char *what = t.question[k].what;
            bool counted = strncmp(what, "FLOP", 4) == 0;
            assert_int_equal(t.question[k].timed, !counted);
        }
        assert_true(p.sql == NULL && p.command != NULL);
        assert_true(t.sql != NULL && t.command == NULL);
        finding_free(&p);
        finding_free(&t);
    }
    world_free(&planned);
    world_free(&timed);
}

/* ---- sides of the ridge ---- */

static void sides_are_held_against_interventions(void **state)
{
    (void)state;
    /* 95 of 100 is 0.95 with 0.888 to 0.978; 100 of 100 is at least 100 / (100 + 1.96^2) = 0.963.
     */
    struct reading r = share_of(95, 100);
    assert_true(fabs(r.value - 0.95) < 1e-12 && fabs(r.lo - 0.8883) < 1e-3 &&
                fabs(r.hi - 0.9785) < 1e-3);
    assert_true(fabs(share_of(100, 100).lo - 100 / (100 + 1.95996 * 1.95996)) < 1e-6);
    static const struct {
        int32_t n, agree, undecided, contradict;
        enum verdict verdict;
    } cases[] = {
        {100, 100, 0, 0, VERDICT_PASS},       {100, 95, 5, 0, VERDICT_INCONCLUSIVE},
        {100, 80, 0, 20, VERDICT_FAIL},       {19, 19, 0, 0, VERDICT_INCONCLUSIVE},
        {20, 20, 0, 0, VERDICT_INCONCLUSIVE}, /* at least 0.839 */
    };
    const struct claim *c;
    for (int32_t i = 0; (c = claim_at(i)); i++) {
        struct finding f;
        if (!claim_is_about_sides(c)) continue;
        bool compute = strcmp(c->part, "b") == 0;
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
            struct seen_side s = {.device_id = "d",
                                  .device = "cpu",
                                  .is_compute = compute,
                                  .n = cases[k].n,
                                  .agree = cases[k].agree,
                                  .undecided = cases[k].undecided,
                                  .contradict = cases[k].contradict};
            ok(claim_judge_side(c, &s, &f));
            assert_int_equal(f.verdict, cases[k].verdict);
            assert_non_null(strstr(f.sql, compute ? "side = 'compute'" : "side = 'memory'"));
            finding_free(&f);
        }
        ok(claim_judge_side(c, NULL, &f));
        assert_int_equal(f.verdict, VERDICT_NOT_RUN);
        assert_non_null(strstr(f.reason, "regime bound"));
        finding_free(&f);
    }
}

/* ---- records and sums ---- */

static void records_are_literature(void **state)
{
    static const struct {
        const char *part;
        enum verdict v;
    } mmlu[] = {{"base", VERDICT_PASS}, {"instruct", VERDICT_FAIL}, {"serving", VERDICT_NOT_RUN}};
    const struct claim *c;
    struct finding f;
    for (int32_t i = 0; (c = claim_at(i)); i++)
        for (size_t k = 0; k < sizeof mmlu / sizeof mmlu[0]; k++) {
            if (!c->part || strcmp(c->part, mmlu[k].part) != 0) continue;
            ok(claim_judge(c, NULL, 0, &f));
            assert_int_equal(f.verdict, mmlu[k].v);
            assert_true(f.sql == NULL && f.command == NULL);
            finding_free(&f);
        }
    ok(claim_judge(claim_named("C24"), NULL, 0, &f));
    assert_int_equal(f.verdict, VERDICT_PASS);
    assert_int_equal(f.evidence, EVIDENCE_LITERATURE);
    /* 28.23 - 22.83 */
    assert_true(fabs(f.question[f.decisive].found.value - 5.40) < 1e-9);
    finding_free(&f);
}

static void a_sum_counts_each_claim_once(void **state)
{
    struct finding f[] = {
        /* C01 + : held on one device, failed on another. */
        {.claim = claim_named("C01"), .verdict = VERDICT_PASS, .evidence = EVIDENCE_ANALYTIC},
        {.claim = claim_named("C01"), .verdict = VERDICT_FAIL, .evidence = EVIDENCE_ANALYTIC},
        /* C04 - : held on two devices. */
        {.claim = claim_named("C04"), .verdict = VERDICT_PASS, .evidence = EVIDENCE_ANALYTIC},
        {.claim = claim_named("C04"), .verdict = VERDICT_PASS, .evidence = EVIDENCE_ANALYTIC},
        /* C07 + : held by plan and by clock. */
        {.claim = claim_named("C07"), .verdict = VERDICT_PASS, .evidence = EVIDENCE_ANALYTIC},
        {.claim = claim_named("C07"), .verdict = VERDICT_PASS, .evidence = EVIDENCE_TIMING},
        {.claim = claim_named("C06"), .verdict = VERDICT_INCONCLUSIVE, .evidence = EVIDENCE_ANALYTIC},
    };
    struct finding_list l = {.finding = f, .n = sizeof f / sizeof f[0]};
    struct claims_summary m;
    claims_summarize(&l, &m);
    assert_int_equal(m.by[EVIDENCE_ANALYTIC].supports, 1);
    assert_int_equal(m.by[EVIDENCE_ANALYTIC].contradicts, 1);
    assert_int_equal(m.by[EVIDENCE_ANALYTIC].failed_supports, 1);
    assert_string_equal(m.by[EVIDENCE_ANALYTIC].failed, "C01");
    assert_int_equal(m.by[EVIDENCE_TIMING].supports, 1);
    /* 36 claims, two of which have parts that point two ways; three were decided. */
    assert_int_equal(m.n_claims, 38);
    assert_int_equal(m.n_undecided, 38 - 3);
}

static void every_claim_is_there_once(void **state)
{
    const struct claim *c;
    int32_t last = 0;
    for (int32_t i = 0; (c = claim_at(i)); i++) {
        int32_t n = atoi(c->id + 1);
        assert_true(n == last || n == last + 1);
        last = n;
        assert_non_null(strchr("+-0", c->direction));
        assert_true(c->ask ? c->not_run == NULL : c->not_run != NULL);
    }
    assert_int_equal(last, 36);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_claim_is_there_once),
        cmocka_unit_test(every_claim_holds_where_the_closed_forms_do),
        cmocka_unit_test(every_claim_fails_when_its_number_is_doctored),
        cmocka_unit_test(every_claim_that_asks_is_doctored),
        cmocka_unit_test(a_low_ridge_fails),
        cmocka_unit_test(what_the_limits_reach_across_is_inconclusive),
        cmocka_unit_test(an_undecided_side_is_inconclusive),
        cmocka_unit_test(a_time_that_means_nothing_is_not_used),
        cmocka_unit_test(forwards_in_turn_are_compared_round_by_round),
        cmocka_unit_test(a_condition_that_is_false_is_inconclusive),
        cmocka_unit_test(without_runs_nothing_is_said),
        cmocka_unit_test(a_plan_decides_no_claim_about_time_alone),
        cmocka_unit_test(sides_are_held_against_interventions),
        cmocka_unit_test(records_are_literature),
        cmocka_unit_test(a_sum_counts_each_claim_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
