/* test_precision.c - forwards that take turns one by one until their ratio is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/app/execute.h"
#include "harness/app/precision.h"
#include "harness/base/rng.h"
#include "tests/store_fixture.h"

static double uniform(uint64_t i)
{
    return ((double)(mix64(i) >> 11) + 0.5) / 9007199254740992.0;
}

/* A ratio whose median is 1: skewed, and one in ten off by a half either way. */
static double noise(uint64_t i)
{
    double u = uniform(3 * i), r = u < 0.5 ? 1 + 0.02 * log(2 * u) : 1 - 0.05 * log(2 - 2 * u);
    if (uniform(3 * i + 1) < 0.1) r *= uniform(3 * i + 2) < 0.5 ? 1.5 : 1 / 1.5;
    return r;
}

static void an_interval_is_by_ranks(void **state)
{
    (void)state;
    /* 1.00 .. 1.11 in any order: the 95 % interval of 12 has ranks 3 and 10. */
    const double ratio[12] = {1.05, 1.00, 1.11, 1.02, 1.09, 1.04,
                              1.07, 1.06, 1.03, 1.10, 1.01, 1.08};
    double scratch[12];
    struct ratio_interval r = ratio_interval_of(ratio, 12, scratch);
    assert_near(r.median, 1.055);
    assert_near(r.lo, 1.02);
    assert_near(r.hi, 1.09);
    /* 1.055 / 1.02 = 1.0343 and 1.09 / 1.055 = 1.0332. */
    assert_true(ratio_is_known(&r, 0.035));
    assert_false(ratio_is_known(&r, 0.034));
    assert_false(ratio_is_known(&r, 0.033));
    r = ratio_interval_of(ratio, 5, scratch);
    assert_true(isnan(r.lo) && isnan(r.hi));
    assert_false(ratio_is_known(&r, 1));
}

static void looks_double(void **state)
{
    (void)state;
    int32_t n = 0;
    for (int32_t r = 0; r <= PRECISION_ROUNDS_MAX; r++) n += precision_is_look(r);
    assert_int_equal(n, 7); /* 24, 48 .. 1536 */
    assert_true(precision_is_look(24) && precision_is_look(PRECISION_ROUNDS_MAX));
    assert_false(precision_is_look(0) || precision_is_look(72));
}

/* Stopping where the interval is narrow leaves the truth out about as often as never looking. */
static void stopping_on_width_keeps_95_percent(void **state)
{
    (void)state;
    enum { TRIALS = 2000 };
    double ratio[PRECISION_ROUNDS_MAX], scratch[PRECISION_ROUNDS_MAX];
    int32_t missed = 0, early = 0;
    for (int32_t t = 0; t < TRIALS; t++) {
        struct ratio_interval r = {.median = 1};
        int32_t n = 0;
        while (n < PRECISION_ROUNDS_MAX) {
            ratio[n] = noise((uint64_t)t * PRECISION_ROUNDS_MAX + (uint64_t)n);
            if (!precision_is_look(++n)) continue;
            r = ratio_interval_of(ratio, n, scratch);
            if (ratio_is_known(&r, 0.01)) break;
        }
        early += n < PRECISION_ROUNDS_MAX;
        missed += r.lo > 1 || r.hi < 1;
    }
    assert_true(early > TRIALS / 2); /* else nothing was tried */
    /* 5 % and 4 standard errors, sqrt(0.05 x 0.95 / 2000) = 0.0049. */
    if (missed > TRIALS * (0.05 + 4 * 0.0049)) fail_msg("%d of %d trials missed", missed, TRIALS);
}

/* ---- a group that takes turns by forwards ---- */

static struct planned_cell cell_of(const char *decoder, bool baseline)
{
    struct planned_cell p = {.pair = 0, .baseline = baseline, .cell = small_cell(decoder, "cpu")};
    snprintf(p.cell.model, sizeof p.cell.model, "tiny-test");
    p.cell.spec.batch = 1;
    p.cell.threads = 1;
    p.cell.spec.n_prompt = 8;
    p.cell.spec.n_gen = 16;
    p.cell.spec.block_length = 4;
    p.cell.spec.steps = 2;
    return p;
}

static int64_t n_of(struct store *s, const char *where)
{
    char sql[600];
    snprintf(sql, sizeof sql,
             "SELECT COUNT(*) FROM forward WHERE kind <> 'decode' AND after_switch = 0 AND %s",
             where);
    return ask_int(s, sql, NULL);
}

