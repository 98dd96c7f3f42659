/* test_match.c - batches chosen to fit the same memory or to wait the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/execute.h"
#include "harness/app/match.h"
#include "harness/app/options.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

/* Cells of a command line, its words separated by blanks. */
static enum err parse(const char *line, struct options *o)
{
    static char text[512];
    char *argv[64] = {"regime"};
    int argc = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " ")) argv[argc++] = w;
    return options_parse(argc, argv, o);
}

static int64_t bytes_at(const struct cell *c, int32_t batch)
{
    struct cell other = *c;
    int64_t bytes;
    other.spec.batch = batch;
    OK(match_memory(&other, &bytes));
    return bytes;
}

/* As many as fit, and not one more; on a simulated device and on this one; with a second model's
 * weights and cache counted. */
static void the_largest_batch_that_fits(void **state)
{
    static const char *const lines[] = {
        "plan -m llama3-8b -p 100 -n 60 --decoder ar,block,ar-verify,diffusion --block-length 20 "
        "--draft qwen2.5-0.5b --match memory --memory-budget 24Gi",
        "run -m tiny-test -p 20 -n 20 --decoder ar,block,ar-verify,diffusion --block-length 10 "
        "--draft tiny-test --match memory --memory-budget 20Mi",
    };
    for (size_t i = 0; i < 2; i++) {
        struct options o;
        OK(parse(lines[i], &o));
        int64_t budget = i ? INT64_C(20) << 20 : INT64_C(24) << 30;
        assert_int_equal(o.cells.n, 4);
        for (int32_t k = 0; k < 4; k++) {
            const struct cell *c = &o.cells.cell[k].cell;
            assert_string_equal(o.cells.cell[k].skip_reason, "");
            assert_true(c->spec.batch > 4);
            assert_true(bytes_at(c, c->spec.batch) <= budget);
            assert_true(bytes_at(c, c->spec.batch + 1) > budget);
            assert_int_equal(o.cells.cell[k].pair, 0); /* of other batches than the baseline's */
        }
        assert_true(o.cells.cell[0].cell.spec.batch != o.cells.cell[3].cell.spec.batch);
        options_free(&o);
    }
}

/* From 8 to 16 sequences of llama3-8b with 2 layers, bf16: K and V of 160 positions; scratch of
 * 100 rows (prompt) or 160 (everything), each x, normed, projected (4096 wide), qkv (6144),
 * attended (4096), gate and up (2 x 14336), their product (14336); logits of 1 or 60 rows, f32 and
 * 4096 picked. Tensors begin at multiples of 4096 bytes: 13 of them differ by less than that each.
 */
static void memory_is_what_a_batch_holds(void **state)
{
    static const struct {
        const char *decoder;
        int64_t rows, logits;
    } cases[] = {{"ar", 100, 1}, {"diffusion", 160, 60}};
    for (size_t i = 0; i < 2; i++) {
        struct cell c;
        axes_default(&c, "sim:a100-80gb");
        strcpy(c.model, "llama3-8b");
        strcpy(c.decoder, cases[i].decoder);
        c.layers = 2;
        c.spec.n_prompt = 100;
        c.spec.n_gen = 60;
        axes_resolve(&c);
        int64_t row = 2 * (4 * 4096 + 6144 + 3 * 14336);
        int64_t want = 160 * 2 * 2 * 8 * 128 * 2 + cases[i].rows * row +
                       cases[i].logits * (2 * 4096 + 4 * 128256);
        int64_t got = bytes_at(&c, 16) - bytes_at(&c, 8);
        assert_true(llabs(got - 8 * want) < 13 * 4096);
    }
}

static double wait_ms(const struct cell *cell, int32_t batch)
{
    struct cell c = *cell;
    struct plan_target t;
    struct plan *p = malloc(sizeof *p);
    struct prediction x;
    double tokens = 0;
    c.spec.batch = batch;
    OK(plan_target_sim(c.device, c.dtype, 0, &t));
    OK(plan_cell(&c, &t, p));
    plan_predict(&c, p, &x);
    for (int ph = PHASE_DECODE; ph < PHASE_COUNT; ph++)
        if (ph != PHASE_PREFILL_DRAFT) tokens += (double)p->phase[ph].work.tokens_committed;
    free(p);
    return x.decode_ns / 1e6 * batch / tokens;
}

