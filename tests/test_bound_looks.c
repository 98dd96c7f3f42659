/* test_bound_looks.c - comparisons looked at more than once, and a cell limited by its calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "harness/app/bound.h"
#include "harness/app/elasticity.h"
#include "harness/base/build_info.h"
#include "harness/base/rng.h"
#include "tests/store_fixture.h"

/* ---- the price of looking again ---- */

static double uniform(uint64_t i)
{
    return ((double)(mix64(i) >> 11) + 0.5) / 9007199254740992.0;
}

/* A ratio whose median is 1: skewed, and one in ten off by a half either way. */
static double noise(uint64_t i)
{
    double u = uniform(3 * i), r = u < 0.5 ? 1 - 0.1 * log(2 * u) : 1 / (1 - 0.2 * log(2 - 2 * u));
    if (uniform(3 * i + 1) < 0.1) r *= uniform(3 * i + 2) < 0.5 ? 1.5 : 1 / 1.5;
    return r;
}

/* Trials of which some look's interval leaves out the truth. */
static int32_t misses(double confidence, int32_t trials)
{
    double changed[MEASURE_ROUNDS_MAX], base[MEASURE_ROUNDS_MAX], scratch[MEASURE_ROUNDS_MAX];
    int32_t n = 0;
    for (int32_t t = 0; t < trials; t++) {
        bool missed = false;
        for (int32_t r = 0; r < MEASURE_ROUNDS_MAX; r++) {
            base[r] = 1000;
            changed[r] = 1000 * noise((uint64_t)t * MEASURE_ROUNDS_MAX + (uint64_t)r);
        }
        for (int i = 0; i < N_LOOKS; i++) {
            struct ratio_stats s;
            stats_paired_ratio(changed, base, look_rounds[i], confidence, scratch, &s);
            assert_true(s.has_ci);
            missed |= s.lo > 1 || s.hi < 1;
        }
        n += missed;
    }
    return n;
}

static void all_looks_together_keep_95_percent(void **state)
{
    (void)state;
    enum { TRIALS = 20000 };
    /* At most the sum over looks of what each leaves out, by the binomial distribution. */
    double bound = 0;
    for (int i = 0; i < N_LOOKS; i++) {
        int32_t lo, hi;
        double coverage;
        assert_true(stats_median_ranks(look_rounds[i], look_confidence, &lo, &hi, &coverage));
        assert_true(lo > 1); /* one outlier changes no limit */
        bound += 1 - coverage;
    }
    assert_true(bound <= 0.05);
    /* 4 standard errors. */
    double most = TRIALS * bound + 4 * sqrt(TRIALS * bound * (1 - bound));
    int32_t n = misses(look_confidence, TRIALS);
    if (n > most) fail_msg("%d of %d trials missed, at most %g allowed", n, TRIALS, most);
    /* Three looks of 95 % each would not do: 0.05 is exceeded by more than 4 standard errors. */
    n = misses(0.95, TRIALS);
    if (n < TRIALS * 0.05 + 4 * sqrt(TRIALS * 0.05 * 0.95)) fail_msg("%d of %d", n, TRIALS);
}

/* ---- settled arms rest ---- */

struct looking {
    int32_t calls, settle_at;
};

static void settle_first(void *ctx, struct arm *arm, int32_t n, int32_t rounds)
{
    struct looking *l = ctx;
    assert_int_equal(rounds, ++l->calls);
    assert_true(n > 1);
    if (rounds == l->settle_at) arm[0].settled = true;
}

static struct planned_cell cell_of(const char *model)
{
    struct planned_cell p = {.pair = -1, .cell = small_cell("ar", "cpu")};
    snprintf(p.cell.model, sizeof p.cell.model, "%s", model);
    p.cell.spec.batch = 1;
    p.cell.threads = 1;
    return p;
}

