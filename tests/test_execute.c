/* test_execute.c - cells run on the CPU and into a store: what is measured, in which order, what
 * is reused, and what a failure leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/app/execute.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

/* Nothing here asks how high the roofs are, only when they are measured. */
static const struct ceilings_effort little = {
    .sample_ns = 20000, .buffer_bytes = 4 << 20, .attempts = 1};

struct lab {
    struct store *store;
    struct log log;
    struct planned_cell cell[4];
    struct cell_list cells;
    struct execute_options options;
    FILE *talk;
};

static void add(struct lab *l, const char *device, const char *decoder, int32_t batch)
{
    struct planned_cell *p = &l->cell[l->cells.n++];
    memset(p, 0, sizeof *p);
    axes_default(&p->cell, device);
    snprintf(p->cell.model, sizeof p->cell.model, "tiny-test");
    snprintf(p->cell.decoder, sizeof p->cell.decoder, "%s", decoder);
    p->cell.spec.batch = batch;
    p->cell.spec.n_prompt = 8;
    p->cell.spec.n_gen = 8;
    if (strcmp(decoder, "ar") != 0) {
        p->cell.spec.block_length = 4;
        p->cell.spec.steps = 2;
    }
    axes_resolve(&p->cell);
    p->baseline = strcmp(decoder, "ar") == 0;
    l->cells.n_pairs = 1;
}

static int set_up(void **state)
{
    struct lab *l = calloc(1, sizeof *l);
    assert_non_null(l);
    l->talk = fopen("/dev/null", "w");
    log_open(&l->log, l->talk, LOG_ERROR);
    OK(store_open(":memory:", STORE_WRITE, &l->store));
    l->cells.cell = l->cell;
    l->options = (struct execute_options){.command = "test",
                                          .reuse = true,
                                          .limits = &measure_default,
                                          .effort = &little,
                                          .log = &l->log};
    *state = l;
    return 0;
}

static int tear_down(void **state)
{
    struct lab *l = *state;
    store_close(l->store);
    fclose(l->talk);
    free(l);
    return 0;
}

static enum err first_int(void *ctx, const struct store_result_row *row)
{
    *(int64_t *)ctx = row->value[0].type == VALUE_INT ? row->value[0].i : -999;
    return ERR_NONE;
}

static int64_t ask(struct lab *l, const char *sql)
{
    int64_t v = -1;
    OK(store_query(l->store, sql, NULL, 0, first_int, &v));
    return v;
}

/* As if every matmul of tiny-test had been timed at 1000 ns a row. */
static void know_matmul_times(struct lab *l)
{
    static const int64_t shape[][2] = {{120, 72}, {72, 72}, {200, 72}, {72, 100}, {211, 72}};
    struct kernel_row row[10] = {{0}};
    struct invocation i = {.argv = "bench"};
    struct engine *e;
    char id[37];
    OK(engine_open("cpu", &l->log, &e));
    struct device_row d = engine_device(e);
    OK(store_begin_invocation(l->store, &i, &d, id));
    for (int32_t k = 0; k < 10; k++)
        row[k] = (struct kernel_row){.op = k < 8 ? OP_MATMUL : OP_HEAD,
                                     .model = "tiny-test",
                                     .dtype = DTYPE_BF16,
                                     .rows = k % 2 ? 50 : 1,
                                     .columns = shape[k / 2][0],
                                     .inner = shape[k / 2][1],
                                     .threads = engine_threads(e, &l->cell[0].cell),
                                     .n = 1,
                                     .time_ns = k % 2 ? 50000 : 1000,
                                     .flop_per_s = 1,
                                     .bytes_per_s = 1,
                                     .cache_resident = true};
    OK(store_add_kernels(l->store, id, row, 10));
    OK(store_end_invocation(l->store, id, 0));
    engine_close(e);
}

static void execute(struct lab *l, struct execution *x)
{
    OK(execute_cells(l->store, &l->cells, &l->options, x));
}

