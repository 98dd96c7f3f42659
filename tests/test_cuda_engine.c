/* test_cuda_engine.c - cells run on cuda:0 and into a store, the GPU being emulated: what is
 * stored, how its roofs come out, and what a full or lost device leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/app/execute.h"
#include "harness/decode/session.h"
#include "roofline/cuda/ceilings_cuda.h"
#include "tests/cusim/cusim.h"
#include "tests/cusim/named.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

/* A small device, so that its roofs are measured on little data. */
enum { MEMORY = 96 << 20, MAX_CELLS = 10 };

static const struct measure_limits few = {
    .n_rounds = 2, .visit_ns = 0, .max_visit_samples = 2, .max_decodes = 1, .decode_ns = 0};

/* Slow, so that one pass over its smallest data is a sample. */
static const struct cusim_speed slow = {
    .bytes_per_s = 4e6, .half_flop_per_s = 8e8, .f32_flop_per_s = 2e8, .launch_ns = 1000};

struct lab {
    struct store *store;
    struct log log;
    struct planned_cell cell[MAX_CELLS];
    struct cell_list cells;
    struct execute_options options;
    FILE *talk;
};

static struct cell *add(struct lab *l, const char *decoder)
{
    struct planned_cell *p = &l->cell[l->cells.n++];
    memset(p, 0, sizeof *p);
    axes_default(&p->cell, "cuda:0");
    snprintf(p->cell.model, sizeof p->cell.model, "tiny-test");
    snprintf(p->cell.decoder, sizeof p->cell.decoder, "%s", decoder);
    p->cell.layers = 1;
    p->cell.spec.batch = 1;
    p->cell.spec.n_prompt = 4;
    p->cell.spec.n_gen = 4;
    if (strcmp(decoder, "diffusion") == 0 || strcmp(decoder, "block") == 0) {
        p->cell.spec.block_length = 4;
        p->cell.spec.steps = 2;
    }
    axes_resolve(&p->cell);
    p->baseline = strcmp(decoder, "ar") == 0;
    l->cells.n_pairs = 1;
    return &p->cell;
}

static int set_up(void **state)
{
    struct lab *l = calloc(1, sizeof *l);
    cusim_clear();
    cusim_set_order(CUSIM_IN_TURN);
    cusim_set_eager(false);
    cusim_set_memory(MEMORY);
    cusim_set_speed(&slow);
    assert_non_null(l);
    l->talk = fopen("/dev/null", "w");
    log_open(&l->log, l->talk, LOG_ERROR);
    OK(store_open(":memory:", STORE_WRITE, &l->store));
    l->cells.cell = l->cell;
    l->options =
        (struct execute_options){.command = "test", .reuse = true, .limits = &few, .log = &l->log};
    *state = l;
    return 0;
}

static int tear_down(void **state)
{
    struct lab *l = *state;
    store_close(l->store);
    fclose(l->talk);
    free(l);
    cusim_clear();
    assert_int_equal(cusim_live_objects(), 0);
    return 0;
}

static enum err first_real(void *ctx, const struct store_result_row *row)
{
    const struct store_value *v = &row->value[0];
    *(double *)ctx = v->type == VALUE_INT ? (double)v->i : v->type == VALUE_REAL ? v->r : NAN;
    return ERR_NONE;
}

static double ask(struct lab *l, const char *sql)
{
    double v = NAN;
    OK(store_query(l->store, sql, NULL, 0, first_real, &v));
    return v;
}

static void assert_count(struct lab *l, int64_t want, const char *sql)
{
    double got = ask(l, sql);
    if (got != (double)want) fail_msg("%s: %g, not %lld", sql, got, (long long)want);
}

static void no_report(void)
{
    if (cusim_report()) fail_msg("%s", cusim_report());
}