static void settled_arms_take_no_more_turns(void **state)
{
    (void)state;
    struct store *s = memory_store();
    struct log log;
    FILE *talk = fopen("/dev/null", "w");
    log_open(&log, talk, LOG_ERROR);
    struct planned_cell two[2] = {cell_of("tiny-test"), cell_of("tiny-test")};
    two[0].pair = two[1].pair = 0;
    two[0].baseline = true;
    two[1].cell.spec.n_gen = 12;
    struct cell_list cells = {.cell = two, .n = 2, .n_pairs = 1};
    struct looking looking = {.settle_at = 2};
    struct measure_limits limits = {.n_rounds = 4,
                                    .visit_ns = 1,
                                    .max_visit_samples = 2,
                                    .max_decodes = 1,
                                    .look = settle_first,
                                    .look_ctx = &looking};
    struct execute_options eo = {.command = "test", .limits = &limits, .log = &log};
    struct execution x;
    ok(execute_cells(s, &cells, &eo, &x));
    assert_int_equal(x.n_ran, 2);
    assert_int_equal(looking.calls, 4);
    assert_int_equal(ask_int(s,
                             "SELECT COUNT(DISTINCT round) FROM forward WHERE kind = 'pinned' "
                             "AND run_no = 1",
                             NULL),
                     2);
    assert_int_equal(ask_int(s,
                             "SELECT COUNT(DISTINCT round) FROM forward WHERE kind = 'pinned' "
                             "AND run_no = 2",
                             NULL),
                     4);
    /* Forwards behind a switch are marked for a millisecond: more than one where they are short. */
    assert_int_equal(ask_int(s,
                             "SELECT SUM(after_switch) > 1 OR MAX(time_ns) > 400000 FROM forward "
                             "WHERE kind = 'pinned' AND run_no = 2 AND round = 0",
                             NULL),
                     1);
    execution_free(&x);
    store_close(s);
    fclose(talk);
}

/* ---- a cell whose calls take the time ---- */

/* A thousand calls for 230 kB of weights and 0.2 MFLOP.  At 10 GB/s and 10 GFLOP/s these are 23 and
 * 23 us of some 250: neither elasticity comes near a half.  Medians over rounds, so that a busy
 * machine, which moves single rounds, does not matter. */
static void calls_that_take_the_time_are_overhead(void **state)
{
    (void)state;
    struct store *s = memory_store();
    struct log log;
    FILE *talk = fopen("/dev/null", "w");
    log_open(&log, talk, LOG_ERROR);
    struct planned_cell base = cell_of("tiny-deep");
    base.cell.spec.n_gen = 3;
    struct cell_list cells = {.cell = &base, .n = 1};
    struct bound_plan plan;
    struct bound_options bo = {.store = s, .log = &log};
    ok(bound_plan_make(&cells, &bo, &plan));
    struct measure_limits limits = bound_limits;
    limits.n_rounds = look_rounds[0];
    limits.look = bound_look;
    limits.look_ctx = &plan;
    struct bound_judging judging = {s, &plan};
    struct execute_options eo = {.command = "test",
                                 .limits = &limits,
                                 .log = &log,
                                 .done = bound_group_done,
                                 .done_ctx = &judging};
    struct execution x;
    ok(execute_cells(s, &plan.cells, &eo, &x));
    assert_int_equal(x.n_ran, plan.cells.n);
    const char *of_decode = "SELECT eps_bytes + COALESCE(eps_flop, 0) < 0.5 AND cache_resident AND "
                            "bound IN ('overhead', 'undecided') AND rounds = 12 FROM v_bound "
                            "WHERE op = '' AND phase = 'decode'";
    /* Sanitizers make arithmetic as slow as calls. */
    bool plain = !build_info.sanitizers || !build_info.sanitizers[0];
    if (plain && ask_int(s, of_decode, NULL) != 1)
        fail_msg(
            "eps_bytes %g, eps_flop %g",
            ask_real(s, "SELECT eps_bytes FROM v_bound WHERE phase = 'decode' AND op = ''", NULL),
            ask_real(s, "SELECT eps_flop FROM v_bound WHERE phase = 'decode' AND op = ''", NULL));
    execution_free(&x);
    bound_plan_free(&plan);
    store_close(s);
    fclose(talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_looks_together_keep_95_percent),
        cmocka_unit_test(settled_arms_take_no_more_turns),
        cmocka_unit_test(calls_that_take_the_time_are_overhead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
