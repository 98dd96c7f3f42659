/* test_cuda_counting.c - a sweep on an emulated cuda:0 with a stand-in for its counters, end to
 * end: every kernel that ran is recorded with the operation it ran for, what cannot be counted
 * leaves a reason and whole runs, and a device that is lost while it is counted takes no timing
 * with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/execute.h"
#include "plots/plot.h"
#include "tests/cupti/double.h"
#include "tests/cusim/cusim.h"
#include "tests/cusim/named.h"
#include "tests/store_fixture.h"

enum { LAYERS = 1, PROMPT = 4, N_GEN = 4, MAX_CELLS = 4 };

static const struct measure_limits few = {
    .n_rounds = 2, .visit_ns = 0, .max_visit_samples = 2, .max_decodes = 1, .decode_ns = 0};
static const struct count_limits one = {
    .max_decodes = 1,
    .energy_ns = 1,
    .max_forwards = 100,
    .known = {.add_bytes = 1 << 16, .matmul = 64, .flush_bytes = 1 << 16}};

/* Launches take far longer than the work of tiny matrices. */
static const struct cusim_speed speed = {
    .bytes_per_s = 2e7, .half_flop_per_s = 8e8, .f32_flop_per_s = 2e8, .launch_ns = 1000};

struct lab {
    struct cupti_double *d;
    struct store *store;
    struct log log;
    struct planned_cell cell[MAX_CELLS];
    struct cell_list cells;
    struct execute_options options;
    FILE *talk;
};

/* Norms that have run; the emulator's listeners carry no pointer of ours. */
static int64_t n_norms;

static void launched(int64_t launch)
{
    cupti_double_launched(launch);
}

static void ran(const struct cusim_ran *r)
{
    struct cupti_double_kernel k = {.launch = r->launch,
                                    .grid = {(int)r->grid.x, (int)r->grid.y, (int)r->grid.z},
                                    .block = {(int)r->block.x, (int)r->block.y, (int)r->block.z},
                                    .begin_ns = (uint64_t)r->begin_ns,
                                    .end_ns = (uint64_t)r->end_ns};
    snprintf(k.name, sizeof k.name, "%s", r->name);
    n_norms += strstr(r->name, "rmsnorm") != NULL;
    cupti_double_ran(&k);
}

static struct cell *add(struct lab *l, const char *decoder)
{
    struct planned_cell *p = &l->cell[l->cells.n++];
    memset(p, 0, sizeof *p);
    axes_default(&p->cell, "cuda:0");
    snprintf(p->cell.model, sizeof p->cell.model, "tiny-test");
    snprintf(p->cell.decoder, sizeof p->cell.decoder, "%s", decoder);
    p->cell.layers = LAYERS;
    p->cell.spec.batch = 1;
    p->cell.spec.n_prompt = PROMPT;
    p->cell.spec.n_gen = N_GEN;
    if (strcmp(decoder, "block") == 0) {
        p->cell.spec.block_length = 4;
        p->cell.spec.steps = 2;
    }
    axes_resolve(&p->cell);
    p->pair = -1;
    return &p->cell;
}

static int set_up(void **state)
{
    static const struct cusim_listener listener = {launched, ran};
    struct lab *l = calloc(1, sizeof *l);
    assert_non_null(l);
    cupti_double_reset();
    cusim_clear();
    cusim_set_order(CUSIM_IN_TURN);
    cusim_set_eager(false);
    cusim_set_memory(72 << 20);
    cusim_set_speed(&speed);
    cusim_set_listener(&listener);
    l->d = cupti_double();
    l->talk = fopen("/dev/null", "w");
    log_open(&l->log, l->talk, LOG_ERROR);
    l->store = memory_store();
    l->cells.cell = l->cell;
    l->options =
        (struct execute_options){.command = "test",
                                 .limits = &few,
                                 .log = &l->log,
                                 .count = {.mode = COUNTERS_AUTO,
                                           .probes = "cupti-activity,nvml,cupti-base,cupti-kernel",
                                           .limits = &one}};
    *state = l;
    return 0;
}

static int tear_down(void **state)
{
    struct lab *l = *state;
    store_close(l->store);
    fclose(l->talk);
    free(l);
    cusim_set_listener(NULL);
    cusim_clear();
    assert_int_equal(cusim_live_objects(), 0);
    return 0;
}

static void need_stand_in(const struct lab *l)
{
    if (l->d) return;
    print_message("skipped: built without CUPTI, so there is nothing to stand in for\n");
    skip();
}