static void the_largest_batch_that_waits_no_longer(void **state)
{
    struct options o;
    OK(parse("plan -m llama3-8b -p 128 -n 64 --decoder ar,block --block-length 16 --steps 8 "
             "--match latency --latency-ms 9",
             &o));
    assert_int_equal(o.cells.n, 2);
    for (int32_t k = 0; k < 2; k++) {
        const struct cell *c = &o.cells.cell[k].cell;
        assert_true(wait_ms(c, c->spec.batch) <= 9);
        assert_true(wait_ms(c, c->spec.batch + 1) > 9);
    }
    /* A block's forward slows down sooner. */
    assert_true(o.cells.cell[0].cell.spec.batch > o.cells.cell[1].cell.spec.batch);
    options_free(&o);
}

static enum err first_row(void *ctx, const struct store_result_row *row)
{
    for (int32_t i = 0; i < 5; i++)
        ((double *)ctx)[i] =
            row->value[i].type == VALUE_INT ? (double)row->value[i].i : row->value[i].r;
    return ERR_NONE;
}

static void pairs_show_both_batches(void **state)
{
    struct options o;
    struct store *s;
    struct execution x;
    struct log log;
    double v[5] = {0};
    FILE *talk = fopen("/dev/null", "w");
    log_open(&log, talk, LOG_ERROR);
    OK(parse("plan -m llama3-8b -p 100 -n 60 --decoder ar,block --block-length 20 --match memory "
             "--memory-budget 24Gi",
             &o));
    struct execute_options eo = {
        .command = "test", .only_sim = true, .limits = &measure_default, .log = &log};
    OK(store_open(":memory:", STORE_WRITE, &s));
    OK(execute_cells(s, &o.cells, &eo, &x));
    OK(store_query(s,
                   "SELECT baseline_batch_seqs, batch_seqs, memory_budget_bytes, "
                   "baseline_memory_bytes, memory_bytes FROM v_pair WHERE match = 'memory'",
                   NULL, 0, first_row, v));
    assert_int_equal(v[0], o.cells.cell[0].cell.spec.batch);
    assert_int_equal(v[1], o.cells.cell[1].cell.spec.batch);
    assert_true(v[2] == 24.0 * (1 << 30));
    assert_true(v[3] <= v[2] && v[3] > 0.98 * v[2]);
    assert_true(v[4] <= v[2] && v[4] > 0.98 * v[2]);
    OK(store_query(s,
                   "SELECT COUNT(*), MIN(token_latency_ns * decode_tokens_per_s / batch_seqs), "
                   "SUM(best), 0, 0 FROM v_latency",
                   NULL, 0, first_row, v));
    assert_int_equal(v[0], 2);
    assert_true(fabs(v[1] / 1e9 - 1) < 1e-12);
    assert_int_equal(v[2], 2); /* one run each of two decoders */
    execution_free(&x);
    store_close(s);
    options_free(&o);
    fclose(talk);
}

static void what_cannot_be_matched_is_said(void **state)
{
    static const struct {
        const char *line, *sentence;
    } cases[] = {
        {"run -m tiny-test --match memory", "want --memory-budget"},
        {"run -m tiny-test --match latency --latency-ms 5", "want a sim: device"},
        {"plan -m tiny-test --match latency", "want --latency-ms"},
        {"plan -m llama3-8b --match memory --memory-budget 1Gi",
         "GB of memory, the budget is 1.074 GB"},
        {"plan -m llama3-8b --match latency --latency-ms 1", "one sequence waits 7.3"},
        {"plan -m llama3-8b --match memory -b 4", "match memory chooses the batch; leave it out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options o;
        assert_int_equal(parse(cases[i].line, &o), ERR_USAGE);
        if (!strstr(err_msg(), cases[i].sentence)) fail_msg("%s: %s", cases[i].line, err_msg());
        options_free(&o);
    }
    /* A simulated device's own memory is the budget when none is given. */
    struct options o;
    OK(parse("plan -m llama3-8b -p 100 -n 60 --match memory", &o));
    const struct cell *c = &o.cells.cell[0].cell;
    struct plan_target t;
    OK(plan_target_sim(c->device, c->dtype, 0, &t));
    assert_true(bytes_at(c, c->spec.batch) <= t.memory_bytes);
    assert_true(bytes_at(c, c->spec.batch + 1) > t.memory_bytes);
    options_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_batch_that_fits),
        cmocka_unit_test(memory_is_what_a_batch_holds),
        cmocka_unit_test(the_largest_batch_that_waits_no_longer),
        cmocka_unit_test(pairs_show_both_batches),
        cmocka_unit_test(what_cannot_be_matched_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
