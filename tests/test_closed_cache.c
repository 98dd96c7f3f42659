/* test_closed_cache.c - closed forms of drafts, fused commits and caches with refreshes, against
 * hand-worked numbers, each other and the decoders' plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/plan.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

static void near(double got, double want)
{
    if (!(fabs(got / want - 1) < 1e-12)) fail_msg("%.17g, expected %.17g", got, want);
}

/* 1000 parameters, 100 of them the head, no keys and values; and a machine that computes for
 * nothing, so that a forward takes the time to stream its weights. */
static const struct closed_model plain = {
    .p_lin = 900, .p_head = 100, .p = 1000, .s = 2, .group = 1};
static const struct roof streaming = {1e30, 1};

static void hand_worked_rows(void **state)
{
    /* 4 + 8 positions in two blocks of 4, a token a forward.  Uncached: 8 forwards of 12 rows.
     * Delayed: 12, 12, then what was open one forward earlier: 8 - 1 and 8 - 2, in the second
     * block 4 - 1 and 4 - 2: 24 + 13 + 24 + 5 = 66.  With a refresh every 2: 36 + 6 + 36 + 2. */
    struct closed_cache dkv = {CACHE_DKV, 0}, often = {CACHE_DKV, 2}, none = {CACHE_NONE, 0};
    near(closed_cache_gain(dkv, 4, 8, 4, 4), 96.0 / 66);
    near(closed_cache_gain(often, 4, 8, 4, 4), 96.0 / 80);
    near(closed_cache_gain(none, 4, 8, 4, 4), 1);
    /* Dual: 12 + 3 x 4 a block; a refresh every 3: 12, 4, 4, 12.  Prefix: 12 + 3 x 8, 12 + 3 x 4.
     */
    struct closed_cache dual = {CACHE_DUAL, 0}, third = {CACHE_DUAL, 3}, prefix = {CACHE_PREFIX, 0};
    near(closed_cache_gain(dual, 4, 8, 4, 4), 96.0 / 48);
    near(closed_cache_gain(third, 4, 8, 4, 4), 96.0 / 64);
    near(closed_cache_gain(prefix, 4, 8, 4, 4), 96.0 / 60);
    struct closed_cache always = {CACHE_DUAL, 1};
    near(closed_cache_gain(always, 4, 8, 4, 4), 1);
}

static void without_refreshes_they_are_the_old_forms(void **state)
{
    static const double steps[] = {1, 2, 5, 8, 16};
    struct model_config c;
    struct roof r = {312e12, 2.039e12};
    OK(model_preset("llada-8b", 0, &c));
    struct closed_model m = closed_model_of(&c, DTYPE_BF16, DTYPE_BF16);
    struct closed_cache dual = {CACHE_DUAL, 0}, prefix = {CACHE_PREFIX, 0};
    for (size_t i = 0; i < 5; i++) {
        double s = steps[i];
        near(closed_cache_speed(dual, &m, r, 2, 256, 128, 16, s),
             closed_dual_speed(&m, r, 2, 256, 128, 16, s));
        near(closed_cache_speed(prefix, &m, r, 2, 256, 128, 16, s),
             closed_prefix_speed(&m, r, 2, 256, 128, 16, s));
        near(closed_cache_gain(dual, 256, 128, 16, s), closed_dual_gain(384, 16, s));
    }
    struct closed_value a = closed_cache_equal_steps(dual, &m, r, 1, 256, 128, 16);
    struct closed_value b = closed_dual_equal_steps(&m, r, 1, 256, 128, 16);
    assert_true(a.exists && b.exists);
    near(a.value, b.value);
    assert_false(closed_cache_equal_steps(dual, &m, r, 64, 2048, 128, 16).exists);
}

/* Guided, every forward has each sequence twice: its weights stream once, its rows compute twice.
 * By hand at one sequence, where 12 rows stream and 2 x 4 more of reuse do as well: as many streams
 * as without; and where rows are all there is, half the speed. */
static void guidance_doubles_rows_and_not_streams(void **state)
{
    struct closed_cache dual = {CACHE_DUAL, 0}, dkv = {CACHE_DKV, 3};
    const struct roof computing = {1, 1e30};
    struct model_config c;
    struct roof r = {312e12, 2.039e12};
    near(closed_guided_cache_speed(dual, &plain, streaming, 1, 4, 8, 4, 4), 1);
    near(closed_cache_speed(dual, &plain, streaming, 1, 4, 8, 4, 4), 1);
    near(closed_guided_cache_speed(dkv, &plain, computing, 3, 4, 8, 4, 4),
         closed_cache_speed(dkv, &plain, computing, 3, 4, 8, 4, 4) / 2);
    /* Two refreshes of 12 rows and six reuses of 4, twice, for eight AR rows. */
    near(closed_guided_cache_speed(dual, &plain, computing, 3, 4, 8, 4, 4), 8.0 / (2 * 48));
    /* As fast as AR where its speed is 1, between the two forms without a twin and with two
     * batches: fewer steps than without guidance. */
    OK(model_preset("llada-8b", 0, &c));
    struct closed_model m = closed_model_of(&c, DTYPE_BF16, DTYPE_BF16);
    struct closed_value with = closed_guided_cache_equal_steps(dual, &m, r, 1, 256, 128, 16);
    struct closed_value without = closed_cache_equal_steps(dual, &m, r, 1, 256, 128, 16);
    assert_true(with.exists && without.exists && with.value < without.value);
    double below = floor(with.value), at = with.value - below;
    double low = 1 / closed_guided_cache_speed(dual, &m, r, 1, 256, 128, 16, below);
    double high = 1 / closed_guided_cache_speed(dual, &m, r, 1, 256, 128, 16, below + 1);
    near(low + at * (high - low), 1);
}