static int64_t ask(struct lab *l, const char *sql)
{
    return ask_int(l->store, sql, NULL);
}

static void run_all(struct lab *l)
{
    struct execution x;
    ok(execute_cells(l->store, &l->cells, &l->options, &x));
    if (cusim_report()) fail_msg("%s", cusim_report());
    if (x.n_failed) fail_msg("%s", x.first_failure);
    execution_free(&x);
    assert_string_equal(l->d->misused, "");
    assert_int_equal(l->d->n_held, 0);
    is_sound(l->store);
}

/* The emulated host is slower than the imagined device, so there is a gap, and it is what the two
 * leave; in the figure it is a class of its own. */
static void a_gap_is_what_kernels_leave_of_a_forward(struct lab *l)
{
    void *folder;
    char text[1 << 14], path[600];
    struct strbuf written = {0};
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_launch_gap WHERE gap_ns > 0 AND gap_share < 1 "
                            "AND kernel_ns >= 999 * launches"),
                     2 + 2 + 3);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_launch_gap g JOIN v_step s USING (run_id, "
                            "phase) WHERE g.gap_ns + (SELECT SUM(end_ns - start_ns) FROM "
                            "forward_kernel k WHERE k.probe = 'cupti-activity' AND k.phase = "
                            "g.phase AND k.run_no = (SELECT run_no FROM run r "
                            "WHERE r.run_id = g.run_id)) = s.median_ns"),
                     2 + 2 + 3);
    make_folder(&folder);
    enum err e = plot_render(l->store, figure_find("breakdown"), folder, &written);
    if (e != ERR_UNSUPPORTED) ok(e); /* without gnuplot data and caption are there all the same */
    strbuf_free(&written);
    snprintf(path, sizeof path, "%s/breakdown-cuda-0.tsv", (char *)folder);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("no %s", path);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    assert_non_null(strstr(text, "\tno kernel runs\t"));
    remove_folder(&folder);
}

static void every_kernel_is_known_by_its_operation(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    add(l, "ar");
    add(l, "ar")->matmul = MATMUL_OWN;
    add(l, "block")->graph = 1;
    run_all(l);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'ok'"), 3 * 4);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status <> 'ok'"), 0);
    /* Nothing ran that no operation had asked for, and each ran on the imagined device's clock. */
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_kernel WHERE probe = 'cupti-activity' "
                            "AND (op IS NULL OR end_ns - start_ns < 999 OR rows IS NULL)"),
                     0);
    /* The model's calls, as the ledger counted them, less those that launch nothing. */
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_forward_op k JOIN (SELECT r.run_id, f.phase, "
                            "o.op, MAX(o.calls) AS calls FROM run r JOIN forward f ON f.run_no = "
                            "r.run_no JOIN forward_op o ON o.op_id BETWEEN 32 * f.forward_id AND "
                            "32 * f.forward_id + 31 WHERE f.kind = 'trace' GROUP BY r.run_id, "
                            "f.phase, o.op) o ON o.run_id = k.run_id AND o.phase = k.phase AND "
                            "o.op = k.op WHERE o.calls <> k.calls"),
                     0);
    assert_true(ask(l, "SELECT COUNT(DISTINCT op) FROM v_forward_op") >= 10);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_operation"),
                     ask(l, "SELECT COUNT(*) FROM v_forward_op"));
    /* The imagined cuBLAS takes a launch and a FLOP's time each; its peak was measured to 0.2 %. */
    assert_true(ask(l, "SELECT COUNT(*) FROM v_operation WHERE op = 'head'") >= 3);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_operation JOIN v_run USING (run_id) WHERE "
                            "matmul = 'cublas' AND op = 'head' AND abs(of_peak * (1000 + flop / "
                            "0.8) / (flop / 0.8) - 1) > 5e-3"),
                     0);
    /* The head of a decode forward: one row by the vocabulary, two FLOPs a weight. */
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_operation o JOIN (SELECT run_id, phase, "
                            "2.0 * SUM(rows * columns * inner) AS flop FROM v_matmul_kernel WHERE "
                            "op = 'head' GROUP BY run_id, phase) m USING (run_id, phase) "
                            "WHERE o.op = 'head' AND o.flop <> m.flop"),
                     0);

    /* AR decodes one row: two layers of q/k/v, out, up and down, and a head. */
    assert_int_equal(ask(l, "SELECT SUM(calls) FROM v_matmul_kernel JOIN v_run USING (run_id) "
                            "WHERE decoder = 'ar' AND matmul = 'cublas' AND phase = 'decode' "
                            "AND rows = 1"),
                     4 * LAYERS + 1);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_matmul_kernel JOIN v_run USING (run_id) "
                            "WHERE matmul = 'cublas' AND kernels NOT LIKE '%gemm%'"),
                     0);
    /* Where sums are no multiple of 8 the tensor cores' kernels cannot read rows. */
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_matmul_kernel JOIN v_run USING (run_id) "
                            "WHERE matmul = 'own' AND (launches <> 1 OR kernels NOT LIKE "
                            "iif(inner % 8, '%plain_kernel%', '%few_kernel%'))"),
                     0);
    assert_true(ask(l, "SELECT COUNT(*) FROM v_matmul_kernel WHERE op = 'head'") >= 3);
    a_gap_is_what_kernels_leave_of_a_forward(l);
}