static void every_decoder_runs_and_is_reused(void **state)
{
    struct lab *l = *state;
    struct execution x;
    add(l, "ar");
    add(l, "ar-verify");
    add(l, "diffusion");
    add(l, "block");
    add(l, "block")->graph = 1;
    add(l, "block")->matmul = MATMUL_OWN;
    OK(execute_cells(l->store, &l->cells, &l->options, &x));
    no_report();
    if (x.n_failed) fail_msg("%s", x.first_failure);
    assert_int_equal(x.n_ran, 6);
    execution_free(&x);
    assert_count(l, 6,
                 "SELECT COUNT(*) FROM v_run WHERE status = 'ok' AND device = 'cuda:0' AND "
                 "device_kind = 'cuda' AND threads IS NULL AND variant = 'emulated GPU'");
    assert_count(l, 1, "SELECT COUNT(*) FROM v_run WHERE graph = 'on'");
    assert_count(l, 1, "SELECT COUNT(*) FROM v_run WHERE matmul = 'own'");
    assert_count(l, 5, "SELECT COUNT(*) FROM v_pair");
    /* With and without a graph: the same tokens, the same counts. */
    assert_count(l, 1,
                 "SELECT COUNT(DISTINCT tokens_sha256) FROM v_run WHERE decoder = 'block' "
                 "AND matmul = 'cublas'");
    assert_count(l, 1,
                 "SELECT COUNT(DISTINCT flop || ' ' || bytes_kernel) FROM v_phase JOIN v_run "
                 "USING (run_id) WHERE decoder = 'block' AND phase = 'denoise'");
    /* Every forward was timed on both clocks. */
    assert_count(l, 0, "SELECT COUNT(*) FROM forward WHERE time_ns IS NULL OR device_ns IS NULL");
    assert_true(ask(l, "SELECT COUNT(*) FROM v_gap") >= 6);
    /* A forward's kernels are launched and its bytes moved in the imagined device's time. */
    assert_true(ask(l, "SELECT MIN(device_ns) FROM forward") > 20 * 1000);

    assert_true(ask(l, "SELECT COUNT(*) FROM ceiling WHERE moment = 'before' AND threads IS NULL") >
                8);
    assert_count(l, 0, "SELECT SUM(moment = 'before') - SUM(moment = 'after') FROM ceiling");
    assert_count(l, 12,
                 "SELECT COUNT(*) + (SELECT COUNT(*) FROM price_after) FROM price "
                 "WHERE tier = 'ceilings'");

    OK(execute_cells(l->store, &l->cells, &l->options, &x));
    assert_int_equal(x.n_ran, 0);
    assert_int_equal(x.n_reused, 6);
    execution_free(&x);
}

/* What the imagined device can do is what its roofs say, to within the launches. */
static void roofs_are_the_devices(void **state)
{
    (void)state;
    struct ceilings_cuda *c;
    struct ceiling_set *s = calloc(1, sizeof *s);
    assert_non_null(s);
    OK(ceilings_cuda_open(0, &c));
    OK(ceilings_cuda_measure(c, CEILINGS_QUICK, NULL, NULL, s));
    no_report();
    const struct {
        const char *name, *level;
        double value;
    } want[] = {
        {"read", "dram", slow.bytes_per_s},          {"read", "l2", slow.bytes_per_s},
        {"read", "curve", slow.bytes_per_s},         {"copy", "dram", slow.bytes_per_s},
        {"matmul_bf16", NULL, slow.half_flop_per_s}, {"matmul_f32", NULL, slow.f32_flop_per_s},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const struct ceiling *r = ceilings_find(s, want[i].name, want[i].level, 0);
        assert_non_null(r);
        /* A launch of 1000 ns in samples of at least 1 ms; events have single precision. */
        if (fabs(r->value / want[i].value - 1) > 2e-3)
            fail_msg("%s %s: %g, not %g", r->name, r->level ? r->level : "", r->value,
                     want[i].value);
        assert_true(r->n >= 6 && r->ci_lo <= r->value && r->value <= r->ci_hi);
    }
    const struct ceiling *launch = ceilings_find(s, "launch", NULL, 0);
    const struct ceiling *graph = ceilings_find(s, "launch_graph", NULL, 0);
    assert_true(launch && launch->value > 0 && graph && graph->value > 0);
    assert_non_null(ceilings_find(s, "round_trip", NULL, 0));

    struct price p;
    bool resident;
    struct ceilings_cuda_use use = {.weights = DTYPE_BF16, .kv = DTYPE_F32, .graph = true};
    ceilings_cuda_price(s, &use, INT64_MAX, &p, &resident);
    assert_true(p.known && !resident);
    assert_true(p.matmul_flop_per_s == ceilings_find(s, "matmul_bf16", NULL, 0)->value);
    assert_true(p.attention_flop_per_s == ceilings_find(s, "matmul_f32", NULL, 0)->value);
    assert_true(p.launch_ns == graph->value);
    assert_true(p.bytes_per_s == ceilings_find(s, "read", "dram", 0)->value);
    use.weights = DTYPE_F32;
    use.graph = false;
    ceilings_cuda_price(s, &use, 1, &p, &resident);
    assert_true(resident && p.launch_ns == launch->value);
    assert_true(p.matmul_flop_per_s == ceilings_find(s, "matmul_f32", NULL, 0)->value);
    free(s);
    ceilings_cuda_close(c);
}

/* A cell that does not fit is told in a sentence and the next one runs. */
static void a_cell_that_does_not_fit_fails_alone(void **state)
{
    struct lab *l = *state;
    struct execution x;
    snprintf(add(l, "ar")->model, sizeof l->cell[0].cell.model, "tiny-25m");
    l->cell[0].cell.layers = 0;
    l->cell[0].pair = -1;
    add(l, "ar");
    l->cell[1].pair = -1;
    OK(execute_cells(l->store, &l->cells, &l->options, &x));
    no_report();
    assert_int_equal(x.n_ran, 1);
    assert_int_equal(x.n_failed, 1);
    if (!strstr(x.first_failure, "GB of memory, cuda:0 has 0.")) fail_msg("%s", x.first_failure);
    execution_free(&x);
}

