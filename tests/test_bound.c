/* test_bound.c - what limits a forward: the exponents, the rule, planted runs, and real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/app/bound.h"
#include "harness/app/elasticity.h"
#include "tests/store_fixture.h"

static struct ratio_stats ratio(double lo, double median, double hi)
{
    return (struct ratio_stats){.median = median, .lo = lo, .hi = hi, .has_ci = true};
}

static struct elasticity e_of(double lo, double hi)
{
    return (struct elasticity){(lo + hi) / 2, lo, hi};
}

/* ---- exponents ---- */

static void time_follows_bytes_with_an_exponent(void **state)
{
    (void)state;
    /* Twice the bytes, twice the time: 1.  Four times the bytes, twice the time: a half. */
    struct ratio_stats t = ratio(1, 2, 4);
    struct elasticity e = elasticity_of_bytes(&t, 2);
    assert_near(e.value, 1);
    assert_near(e.lo + 1, 1);
    assert_near(e.hi, 2);
    assert_near(elasticity_of_bytes(&t, 4).value, 0.5);
    /* The other way round: half the bytes, half the time. */
    t = ratio(0.25, 0.5, 1);
    e = elasticity_of_bytes(&t, 0.5);
    assert_near(e.value, 1);
    assert_near(e.lo + 1, 1);
    assert_near(e.hi, 2);
    /* A quarter more bytes show nothing; too few rounds show no limits. */
    assert_true(isnan(elasticity_of_bytes(&t, 1.25).value));
    t.has_ci = false;
    e = elasticity_of_bytes(&t, 0.5);
    assert_near(e.value, 1);
    assert_true(isnan(e.lo) && isnan(e.hi));
}

static void bandwidth_lost_with_threads_is_taken_out(void **state)
{
    (void)state;
    struct elasticity bytes = {1, 0.9, 1.1};
    /* A quarter of the compute rate, half of the bandwidth; time doubled.  The bytes alone
     * explain it: (ln 2 - 1 ln 2) / ln 4 = 0, limits (ln 2 - 1.1 ln 2) / ln 4 = -0.05 and 0.05. */
    struct ratio_stats t = ratio(2, 2, 2);
    struct elasticity e = elasticity_of_compute(&t, 4, 2, &bytes);
    assert_true(fabs(e.value) < 1e-12 && fabs(e.lo + 0.05) < 1e-12 && fabs(e.hi - 0.05) < 1e-12);
    /* With time times eight, two halvings are left: (ln 8 - ln 2) / ln 4 = 1. */
    t = ratio(8, 8, 8);
    assert_near(elasticity_of_compute(&t, 4, 2, &bytes).value, 1);
    /* Bandwidth that moves nearly as much as compute leaves nothing to tell them apart. */
    assert_true(isnan(elasticity_of_compute(&t, 2, 1.9, &bytes).value));
    /* Unmoved bandwidth needs no elasticity in bytes. */
    bytes = (struct elasticity){NAN, NAN, NAN};
    t = ratio(2, 2, 2);
    assert_near(elasticity_of_compute(&t, 4, 1, &bytes).value, 0.5);
    assert_true(isnan(elasticity_of_compute(&t, 4, 1.5, &bytes).value));
}