static void a_pair_is_measured_in_turns(void **state)
{
    struct lab *l = *state;
    struct execution x;
    add(l, "cpu", "ar", 2);
    add(l, "cpu", "block", 2);
    know_matmul_times(l);
    execute(l, &x);
    assert_int_equal(x.n_ran, 2);
    assert_int_equal(x.n, 2);
    assert_true(x.run[0].predicted && x.run[1].predicted);
    execution_free(&x);

    /* Whole decodes: a marked warm-up and at least one that counts, the same work each. */
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_run WHERE status = 'ok'"), 2);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward WHERE kind = 'decode' AND warmup"),
                     8 + 7);
    assert_true(ask(l, "SELECT MIN(samples) FROM v_phase") >= 1);
    assert_int_equal(ask(l, "SELECT SUM(tokens_committed / samples) FROM v_phase"), 2 * 2 * 8);
    assert_int_equal(ask(l, "SELECT forwards / samples FROM v_phase p JOIN v_run USING (run_id) "
                            "WHERE decoder = 'block' AND phase = 'denoise'"),
                     4);

    /* Each kind of forward at least ten times at one context. */
    assert_true(ask(l, "SELECT MIN(n) FROM v_step") >= 10);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_step"), 2 + 3);
    assert_int_equal(ask(l, "SELECT MAX(n) FROM (SELECT COUNT(DISTINCT step) AS n FROM forward "
                            "WHERE kind = 'pinned' GROUP BY run_no, phase)"),
                     1);

    /* In turns: forwards A B, backwards B A, so each round switches once, and the first
     * forward after a switch is marked, and perhaps some that follow it at once. */
    int64_t rounds = ask(l, "SELECT COUNT(DISTINCT round) FROM forward WHERE kind = 'pinned'");
    assert_true(rounds >= 6);
    assert_int_equal(
        ask(l, "WITH f AS (SELECT run_no, seq, after_switch, LAG(run_no) OVER w AS before, "
               "LAG(after_switch) OVER w AS marked FROM forward WHERE kind IN ('pinned', 'decode') "
               "WINDOW w AS (ORDER BY seq)) "
               "SELECT COUNT(*) FROM f JOIN forward USING (run_no, seq) WHERE kind = 'pinned' "
               "AND CASE f.after_switch WHEN 0 THEN before <> run_no "
               "ELSE before = run_no AND NOT marked END"),
        0);
    assert_true(ask(l, "SELECT SUM(after_switch) FROM forward WHERE kind = 'pinned'") >= rounds);

    /* Matmuls are priced by the times known of them too: 3 layers of 4, and the head's rows. */
    assert_int_equal(ask(l, "SELECT SUM(p.rows) * 12000 - CAST(SUM(o.predicted_table_ns) AS INT) "
                            "FROM v_phase p JOIN v_op o USING (run_id, phase) "
                            "WHERE o.op = 'matmul'"),
                     0);
    assert_int_equal(ask(l, "SELECT SUM(p.logit_rows) * 1000 - CAST(SUM(o.predicted_table_ns) "
                            "AS INT) FROM v_phase p JOIN v_op o USING (run_id, phase) "
                            "WHERE o.op = 'head'"),
                     0);

    /* Roofs before and after. */
    assert_true(ask(l, "SELECT COUNT(*) FROM ceiling WHERE moment = 'before'") > 0);
    assert_int_equal(ask(l, "SELECT SUM(moment = 'before') - SUM(moment = 'after') FROM ceiling"),
                     0);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_pair"), 1);
}