/* Bytes of the device that are taken once it is open, and what the cell takes beside: its weights
 * and session, and what the kernels allocate by themselves. */
static void footprint(const struct cell *c, int64_t *open, int64_t *cell, int64_t *extra)
{
    struct log log;
    struct engine *e;
    struct kernels *k;
    struct kernels_memory memory;
    struct kernels_extra x;
    struct model_config config;
    log_open(&log, stderr, LOG_ERROR);
    OK(engine_open("cuda:0", &log, &e));
    OK(engine_kernels(e, c, &k));
    OK(kernels_memory(k, &memory));
    OK(model_named(c->model, c->layers, &config));
    OK(engine_extra(e, c, &x));
    *open = memory.total_bytes - memory.free_bytes;
    *cell = model_bytes(k, &config, c->dtype) +
            session_bytes(k, &config, decoder_find(c->decoder), &c->spec, c->kv_dtype);
    *extra = x.scratch_bytes + x.graph_bytes;
    engine_close(e);
}

static void run_in(struct lab *l, int64_t bytes, struct execution *x)
{
    cusim_set_memory((size_t)bytes);
    OK(execute_cells(l->store, &l->cells, &l->options, x));
    no_report();
    cusim_set_memory(MEMORY);
}

/* Between what a cell takes by itself and what its kernels take beside, it is refused before a
 * weight is made; with a little more than both it runs. */
static void what_kernels_allocate_is_counted_first(void **state)
{
    struct lab *l = *state;
    struct execution x;
    int64_t open, cell, extra, slack = 64 << 10; /* of blocks that are rounded up */
    struct cell *c = add(l, "ar");
    c->dtype = DTYPE_F32; /* widened operands, twice as large as needed */
    c->spec.n_prompt = 48;
    c->graph = 1;
    axes_resolve(c);
    footprint(c, &open, &cell, &extra);
    if (extra < 4 * slack) fail_msg("%lld bytes are too few to tell", (long long)extra);

    run_in(l, open + cell + extra / 2, &x);
    assert_int_equal(x.n_failed, 1);
    if (!strstr(x.first_failure, "tiny-test needs 0.")) fail_msg("%s", x.first_failure);
    execution_free(&x);
    assert_count(l, 0, "SELECT COUNT(*) FROM forward");

    run_in(l, open + cell + extra + slack, &x);
    if (x.n_failed) fail_msg("%s", x.first_failure);
    assert_int_equal(x.n_ran, 1);
    execution_free(&x);
}

/* The device is lost in the middle: what ran stays, what was under way is a failed run with a
 * sentence and no forwards, and the program ends with one. */
static void a_lost_device_leaves_no_half_run(void **state)
{
    struct lab *l = *state;
    struct execution x;
    add(l, "ar");
    add(l, "block");
    cusim_lose_at("rmsnorm", 40);
    enum err e = execute_cells(l->store, &l->cells, &l->options, &x);
    assert_int_equal(e, ERR_DEVICE);
    assert_non_null(strstr(err_msg(), "device was lost"));
    assert_int_equal(err_exit_code(e), 6);
    execution_free(&x);
    assert_true(ask(l, "SELECT COUNT(*) FROM run WHERE status = 'failed' AND message LIKE "
                       "'%device was lost%'") >= 1);
    assert_count(l, 0, "SELECT COUNT(*) FROM run WHERE status = 'ok'");
    assert_count(l, 0, "SELECT COUNT(*) FROM forward");

    /* The same sweep on a device that works again. */
    cusim_clear();
    OK(execute_cells(l->store, &l->cells, &l->options, &x));
    assert_int_equal(x.n_ran, 2);
    execution_free(&x);
}

static void what_is_not_there_is_a_sentence(void **state)
{
    (void)state;
    struct log log;
    struct engine *e;
    log_open(&log, stderr, LOG_ERROR);
    assert_int_equal(engine_open("cuda:1", &log, &e), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "no GPU 1"));
    cusim_set_memory(1 << 20);
    assert_int_equal(engine_open("cuda:0", &log, &e), ERR_NOMEM);
    cusim_set_memory(MEMORY);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_decoder_runs_and_is_reused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(roofs_are_the_devices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cell_that_does_not_fit_fails_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_kernels_allocate_is_counted_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_device_leaves_no_half_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_a_sentence, set_up, tear_down),
    };
    if (cusim_absent()) return cusim_test_all();
    return RUN_NAMED(tests, argc, argv);
}
