/* test_counting_run.c - counting a finished run: a real decode on the CPU, with a stand-in for the
 * counters around it.  What is stored, what the views make of it, and what a failure leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/execute.h"
#include "tests/cupti/double.h"
#include "tests/store_fixture.h"

/* Three forwards: prefill, and two of decode; the second of those is the pinned one. */
enum { N_GEN = 3, BATCH = 2, MATMUL = 64, ADD_BYTES = 1 << 16, DECODES = 6 };

static const struct measure_limits quick = {
    .n_rounds = 3, .visit_ns = 1, .max_visit_samples = 2, .max_decodes = 2, .decode_ns = 1};
static const struct count_limits few = {
    .max_decodes = DECODES,
    .decode_ns = 60 * 1000000000LL,
    .energy_ns = 1000000,
    .max_forwards = 100,
    .known = {.add_bytes = ADD_BYTES, .matmul = MATMUL, .flush_bytes = 1 << 16}};
static const struct count_limits one = {
    .max_decodes = 1,
    .energy_ns = 1,
    .max_forwards = 100,
    .known = {.add_bytes = ADD_BYTES, .matmul = MATMUL, .flush_bytes = 1 << 16}};

#define ALL_PROBES "cupti-activity,nvml,cupti-base,cupti-wide,cupti-kernel,cupti-vector"

struct lab {
    struct cupti_double *d; /* NULL: nothing to stand in for */
    char path[600];         /* a database with one timed run */
    char run_id[37];
    struct log log;
    FILE *talk;
    struct planned_cell cell;
    struct engine *engine;
    struct store *store; /* a copy of it, of each test its own */
    char why[512];
};

static int time_a_run(void **state)
{
    struct lab *l = calloc(1, sizeof *l);
    void *folder;
    assert_non_null(l);
    make_folder(&folder);
    snprintf(l->path, sizeof l->path, "%s/timed.db", (char *)folder);
    free(folder);
    l->talk = fopen("/dev/null", "w");
    log_open(&l->log, l->talk, LOG_ERROR);
    axes_default(&l->cell.cell, "cpu");
    snprintf(l->cell.cell.model, sizeof l->cell.cell.model, "tiny-test");
    l->cell.cell.threads = 1;
    l->cell.cell.spec.batch = BATCH;
    l->cell.cell.spec.n_prompt = 8;
    l->cell.cell.spec.n_gen = N_GEN;
    axes_resolve(&l->cell.cell);
    l->cell.pair = -1;
    struct cell_list cells = {.cell = &l->cell, .n = 1};
    const struct execute_options o = {.command = "test", .limits = &quick, .log = &l->log};
    struct execution x;
    struct store *s = open_ok(l->path, STORE_WRITE);
    ok(execute_cells(s, &cells, &o, &x));
    memcpy(l->run_id, x.run[0].run_id, sizeof l->run_id);
    execution_free(&x);
    store_close(s);
    ok(engine_open("cpu", &l->log, &l->engine));
    l->d = cupti_double();
    *state = l;
    return 0;
}

static int forget(void **state)
{
    struct lab *l = *state;
    char command[700];
    engine_close(l->engine);
    fclose(l->talk);
    snprintf(command, sizeof command, "rm -r \"$(dirname '%s')\"", l->path);
    int rc = system(command);
    free(l);
    return rc;
}

static void copy_run(struct lab *l)
{
    int64_t n;
    store_close(l->store);
    l->store = memory_store();
    ok(store_merge(l->store, l->path, &n));
    assert_int_equal(n, 1);
}

static int set_up(void **state)
{
    struct lab *l = *state;
    cupti_double_reset();
    copy_run(l);
    return 0;
}

static int tear_down(void **state)
{
    struct lab *l = *state;
    store_close(l->store);
    l->store = NULL;
    return 0;
}

static void need_stand_in(const struct lab *l)
{
    if (l->d) return;
    print_message("skipped: built without CUPTI, so there is nothing to stand in for\n");
    skip();
}