static void forwards_take_turns_until_the_ratio_is_known(void **state)
{
    (void)state;
    struct store *s = memory_store();
    struct log log;
    FILE *talk = fopen("/dev/null", "w");
    log_open(&log, talk, LOG_ERROR);
    struct planned_cell two[2] = {cell_of("ar", true), cell_of("block", false)};
    struct cell_list cells = {.cell = two, .n = 2, .n_pairs = 1};
    struct precision any = {.most = 1e9, .limit_ns = INT64_MAX};
    struct measure_limits limits = precision_limits;
    limits.look = precision_look;
    limits.look_ctx = &any;
    struct execute_options eo = {.command = "test", .limits = &limits, .log = &log};
    struct execution x;
    ok(execute_cells(s, &cells, &eo, &x));
    assert_int_equal(x.n_ran, 2);
    /* Known at the first look, after 24 rounds; probes before the first of them only. */
    assert_int_equal(PRECISION_FIRST_LOOK, 24);
    assert_int_equal(limits.rounds_per_probe, 32);
    assert_int_equal(n_of(s, "kind = 'pinned' AND phase = 'decode'"), 24);
    assert_int_equal(n_of(s, "kind = 'pinned' AND phase = 'denoise'"), 24);
    assert_int_equal(n_of(s, "kind = 'pinned' AND phase = 'commit'"), 1);
    assert_int_equal(n_of(s, "kind = 'pinned' AND phase = 'prefill' AND run_no = 1"), 1);
    assert_int_equal(n_of(s, "kind = 'trace' AND phase = 'denoise'"), 1);
    /* A B, B A, A B ...: in every second round the block comes first. */
    assert_int_equal(
        ask_int(s,
                "SELECT COUNT(*) FROM forward a JOIN forward b ON b.round = a.round "
                "WHERE a.phase = 'decode' AND b.phase = 'denoise' AND a.step_ns IS NOT NULL "
                "AND b.step_ns IS NOT NULL AND (b.seq < a.seq) = (a.round % 2 = 1)",
                NULL),
        24);
    execution_free(&x);
    store_close(s);
    fclose(talk);
}

static void a_limit_ends_what_is_not_known(void **state)
{
    (void)state;
    struct arm arm[2] = {{.baseline = true}, {.baseline = false}};
    struct arm_forward f[2][PRECISION_FIRST_LOOK];
    memset(f, 0, sizeof f);
    for (int a = 0; a < 2; a++) {
        arm[a].forward = f[a];
        arm[a].n = PRECISION_FIRST_LOOK;
        arm[a].recorded[PHASE_DECODE] = (struct recording *)f; /* only asked whether it is there */
        for (int32_t r = 0; r < PRECISION_FIRST_LOOK; r++)
            f[a][r].row = (struct forward_row){.kind = FORWARD_PINNED,
                                               .phase = PHASE_DECODE,
                                               .round = r,
                                               .time_ns = a ? 1000 + 100 * r : 1000};
    }
    struct precision p = {.most = 0.01, .limit_ns = INT64_MAX};
    precision_look(&p, arm, 2, 1);
    precision_look(&p, arm, 2, PRECISION_FIRST_LOOK);
    assert_false(arm[0].settled || arm[1].settled);
    p.most = 0.5; /* medians 2.15; limits: ranks 7 and 18, 1.6 and 2.7 */
    precision_look(&p, arm, 2, PRECISION_FIRST_LOOK);
    assert_true(arm[0].settled && arm[1].settled);
    arm[0].settled = arm[1].settled = false;
    p = (struct precision){.most = 0.01, .limit_ns = 0, .begin_ns = 0};
    precision_look(&p, arm, 2, PRECISION_FIRST_LOOK + 1);
    assert_false(arm[1].settled); /* between looks nothing is decided */
    precision_look(&p, arm, 2, PRECISION_FIRST_LOOK);
    assert_true(arm[0].settled && arm[1].settled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interval_is_by_ranks),
        cmocka_unit_test(looks_double),
        cmocka_unit_test(stopping_on_width_keeps_95_percent),
        cmocka_unit_test(forwards_take_turns_until_the_ratio_is_known),
        cmocka_unit_test(a_limit_ends_what_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