static void finished_cells_are_reused(void **state)
{
    struct lab *l = *state;
    struct execution x;
    add(l, "cpu", "ar", 1);
    add(l, "cpu", "block", 1);
    execute(l, &x);
    assert_int_equal(x.n_ran, 2);
    char first[37];
    memcpy(first, x.run[1].run_id, sizeof first);
    execution_free(&x);
    execute(l, &x);
    assert_int_equal(x.n_ran, 0);
    assert_int_equal(x.n_reused, 2);
    assert_string_equal(x.run[1].run_id, first);
    execution_free(&x);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM run"), 2);

    /* A new partner is measured beside its baseline again. */
    add(l, "cpu", "diffusion", 1);
    execute(l, &x);
    assert_int_equal(x.n_ran, 2);
    assert_int_equal(x.n_reused, 1);
    execution_free(&x);

    l->options.reuse = false;
    l->cells.n = 1;
    execute(l, &x);
    assert_int_equal(x.n_ran, 1);
    execution_free(&x);
}

static void a_failure_is_recorded_and_the_rest_goes_on(void **state)
{
    struct lab *l = *state;
    struct execution x;
    add(l, "cpu", "ar", 1);
    add(l, "cpu", "block", 1);
    /* Logits of a million sequences: 2.4 TB. */
    l->cell[1].cell.spec.batch = 1000000;
    snprintf(l->cell[1].cell.model, sizeof l->cell[1].cell.model, "qwen2.5-0.5b");
    l->cell[1].pair = 1;
    execute(l, &x);
    assert_int_equal(x.n_ran, 1);
    assert_int_equal(x.n_failed, 1);
    assert_non_null(strstr(x.first_failure, "memory"));
    execution_free(&x);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM run WHERE status = 'failed' AND message LIKE "
                            "'%memory%'"),
                     1);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward JOIN run USING (run_no) WHERE status = "
                            "'failed'"),
                     0);
}

static void imagined_devices_are_counted(void **state)
{
    struct lab *l = *state;
    struct execution x;
    add(l, "sim:h200", "ar", 4);
    add(l, "sim:h200", "block", 4);
    execute(l, &x);
    assert_int_equal(x.n_ran, 2);
    execution_free(&x);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM forward WHERE time_ns IS NOT NULL"), 0);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_roofline WHERE evidence <> 'analytic'"), 0);
    execute(l, &x);
    assert_int_equal(x.n_reused, 2);
    execution_free(&x);
}

static void what_cannot_be_run_is_refused_first(void **state)
{
    struct lab *l = *state;
    add(l, "cpu", "ar", 1);
    add(l, "cuda:77", "ar", 1);
    assert_int_equal(execute_check(&l->cells, &l->options), ERR_UNSUPPORTED);
    l->cells.n = 1;
    OK(execute_check(&l->cells, &l->options));
    l->options.only_sim = true;
    assert_int_equal(execute_check(&l->cells, &l->options), ERR_USAGE);
    snprintf(l->cell[0].cell.device, sizeof l->cell[0].cell.device, "sim:a100-80g");
    assert_int_equal(execute_check(&l->cells, &l->options), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "a100-80gb"));
}

/* Decoded for real, block by block, the counts are those of the plan. */
static void plan_and_run_store_the_same_counts(void **state)
{
    struct lab *l = *state;
    struct execution x;
    add(l, "cpu", "block", 3);
    l->cell[0].pair = -1;
    execute(l, &x);
    execution_free(&x);
    snprintf(l->cell[0].cell.device, sizeof l->cell[0].cell.device, "sim:a100-80gb");
    execute(l, &x);
    execution_free(&x);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_phase a JOIN v_phase b ON a.phase = b.phase "
                            "AND a.evidence = 'timing' AND b.evidence = 'analytic' "
                            "WHERE a.flop_matmul / a.samples <> b.flop_matmul "
                            "OR a.flop_attention / a.samples <> b.flop_attention "
                            "OR a.bytes_weight / a.samples <> b.bytes_weight "
                            "OR a.bytes_kv / a.samples <> b.bytes_kv "
                            "OR a.flop_useful / a.samples <> b.flop_useful"),
                     0);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_phase"), 6);
}