static void count_with(struct lab *l, const struct count_options *o, int32_t device)
{
    ok(count_run(o, l->engine, l->store, &l->cell.cell, device, l->run_id, l->why, sizeof l->why));
}

static int64_t ask(struct lab *l, const char *sql)
{
    return ask_int(l->store, sql, NULL);
}

static double ask_number(struct lab *l, const char *sql)
{
    return ask_real(l->store, sql, NULL);
}

/* Session 1 is the known work.  In the others forward i of session s reads 1e6 (i + 1) + s bytes,
 * writes a tenth of 1e6 (i + 1), and does 2000 (i + 1) tensor FLOPs. */
static double plausible(int32_t session, const char *range, const char *metric)
{
    int i = 0;
    sscanf(range, "forward%d", &i);
    double k = i + 1;
    const double add = ADD_BYTES / 4096 / 4 * 4096 * 4 + 4096 * 4; /* whole rows of 4096 floats */
    if (session == 1 && i == 0) {
        if (strstr(metric, "dram__bytes_read")) return 2 * add;
        if (strstr(metric, "dram__bytes_write")) return add;
        if (strstr(metric, "srcunit_tex")) return 3 * add / 32;
        return strstr(metric, "op_fadd") ? add / 4 : 0;
    }
    if (session == 1) return strstr(metric, "ops_path_tensor") ? 2.2 * MATMUL * MATMUL * MATMUL : 0;
    if (strstr(metric, "dram__bytes_read")) return 1e6 * k + session;
    if (strstr(metric, "dram__bytes_write")) return 1e5 * k;
    if (strstr(metric, "srcunit_tex")) return 1e5 * k;
    if (strstr(metric, "peak_sustained")) return 1000;
    if (strstr(metric, "per_second")) return 1e9;
    if (strstr(metric, "ops_path_tensor")) return 2000 * k;
    if (strstr(metric, "op_ffma")) return 50 * k;
    return 0;
}