static void required_counters_are_asked_for_before_a_sweep(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    add(l, "ar");
    l->options.count.mode = COUNTERS_REQUIRE;
    l->d->fail_call = "cuptiProfilerGetCounterAvailability";
    l->d->fail_from = 1;
    l->d->fail_with = 35;
    fails(execute_check(&l->cells, &l->options), ERR_UNSUPPORTED,
          "NVreg_RestrictProfilingToAdminUsers=0");
    assert_int_equal(err_exit_code(ERR_UNSUPPORTED), 6);
    assert_int_equal(l->d->n_held, 0);
    l->d->fail_call = NULL;
    ok(execute_check(&l->cells, &l->options));
    assert_int_equal(l->d->n_held, 0);
}

/* Counters are lost in the second run's pass: it and what follows keep their timing and a reason;
 * where counting is required, they count as failed.  Later they are counted. */
static void counters_lost_in_a_sweep_leave_whole_runs(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    struct execution x;
    add(l, "ar");
    add(l, "block");
    l->options.reuse = true;
    l->options.count.mode = COUNTERS_REQUIRE;
    l->options.count.probes = "cupti-activity,cupti-base";
    l->d->fail_call = "cuptiRangeProfilerPushRange";
    l->d->fail_from = 12; /* known work and the forwards of the first run are 2 + 4 */
    l->d->fail_with = 26;
    ok(execute_cells(l->store, &l->cells, &l->options, &x));
    assert_int_equal(x.n_ran, 2);
    assert_int_equal(x.n_failed, 1);
    assert_non_null(strstr(x.first_failure, "another program holds the counters"));
    execution_free(&x);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM run WHERE status = 'ok'"), 2);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'ok'"), 3);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'unavailable' AND reason "
                            "LIKE '%another program%'"),
                     1);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_counter f WHERE NOT EXISTS (SELECT 1 "
                            "FROM counting c WHERE c.run_no = f.run_no AND c.probe = f.probe AND "
                            "c.status = 'ok')"),
                     0);
    is_sound(l->store);

    cupti_double_reset();
    run_all(l);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM run"), 2);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'ok'"), 4);
}

/* The device itself is lost while its first run is counted: all that was timed is there, nothing is
 * half counted. */
static void a_device_lost_while_counting_takes_no_timing_with_it(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    struct execution x;
    add(l, "ar");
    add(l, "block");
    /* How many norms there are until all has been timed, and not counted yet. */
    l->options.count.mode = COUNTERS_OFF;
    n_norms = 0;
    run_all(l);
    store_close(l->store);
    l->store = memory_store();
    l->options.count.mode = COUNTERS_AUTO;
    cusim_lose_at("rmsnorm", n_norms + 12);
    enum err e = execute_cells(l->store, &l->cells, &l->options, &x);
    execution_free(&x);
    if (e != ERR_NONE) assert_int_equal(err_exit_code(e), 6);
    assert_non_null(strstr(cusim_report(), "device was lost"));
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM run WHERE status = 'ok'"), 2);
    assert_true(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'unavailable' AND reason LIKE "
                       "'%device was lost%'") >= 1);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'ok'"), 0);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_kernel"), 0);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_counter"), 0);
    is_sound(l->store);
    assert_int_equal(l->d->n_held, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kernel_is_known_by_its_operation),
        TEST(required_counters_are_asked_for_before_a_sweep),
        TEST(counters_lost_in_a_sweep_leave_whole_runs),
        TEST(a_device_lost_while_counting_takes_no_timing_with_it),
    };
    if (cusim_absent()) return cusim_test_all();
    return RUN_NAMED(tests, argc, argv);
}