/* The decoders compute those rows, guided ones twice. */
static void plans_have_those_rows(void **state)
{
    struct plan *p = malloc(sizeof *p);
    struct plan_target target;
    OK(plan_target_sim("sim:h200", DTYPE_BF16, 0, &target));
    for (int i = 0; i < 24; i++) {
        double copies = i < 12 ? 1 : 2;
        struct cell c = {.layers = 1, .dtype = DTYPE_BF16, .kv_dtype = DTYPE_BF16};
        struct closed_cache cache = {CACHE_PREFIX + i % 3, i / 3 % 4};
        int64_t rows = 0;
        strcpy(c.model, "llada-8b");
        strcpy(c.decoder, "diffusion");
        strcpy(c.device, "sim:h200");
        c.spec = (struct decode_spec){.batch = 2,
                                      .n_prompt = 20,
                                      .n_gen = 48,
                                      .block_length = 16,
                                      .steps = 8, /* divides the block: reveals are equal */
                                      .cache = cache.policy,
                                      .refresh = (int32_t)cache.refresh,
                                      .guidance = i < 12 ? 0 : 1.5f,
                                      .seed = 1};
        OK(plan_cell(&c, &target, p));
        for (int ph = 0; ph < PHASE_COUNT; ph++) rows += p->phase[ph].work.rows;
        near(copies * 2 * 3 * 8 * 68 / (double)rows, closed_cache_gain(cache, 20, 48, 16, 8));
    }
    free(p);
}

/* A draft takes a tenth of a forward and is right 8 times of 10.  The k-th pays while
 * 0.8^k > 0.1 (1 + .. + 0.8^(k-1)) / (1 + 0.1 (k - 1)): .2621 > .1 x 3.6893 / 1.5 = .2460 for the
 * sixth, .2097 < .1 x 3.9514 / 1.6 = .2470 for the seventh. */
static void drafts_pay_up_to_a_number(void **state)
{
    double ar = 2000, draft = 200; /* seconds to stream 2000 bytes at 1 per second */
    assert_int_equal(closed_verify_best_drafts(&plain, streaming, 1, 0, 0.8, draft, 64), 6);
    assert_int_equal(closed_verify_best_drafts(&plain, streaming, 1, 0, 0.8, 0, 64), 64);
    /* 0.05 < 0.1: not even the first. */
    assert_int_equal(closed_verify_best_drafts(&plain, streaming, 1, 0, 0.05, draft, 64), 0);
    near(closed_verify_equal_tpf(&plain, streaming, 1, 0, 4, 4 * draft), 1.4);
    near(closed_verify_speed(&plain, streaming, 1, 0, 2, 0.5, 2 * draft), 1.75 / 1.2);
    struct closed_value p = closed_verify_equal_acceptance(&plain, streaming, 1, 0, 1, 0.3 * ar);
    assert_true(p.exists);
    near(p.value, 0.3); /* 1 + p = 1.3 */
    assert_false(closed_verify_equal_acceptance(&plain, streaming, 1, 0, 1, 1.1 * ar).exists);
    /* A model of 50 parameters takes 100 s a row; drafting for itself costs a forward. */
    struct closed_model small = {.p_lin = 40, .p_head = 10, .p = 50, .s = 2, .group = 1};
    near(closed_draft_time(&small, streaming, 1, 0, 4), 400);
    near(closed_self_draft_time(&plain, streaming, 1, 0, 4), ar);
    assert_true(closed_self_draft_time(&plain, streaming, 1, 0, 0) == 0);
    /* Where arithmetic is everything, k + 1 rows take k + 1 times as long: with any wrong draft
     * verification loses. */
    struct roof computing = {1, 1e30};
    near(closed_verify_equal_tpf(&plain, computing, 1, 0, 4, 0), 5);
    assert_int_equal(closed_verify_best_drafts(&plain, computing, 1, 0, 0.99, 0, 64), 0);
}

/* Streaming 1000 parameters a forward and 900 for a commit: S + 0.9 against S.  Computing: 2 b
 * rows at once take what b and b take. */
static void a_fused_commit_saves_a_stream(void **state)
{
    struct roof computing = {1, 1e30};
    near(closed_block_fused_gain(&plain, streaming, 1, 0, 8, 4), 4.9 / 4);
    near(closed_block_fused_gain(&plain, computing, 1, 0, 8, 4), 1);
    near(closed_block_fused_tpf(8, 4), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hand_worked_rows),
        cmocka_unit_test(without_refreshes_they_are_the_old_forms),
        cmocka_unit_test(guidance_doubles_rows_and_not_streams),
        cmocka_unit_test(plans_have_those_rows),
        cmocka_unit_test(drafts_pay_up_to_a_number),
        cmocka_unit_test(a_fused_commit_saves_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