static void what_was_counted_is_stored_and_viewed(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    const struct count_options o = {.mode = COUNTERS_AUTO, .probes = ALL_PROBES, .limits = &few};
    l->d->value = plausible;
    count_with(l, &o, 0);
    assert_string_equal(l->why, "");
    assert_string_equal(l->d->misused, "");
    assert_int_equal(l->d->n_held, 0);
    is_sound(l->store);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'ok'"), 6);
    assert_int_equal(ask(l, "SELECT passes FROM counting WHERE probe = 'cupti-wide'"), 5);
    assert_int_equal(ask(l, "SELECT version FROM counting WHERE probe = 'cupti-base'"), 130001);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_counter WHERE probe = 'cupti-base'"),
                     DECODES * 3);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_counter f WHERE NOT EXISTS (SELECT 1 "
                            "FROM forward g WHERE g.run_no = f.run_no AND g.kind = 'decode' "
                            "AND g.step = f.step AND g.phase = f.phase)"),
                     0);

    /* Decode: forwards 1 and 2 of sessions 2 to 7, to as many decodes as were timed. */
    int64_t samples = ask(l, "SELECT samples FROM v_phase WHERE phase = 'decode'");
    int64_t reads = 0;
    for (int32_t s = 2; s < 2 + DECODES; s++) reads += 2000000 + s + 3000000 + s;
    assert_int_equal(ask(l, "SELECT dram_read_bytes_counter FROM v_phase WHERE phase = 'decode'"),
                     reads * samples / DECODES);
    assert_int_equal(ask(l, "SELECT dram_write_bytes_counter FROM v_phase WHERE phase = 'decode'"),
                     500000 * samples);
    assert_int_equal(ask(l, "SELECT flop_tensor_counter FROM v_phase WHERE phase = 'decode'"),
                     10000 * samples);
    assert_int_equal(ask(l, "SELECT flop_counter FROM v_phase WHERE phase = 'decode'"),
                     (10000 + 2 * 50 * 5) * samples);
    assert_int_equal(ask(l, "SELECT flop_matmul > 0 AND bytes_dram > 0 FROM v_phase "
                            "WHERE phase = 'decode'"),
                     1);

    /* The pinned forward is step 2: 3e6 + session bytes read, 3e5 written. */
    assert_near(ask_number(l, "SELECT dram_read_bytes_counter FROM v_step WHERE phase = 'decode'"),
                3000000 + 4.5);
    assert_near(ask_number(l, "SELECT counter FROM v_model_vs_counter WHERE phase = 'decode' "
                              "AND quantity = 'dram_bytes'"),
                3300000 + 4.5);
    /* Six samples: the interval is their range. */
    assert_near(ask_number(l, "SELECT counter_hi - counter_lo FROM v_model_vs_counter "
                              "WHERE phase = 'decode' AND quantity = 'dram_bytes'"),
                DECODES - 1);
    assert_near(ask_number(l, "SELECT m.ratio * p.bytes FROM v_model_vs_counter m JOIN (SELECT "
                              "AVG(bytes_dram) AS bytes FROM forward WHERE kind = 'pinned' AND "
                              "phase = 'decode') p WHERE m.phase = 'decode' AND m.quantity = "
                              "'dram_bytes'"),
                3300000 + 4.5);
    assert_near(ask_number(l, "SELECT counter FROM v_model_vs_counter WHERE phase = 'decode' "
                              "AND quantity = 'flop'"),
                6000 + 2 * 150);
    assert_near(ask_number(l, "SELECT f.intensity_flop_per_byte * 3300004.5 / "
                              "(SELECT AVG(flop_matmul + flop_attention) FROM forward "
                              "WHERE kind = 'pinned' AND phase = 'decode') FROM v_roofline f "
                              "WHERE evidence = 'counter' AND work = 'algorithmic' "
                              "AND phase = 'decode'"),
                1);
    assert_near(ask_number(l, "SELECT intensity_flop_per_byte * 3300004.5 FROM v_roofline WHERE "
                              "evidence = 'counter' AND work = 'executed' AND phase = 'decode'"),
                6300);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_roofline WHERE evidence = 'timing'"), 2 * 3);
    assert_near(ask_number(l, "SELECT dram_peak_bytes_per_s FROM v_counter WHERE phase = 'decode'"),
                1e12);

    /* Known work: the stand-in pads the matmul by a tenth. */
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_known_work WHERE work = 'add' AND ratio = 1 "
                            "AND NOT off"),
                     3 + 3 + 1);
    assert_near(ask_number(l, "SELECT ratio FROM v_known_work WHERE work = 'matmul'"),
                (double)(int64_t)(2.2 * MATMUL * MATMUL * MATMUL + 0.5) /
                    (2.0 * MATMUL * MATMUL * MATMUL));
    assert_int_equal(ask(l, "SELECT off FROM v_known_work WHERE work = 'matmul'"), 1);

    /* Two readings, 50 J apart. */
    assert_int_equal(ask(l, "SELECT energy_mj FROM energy"), 50000);
    assert_near(ask_number(l, "SELECT joules_per_token * tokens FROM v_energy"), 50);
    assert_int_equal(ask(l, "SELECT tokens = decodes * 6 AND throttle_bits = 4 FROM energy"), 1);

    /* Kernels of the pinned forwards: traced by name, counted by ordinal. */
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_kernel"), 2 * 2 * 3);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_forward_kernel WHERE launches = 1 AND "
                            "time_ns = 60 AND dram_read_bytes IS NOT NULL"),
                     2 * 3);

    /* The stand-in gives its kernels to the forward's first operations. */
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_kernel WHERE probe = 'cupti-activity' "
                            "AND ordinal = call AND op = CASE ordinal WHEN 0 THEN 'embed' WHEN 1 "
                            "THEN 'rmsnorm' ELSE 'matmul' END AND rows = iif(phase = 'decode', 2, "
                            "16) AND (columns IS NOT NULL) = (op = 'matmul')"),
                     2 * 3);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_matmul_kernel WHERE kernels = 'add' AND calls "
                            "= 1 AND flop_per_s > 0"),
                     2);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_launch_gap WHERE kernel_ns = 180 AND gap_ns = "
                            "time_ns - 180"),
                     2);

    /* Counted once. */
    int32_t calls = l->d->n_calls;
    count_with(l, &o, 0);
    assert_int_equal(l->d->n_calls, calls);
}