static void the_rule_takes_whole_intervals(void **state)
{
    const struct {
        struct elasticity bytes, flop;
        enum bound bound;
    } cases[] = {
        {e_of(0.8, 1.0), e_of(0.0, 0.3), BOUND_MEMORY},
        {e_of(0.0, 0.2), e_of(0.9, 1.0), BOUND_COMPUTE},
        {e_of(0.5, 0.6), e_of(0.5, 0.6), BOUND_MIXED},
        {e_of(0.3, 0.4), e_of(0.3, 0.4), BOUND_MIXED}, /* together they do explain it */
        {e_of(0.0, 0.1), e_of(0.1, 0.2), BOUND_OVERHEAD},
        {e_of(0.1, 0.3), e_of(0.1, 0.3), BOUND_UNDECIDED}, /* sum from 0.2 to 0.6 */
        {e_of(0.4, 0.6), e_of(0.0, 0.1), BOUND_UNDECIDED},
        {e_of(0.8, 1.0), e_of(0.4, 0.6), BOUND_UNDECIDED},
        {e_of(NAN, NAN), e_of(0.9, 1.0), BOUND_UNDECIDED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (bound_of(&cases[i].bytes, &cases[i].flop) != cases[i].bound)
            fail_msg("case %zu: %s", i, bound_name(bound_of(&cases[i].bytes, &cases[i].flop)));
}

/* ---- planted runs ---- */

/* What one forward of a planted machine takes: the longer of two demands, and a fixed cost. */
struct planted {
    double bytes, flop; /* per forward */
    double overhead_ns;
};

enum { ROUNDS = 9, BASE_BYTES_PER_S = 1000000000 }; /* a byte per ns */

/* A run of pinned decode forwards, one a round.  Drift doubles all times within the run; as both
 * runs of a round see the same, no ratio may notice. */
static void plant(struct store *s, const char *invocation, const struct cell *c,
                  const struct planted *p, double flop_ns, char run_id[37])
{
    struct ledger l = {0};
    l.op[OP_MATMUL] = (struct ledger_entry){.calls = 1,
                                            .cost = {.flop_matmul = (int64_t)p->flop,
                                                     .bytes = {(int64_t)p->bytes},
                                                     .bytes_dram = (int64_t)p->bytes,
                                                     .bytes_dram_lo = (int64_t)p->bytes,
                                                     .bytes_dram_hi = (int64_t)p->bytes}};
    struct forward_row f[ROUNDS];
    for (int32_t i = 0; i < ROUNDS; i++) {
        double ns = p->overhead_ns + fmax(p->bytes, p->flop * flop_ns);
        f[i] = (struct forward_row){.kind = FORWARD_PINNED,
                                    .phase = PHASE_DECODE,
                                    .round = i,
                                    .n_forwards = 1,
                                    .time_ns = (int64_t)(ns * (1 + i / 8.0)),
                                    .other_cpus = -1,
                                    .work = {.phase = PHASE_DECODE, .rows = 1},
                                    .ledger = &l};
    }
    struct run_row r = {.status = "ok"};
    r.price[TIER_CEILINGS] = (struct price){.known = true,
                                            .matmul_flop_per_s = 4e9,
                                            .attention_flop_per_s = 4e9,
                                            .vector_flop_per_s = 4e9,
                                            .bytes_per_s = BASE_BYTES_PER_S};
    ok(store_add_run(s, invocation, c, &r, f, ROUNDS));
    snprintf(run_id, 37, "%s", r.run_id);
}

/* Base, twice the bytes, an instruction set of half the rate: the verdict on the first. */
static void judge_planted(struct planted p, const char *want, double eps_bytes, double eps_flop)
{
    struct store *s = memory_store();
    char invocation[37], text[256];
    struct measured_run runs[3] = {0};
    const int32_t index[] = {0, 1, 2};
    struct bound_arm arm[] = {{.base = 0}, {0, CHANGE_STORAGE, 1}, {0, CHANGE_ARITHMETIC, 2}};
    struct bound_plan plan = {.arm = arm};
    struct bound_judging judging = {s, &plan};
    begin_on(s, "cpu", invocation);
    struct cell c = small_cell("ar", "cpu");
    plant(s, invocation, &c, &p, 0.25, runs[0].run_id);
    struct planted twice = p;
    twice.bytes *= 2;
    c.dtype = DTYPE_F32;
    plant(s, invocation, &c, &twice, 0.25, runs[1].run_id);
    c.dtype = DTYPE_BF16;
    c.arithmetic = ARITHMETIC_TWICE;
    plant(s, invocation, &c, &p, 0.5, runs[2].run_id);
    ok(bound_group_done(&judging, index, runs, 3));

    assert_string_equal(
        ask_text(s, "SELECT bound FROM v_bound WHERE run_id = ?", runs[0].run_id, text), want);
    assert_string_equal(ask_text(s,
                                 "SELECT bound FROM v_roofline WHERE run_id = ? AND "
                                 "work = 'algorithmic'",
                                 runs[0].run_id, text),
                        want);
    /* Times are whole ns of at least 4000: logarithms off by 1 / 4000 at most, over ln 2. */
    double b = ask_real(s, "SELECT eps_bytes FROM v_bound", NULL);
    double f = ask_real(s, "SELECT eps_flop FROM v_bound", NULL);
    if (fabs(b - eps_bytes) > 5e-4 || fabs(f - eps_flop) > 5e-4)
        fail_msg("%s: eps_bytes %g, eps_flop %g", want, b, f);
    assert_int_equal(ask_int(s, "SELECT rounds FROM v_bound", NULL), ROUNDS);
    assert_near(ask_real(s, "SELECT bytes_ratio FROM v_bound", NULL), 2);
    assert_int_equal(ask_int(s,
                             "SELECT COUNT(*) FROM v_roofline WHERE bound IS NOT NULL "
                             "AND work = 'algorithmic'",
                             NULL),
                     1);
    store_close(s);
}

static void planted_machines_are_recognised(void **state)
{
    (void)state;
    /* 8000 ns of bytes beside 2000 ns of arithmetic, and the other way round.  Base ridge:
     * 4 FLOP per byte; a byte takes 1 ns and a FLOP 0.25 ns. */
    judge_planted((struct planted){8000, 8000, 0}, "memory", 1, 0);
    judge_planted((struct planted){2000, 32000, 0}, "compute", 0, 1);
    /* On the ridge either change doubles the time. */
    judge_planted((struct planted){8000, 32000, 0}, "mixed", 1, 1);
    /* 500 ns of work under 100 us of calls: log2(101000 / 100500) = 0.0072 and nothing. */
    judge_planted((struct planted){500, 400, 100000}, "overhead", log2(101.0 / 100.5), 0);
}

static void agreement_is_with_the_side_of_the_model(void **state)
{
    (void)state;
    struct store *s = memory_store();
    char invocation[37], run_id[37];
    const enum change by = CHANGE_ISA;
    struct planted p = {8000, 8000, 0}; /* 1 FLOP per byte, ridge 4 */
    struct cell c = small_cell("ar", "cpu");
    bool found;
    begin_on(s, "cpu", invocation);
    plant(s, invocation, &c, &p, 0.25, run_id);
    ok(store_find_bound(s, &c, true, &found, run_id));
    assert_false(found);
    ok(store_find_run(s, &c, true, &found, run_id));
    assert_true(found);
    ok(store_add_bound(s, run_id, "decode", "", &by, BOUND_MEMORY));
    assert_int_equal(ask_int(s, "SELECT agrees FROM v_bound", NULL), 1);
    assert_near(ask_real(s, "SELECT ridge_distance FROM v_bound", NULL), 4);
    ok(store_add_bound(s, run_id, "decode", "", &by, BOUND_UNDECIDED));
    assert_int_equal(ask_int(s, "SELECT agrees FROM v_bound", NULL), 0);
    ok(store_find_bound(s, &c, true, &found, run_id));
    assert_true(found);
    store_close(s);
}

/* ---- real runs ---- */

static void a_cell_is_run_beside_what_was_made_of_it(void **state)
{
    (void)state;
    struct store *s = memory_store();
    struct log log;
    FILE *talk = fopen("/dev/null", "w");
    log_open(&log, talk, LOG_ERROR);
    struct planned_cell base = {.pair = -1};
    base.cell = small_cell("block", "cpu");
    base.cell.spec.block_length = 4;
    base.cell.spec.steps = 2;
    base.cell.threads = 1;
    struct cell_list cells = {.cell = &base, .n = 1};
    struct bound_plan plan;
    struct bound_options bo = {.store = s, .log = &log, .reuse = true};
    ok(bound_plan_make(&cells, &bo, &plan));
    assert_int_equal(plan.n_bases, 1);
    /* Storage and, where the CPU has more than plain C, twice the arithmetic. */
    struct cpuinfo cpu;
    cpuinfo_read(&cpu);
    assert_int_equal(plan.cells.n, cpu.isa > ISA_SCALAR ? 3 : 2);
    assert_int_equal(plan.cells.cell[1].cell.dtype, DTYPE_F32);
    assert_int_equal(plan.cells.cell[1].cell.kv_dtype, base.cell.kv_dtype);

    const struct ceilings_effort little = {
        .sample_ns = 20000, .buffer_bytes = 4 << 20, .attempts = 1};
    struct measure_limits few = bound_limits;
    few.n_rounds = 2;
    struct bound_judging judging = {s, &plan};
    struct execute_options eo = {.command = "test",
                                 .limits = &few,
                                 .effort = &little,
                                 .log = &log,
                                 .done = bound_group_done,
                                 .done_ctx = &judging};
    struct execution x;
    ok(execute_cells(s, &plan.cells, &eo, &x));
    assert_int_equal(x.n_ran, plan.cells.n);
    /* All of them took turns in the same rounds, and none is a pair's member in any view. */
    assert_int_equal(ask_int(s, "SELECT COUNT(DISTINCT invocation_id) FROM run", NULL), 1);
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_pair", NULL), 0);
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM bound WHERE op = ''", NULL), 3);
    assert_int_equal(ask_int(s,
                             "SELECT COUNT(DISTINCT op) >= 4 FROM intervention WHERE "
                             "kind = 'storage' AND phase = 'denoise'",
                             NULL),
                     1);
    assert_int_equal(ask_int(s, "SELECT MIN(rounds) FROM intervention", NULL), 2);
    /* f32 weights are twice the bytes; keys, values and norms' inputs are as they were. */
    assert_int_equal(ask_int(s,
                             "SELECT bytes_ratio > 1.5 AND bytes_ratio < 2 FROM intervention "
                             "WHERE kind = 'storage' AND phase = 'denoise' AND op = ''",
                             NULL),
                     1);
    assert_near(ask_real(s,
                         "SELECT bytes_ratio FROM intervention WHERE kind = 'storage' "
                         "AND op = 'matmul' AND phase = 'denoise'",
                         NULL),
                2);
    execution_free(&x);
    bound_plan_free(&plan);

    /* A verdict counts as done. */
    ok(bound_plan_make(&cells, &bo, &plan));
    assert_int_equal(plan.cells.n, 0);
    bound_plan_free(&plan);
    store_close(s);
    fclose(talk);
}

static void threads_are_halved(void **state)
{
    (void)state;
    struct log log;
    FILE *talk = fopen("/dev/null", "w");
    log_open(&log, talk, LOG_ERROR);
    struct planned_cell base = {.pair = -1, .cell = small_cell("ar", "cpu")};
    base.cell.threads = 4;
    base.cell.isa = ISA_SCALAR; /* nothing is slower */
    struct cell_list cells = {.cell = &base, .n = 1};
    struct bound_options bo = {.log = &log};
    struct bound_plan plan;
    ok(bound_plan_make(&cells, &bo, &plan));
    assert_int_equal(plan.cells.cell[plan.cells.n - 1].cell.threads, 2);
    assert_int_equal(plan.arm[plan.cells.n - 1].change, CHANGE_THREADS);
    assert_int_equal(plan.arm[plan.cells.n - 1].base, 0);
    bound_plan_free(&plan);
    fclose(talk);
}

static void int8_is_compared_with_bf16(void **state)
{
    (void)state;
    struct log log;
    FILE *talk = fopen("/dev/null", "w");
    log_open(&log, talk, LOG_ERROR);
    struct planned_cell base = {.pair = -1, .cell = small_cell("ar", "cpu")};
    base.cell.dtype = DTYPE_INT8;
    struct cell_list cells = {.cell = &base, .n = 1};
    struct bound_options bo = {.log = &log};
    struct bound_plan plan;
    ok(bound_plan_make(&cells, &bo, &plan));
    assert_int_equal(plan.cells.cell[1].cell.dtype, DTYPE_BF16);
    assert_int_equal(plan.arm[1].change, CHANGE_STORAGE);
    bound_plan_free(&plan);
    fclose(talk);
}

static void cells_without_such_changes_are_refused(void **state)
{
    (void)state;
    struct planned_cell base = {.pair = -1, .cell = small_cell("ar", "sim:a100-80gb")};
    struct cell_list cells = {.cell = &base, .n = 1};
    fails(bound_check_cells(&cells), ERR_UNSUPPORTED, "only cpu");
    base.cell = small_cell("ar", "cpu");
    base.cell.compute = DTYPE_BF16;
    fails(bound_check_cells(&cells), ERR_UNSUPPORTED, "only bf16 weights are multiplied so");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_follows_bytes_with_an_exponent),
        cmocka_unit_test(bandwidth_lost_with_threads_is_taken_out),
        cmocka_unit_test(the_rule_takes_whole_intervals),
        cmocka_unit_test(planted_machines_are_recognised),
        cmocka_unit_test(agreement_is_with_the_side_of_the_model),
        cmocka_unit_test(a_cell_is_run_beside_what_was_made_of_it),
        cmocka_unit_test(threads_are_halved),
        cmocka_unit_test(int8_is_compared_with_bf16),
        cmocka_unit_test(cells_without_such_changes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