/* Same work, another roof for matmuls: the peak of bf16 products; attention stays f32. */
/* An f32 arm and one whose matmuls multiply `compute`, on weights of that dtype. */
static void products_are_held_against_their_own_roof(struct lab *l, enum isa isa,
                                                     enum dtype compute)
{
    struct execution x;
    char sql[900];
    const char *name = dtype_name(compute);
    add(l, "cpu", "ar", 2);
    add(l, "cpu", "ar", 2);
    l->cell[0].cell.isa = l->cell[1].cell.isa = isa;
    l->cell[0].cell.dtype = l->cell[1].cell.dtype = compute;
    l->cell[1].cell.compute = compute;
    know_matmul_times(l);
    execute(l, &x);
    assert_int_equal(x.n_ran, 2);
    execution_free(&x);
    snprintf(sql, sizeof sql,
             "SELECT COUNT(*) FROM v_run WHERE compute_dtype = '%s' AND dtype = '%s' "
             "AND variant LIKE isa || '%% %s'",
             name, name, name);
    assert_int_equal(ask(l, sql), 1);
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM v_run WHERE compute_dtype = 'f32' "
                            "AND variant = iif(isa = 'amx', 'avx512', isa)"),
                     1);
    assert_int_equal(
        ask(l, "SELECT COUNT(*) FROM v_run v JOIN run r USING (run_id) JOIN price p USING (run_no) "
               "WHERE p.tier = 'ceilings' "
               "AND EXISTS (SELECT 1 FROM ceiling c WHERE c.value = p.matmul_flop_per_s "
               "AND c.name = iif(v.compute_dtype = 'f32', 'fma_f32', v.compute_dtype || '_dot')) "
               "AND EXISTS (SELECT 1 FROM ceiling c WHERE c.value = p.attention_flop_per_s "
               "AND c.name = 'fma_f32')"),
        2);
    assert_int_equal(ask(l, "SELECT COUNT(DISTINCT flop / samples || ' ' || bytes_kernel / samples "
                            "|| ' ' || bytes_dram / samples) FROM v_phase WHERE phase = 'decode'"),
                     1);
    /* Times of f32 products are no times of others. */
    assert_int_equal(ask(l, "SELECT COUNT(*) FROM run r JOIN price p USING (run_no) JOIN v_run v "
                            "USING (run_id) WHERE p.tier = 'table'"),
                     ask(l, "SELECT COUNT(*) FROM run r JOIN price p USING (run_no) JOIN v_run v "
                            "USING (run_id) WHERE p.tier = 'table' AND compute_dtype = 'f32'"));
}

static void bf16_products_are_held_against_their_own_roof(void **state)
{
    if (isa_has_bf16(ISA_AVX512) != ERR_NONE) skip();
    products_are_held_against_their_own_roof(*state, ISA_AVX512, DTYPE_BF16);
}

static void products_of_amx_are_held_against_their_own_roof(void **state)
{
    struct cpuinfo cpu;
    cpuinfo_read(&cpu);
    if (cpu.isa < ISA_AMX) skip();
    products_are_held_against_their_own_roof(*state, ISA_AMX, DTYPE_BF16);
}

static void int8_products_are_held_against_their_own_roof(void **state)
{
    struct cpuinfo cpu;
    cpuinfo_read(&cpu);
    if (isa_has_int8(cpu.isa) != ERR_NONE) skip();
    if (cpu.isa > ISA_AVX512) cpu.isa = ISA_AVX512;
    products_are_held_against_their_own_roof(*state, cpu.isa, DTYPE_INT8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pair_is_measured_in_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finished_cells_are_reused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_is_recorded_and_the_rest_goes_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(imagined_devices_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_run_is_refused_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plan_and_run_store_the_same_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bf16_products_are_held_against_their_own_roof, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(products_of_amx_are_held_against_their_own_roof, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(int8_products_are_held_against_their_own_roof, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