static void an_empty_cache_is_another_pass(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    struct count_options o = {.mode = COUNTERS_AUTO, .probes = "cupti-base", .limits = &one};
    count_with(l, &o, 0);
    o.l2 = L2_COLD;
    count_with(l, &o, 0);
    assert_string_equal(l->why, "");
    assert_int_equal(ask(l, "SELECT COUNT(DISTINCT l2_state) FROM v_counter"), 2);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_counter"), 2 * 3);
    /* Views of a decode take the steady one. */
    assert_int_equal(ask(l, "SELECT dram_read_bytes_counter / samples FROM v_phase "
                            "WHERE phase = 'prefill'"),
                     1);
}

static void long_decodes_are_counted_in_part(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    struct count_limits limits = one;
    limits.max_forwards = 1; /* every third, and the pinned ones: 0 and 2 */
    const struct count_options o = {
        .mode = COUNTERS_AUTO, .probes = "cupti-base", .limits = &limits};
    count_with(l, &o, 0);
    assert_int_equal(ask(l, "SELECT SUM(step) FROM forward_counter"), 2);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_phase WHERE phase = 'decode' "
                            "AND dram_read_bytes_counter IS NULL"),
                     1);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_step WHERE dram_read_bytes_counter = 1"), 2);
}

/* ---- failures ---- */

/* Nothing of a pass that failed but its reason, and the run as it was. */
static void only_reasons_are_left(struct lab *l, int32_t n)
{
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'unavailable' AND "
                            "length(reason) > 20"),
                     n);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_counter JOIN counting USING (run_no, "
                            "probe, l2_state) WHERE status <> 'ok'"),
                     0);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_kernel JOIN counting USING (run_no, "
                            "probe, l2_state) WHERE status <> 'ok'"),
                     0);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM run WHERE status = 'ok'"), 1);
    is_sound(l->store);
}

static void every_call_can_fail_in_the_middle_of_a_sweep(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    static const char *const probes[] = {"cupti-base", "cupti-wide", "cupti-kernel",
                                         "cupti-activity", "nvml"};
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        const struct count_options o = {.mode = COUNTERS_AUTO, .probes = probes[i], .limits = &one};
        int32_t failures = 0;
        copy_run(l);
        /* Every call at first; a trace tells of every operation, so then every seventh. */
        for (int32_t k = 1;; k += k < 60 ? 1 : 7) {
            cupti_double_reset();
            l->d->fail_at = k;
            l->d->fail_with = 35;
            count_with(l, &o, 0);
            assert_int_equal(l->d->n_held, 0);
            assert_int_equal(l->d->n_libraries, 0);
            assert_string_equal(l->d->misused, "");
            if (!l->d->failed[0]) break;
            /* A call of closing can fail when all has been counted. */
            int32_t n = *l->why != '\0';
            failures += n;
            only_reasons_are_left(l, n);
            assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting"), 1);
            if (n == 0) copy_run(l); /* counted: what follows must count it again */
        }
        assert_true(failures > 10);
        assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'ok'"), 1);
    }
}

static void what_could_not_be_counted_is_counted_later(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    const struct count_options o = {
        .mode = COUNTERS_AUTO, .probes = "cupti-activity,cupti-base", .limits = &one};
    l->d->fail_call = "cuptiRangeProfilerPushRange"; /* lost in the middle of a decode */
    l->d->fail_from = 4;
    l->d->fail_with = 26;
    count_with(l, &o, 0);
    assert_non_null(strstr(l->why, "cupti-base: another program holds the counters"));
    only_reasons_are_left(l, 1);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'ok'"), 1);
    cupti_double_reset();
    count_with(l, &o, 0);
    assert_string_equal(l->why, "");
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'ok'"), 2);
    only_reasons_are_left(l, 0);
}

static void dropped_ranges_and_wrong_chips_leave_their_reason(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    const struct count_options o = {
        .mode = COUNTERS_AUTO, .probes = "cupti-base,cupti-vector", .limits = &one};
    char reason[256];
    l->d->dropped = 1;
    count_with(l, &o, 0);
    only_reasons_are_left(l, 2);
    assert_non_null(strstr(l->why, "lost the counters of 1 ranges"));
    cupti_double_reset();
    l->d->chip = "GB100";
    count_with(l, &o, 0);
    only_reasons_are_left(l, 2);
    assert_non_null(strstr(ask_text(l->store, "SELECT MIN(reason) FROM counting", NULL, reason),
                           "the chip GB100"));
}

static void other_tokens_are_other_work(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    const struct count_options o = {.mode = COUNTERS_AUTO, .probes = "cupti-base", .limits = &one};
    struct planned_cell other = l->cell;
    other.cell.spec.seed = 2;
    ok(count_run(&o, l->engine, l->store, &other.cell, 0, l->run_id, l->why, sizeof l->why));
    assert_non_null(strstr(l->why, "other tokens"));
    only_reasons_are_left(l, 1);
}

static void devices_without_counters_say_so(void **state)
{
    struct lab *l = *state;
    struct count_options o = {.mode = COUNTERS_AUTO, .limits = &one};
    o.probes = COUNT_PROBES;
    count_with(l, &o, count_device("cpu"));
    assert_non_null(strstr(l->why, "counts on NVIDIA GPUs (cuda:N)"));
    only_reasons_are_left(l, 4);
    assert_int_equal(count_device("cuda:3"), 3);
    assert_int_equal(count_device("cpu"), COUNT_CPU);

    assert_false(count_wanted(&(struct count_options){.mode = COUNTERS_DEFAULT}, "cpu"));
    assert_true(count_wanted(&(struct count_options){.mode = COUNTERS_DEFAULT}, "cuda:0"));
    assert_false(count_wanted(&(struct count_options){.mode = COUNTERS_OFF}, "cuda:0"));
    assert_true(count_wanted(&o, "cpu"));
    assert_false(count_wanted(&o, "sim:a100-80gb"));

    o.mode = COUNTERS_REQUIRE;
    fails(count_check(&o, "cpu"), ERR_UNSUPPORTED, "cupti-activity counts on NVIDIA GPUs");
    o.probes = "perf";
    fails(count_check(&o, "cuda:0"), ERR_UNSUPPORTED, "perf counts on the CPU");
    assert_int_equal(err_exit_code(ERR_UNSUPPORTED), 6);
    o.probes = "cupti-base,cupti-bsae";
    fails(count_check(&o, "cuda:0"), ERR_USAGE, "no probe \"cupti-bsae\"");
}

/* The real kernel, around a real decode. */
static void a_run_on_the_cpu_is_counted_by_the_kernel(void **state)
{
    struct lab *l = *state;
    const struct count_options o = {.mode = COUNTERS_AUTO, .limits = &few};
    char why[512];
    for (int32_t i = 0; count_probe_at(i); i++)
        if (strcmp(count_probe_at(i)->name, "perf-software") == 0)
            count_probe_reason(count_probe_at(i), COUNT_CPU, why, sizeof why);
    if (*why) {
        print_message("skipped: %s\n", why);
        return;
    }
    count_with(l, &o, COUNT_CPU);
    /* Prefill and two decodes, of each counted decode. */
    assert_int_equal(ask(l, "SELECT samples FROM counting WHERE probe = 'perf-software'"), DECODES);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_counter WHERE probe = 'perf-software' "
                            "AND task_clock_ns > 0 AND page_faults >= 0"),
                     DECODES * 3);
    /* Not by hardware: NULL, never 0, and nothing that could pass for measured traffic. */
    assert_int_equal(ask(l,
                         "SELECT COUNT(*) FROM forward_counter WHERE probe = 'perf-software' AND "
                         "COALESCE(cpu_cycles, cpu_instructions, llc_misses, dram_read_bytes, "
                         "flop_vector, device_ns) IS NOT NULL"),
                     0);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_counter WHERE phase = 'decode' AND forwards = "
                            "12 AND task_clock_ns > 0"),
                     1);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_model_vs_counter"),
                     ask(l, "SELECT COUNT(*) FROM v_pinned_counter WHERE dram_bytes IS NOT NULL"));
    /* Hardware: counted, or unavailable with its reason. */
    assert_int_equal(ask(l,
                         "SELECT COUNT(*) FROM counting WHERE probe = 'perf' AND (status = 'ok') "
                         "= (reason IS NULL)"),
                     1);
}

static void required_counters_are_looked_for_first(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    struct count_options o = {.mode = COUNTERS_REQUIRE};
    ok(count_check(&o, "cuda:0"));
    l->d->fail_call = "cuptiProfilerGetCounterAvailability";
    l->d->fail_from = 1;
    l->d->fail_with = 35;
    fails(count_check(&o, "cuda:0"), ERR_UNSUPPORTED, "NVreg_RestrictProfilingToAdminUsers=0");
    assert_non_null(strstr(err_msg(), "cupti-base cannot be read"));
    o.mode = COUNTERS_AUTO;
    ok(count_check(&o, "cuda:0"));
    assert_int_equal(l->d->n_held, 0);
}

/* ---- merging ---- */

static void counters_of_a_known_run_are_merged(void **state)
{
    struct lab *l = *state;
    need_stand_in(l);
    char counted[700];
    int64_t n;
    struct count_options o = {.mode = COUNTERS_AUTO, .probes = "cupti-base,nvml", .limits = &one};
    struct store *mine = l->store;
    snprintf(counted, sizeof counted, "%s.counted", l->path);
    l->store = open_ok(counted, STORE_WRITE);
    ok(store_merge(l->store, l->path, &n));
    count_with(l, &o, 0);
    store_close(l->store);
    l->store = mine;

    l->d->no_driver = true; /* here nothing could be counted */
    count_with(l, &o, 0);
    l->d->no_driver = false;
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'unavailable'"), 1);
    for (int again = 0; again < 2; again++) {
        ok(store_merge(l->store, counted, &n));
        assert_int_equal(n, 0);
        assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting WHERE status = 'ok'"), 2);
        assert_int_equal(ask(l, "SELECT COUNT(*) FROM counting"), 2);
        assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward_counter"), 3);
        assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_energy"), 1);
        is_sound(l->store);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_counted_is_stored_and_viewed),
        TEST(an_empty_cache_is_another_pass),
        TEST(long_decodes_are_counted_in_part),
        TEST(every_call_can_fail_in_the_middle_of_a_sweep),
        TEST(what_could_not_be_counted_is_counted_later),
        TEST(dropped_ranges_and_wrong_chips_leave_their_reason),
        TEST(other_tokens_are_other_work),
        TEST(devices_without_counters_say_so),
        TEST(a_run_on_the_cpu_is_counted_by_the_kernel),
        TEST(required_counters_are_looked_for_first),
        TEST(counters_of_a_known_run_are_merged),
    };
    return cmocka_run_group_tests(tests, time_a_run, forget);
}
