/* compare and explain, on databases whose numbers are worked out by hand.
 *
 * One forward is 1000 FLOP and 500 bytes of DRAM traffic: 2 FLOP per byte, left of the ridge of
 * 10 that 1e11 FLOP/s and 1e10 bytes/s make; at the roofs 10 ns of arithmetic, 50 ns of traffic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/app/steadiness.h"
#include "harness/app/verbs.h"
#include "tests/store_fixture.h"

enum { SAMPLES = 10 };

static struct ledger unit_ledger(void)
{
    struct ledger l = {0};
    l.op[OP_MATMUL] = (struct ledger_entry){.calls = 1,
                                            .cost = {.flop_matmul = 1000,
                                                     .flop_executed = 1000,
                                                     .bytes = {[ROLE_WEIGHT] = 500},
                                                     .bytes_dram = 500,
                                                     .bytes_dram_lo = 500,
                                                     .bytes_dram_hi = 500},
                                            .predicted_ns = {[TIER_CEILINGS] = 50},
                                            .memory_ns = {[TIER_CEILINGS] = 50}};
    return l;
}

/* A database with one decoder's decode forwards: samples of base_ns + i * step_ns. */
static void fill(const char *path, const char *decoder, int64_t base_ns, int64_t step_ns)
{
    struct store *s = open_ok(path, STORE_WRITE);
    struct ledger l = unit_ledger();
    struct forward_row row[2 * SAMPLES];
    char invocation[37];
    begin_on(s, "cpu", invocation);
    for (int i = 0; i < 2 * SAMPLES; i++)
        row[i] = (struct forward_row){.kind = i % 2 ? FORWARD_PINNED : FORWARD_DECODE,
                                      .phase = PHASE_DECODE,
                                      .round = i / 2,
                                      .sample = i / 2,
                                      .n_forwards = 1,
                                      .time_ns = base_ns + i / 2 * step_ns,
                                      .other_cpus = -1,
                                      .ledger = &l,
                                      .work = {.phase = PHASE_DECODE,
                                               .rows = 2,
                                               .logit_rows = 2,
                                               .tokens_committed = 2,
                                               .flop_useful = 500}};
    struct run_row r = {.status = "ok", .tokens_sha256 = "x", .weight_bytes = 500};
    r.price[TIER_CEILINGS] = (struct price){.known = true,
                                            .matmul_flop_per_s = 1e11,
                                            .attention_flop_per_s = 1e11,
                                            .vector_flop_per_s = 1e11,
                                            .bytes_per_s = 1e10};
    struct cell c = small_cell(decoder, "cpu");
    ok(store_add_run(s, invocation, &c, &r, row, 2 * SAMPLES));
    store_close(s);
}

/* Run a verb on these words; what it printed is in text. */
static enum err say(enum err (*verb)(const struct options *), struct options *o, const char **arg,
                    int32_t n, char *text, size_t size)
{
    struct log log;
    FILE *talk = tmpfile(), *data = tmpfile();
    assert_non_null(talk);
    assert_non_null(data);
    log_open(&log, talk, LOG_INFO);
    o->log = &log;
    o->arg = arg;
    o->n_args = n;
    fflush(stdout);
    int terminal = dup(1);
    dup2(fileno(data), 1);
    enum err e = verb(o);
    fflush(stdout);
    dup2(terminal, 1);
    close(terminal);
    rewind(data);
    text[fread(text, 1, size - 1, data)] = 0;
    fclose(data);
    fclose(talk);
    return e;
}

static enum err compare(const char *a, const char *b, double tolerance, bool mixed, char *text,
                        size_t size)
{
    struct options o = {.output = OUTPUT_JSON, .tolerance = tolerance, .allow_mixed = mixed};
    const char *arg[] = {a, b};
    return say(verb_compare, &o, arg, 2, text, size);
}

static void verdicts_follow_the_intervals(void **state)
{
    static const struct {
        int64_t base, step;
        double tolerance;
        enum err err;
        const char *verdict;
    } cases[] = {
        /* before: 1000, 1001 ... 1009 ns; ranks 2 and 9 of 10 enclose the median */
        {1000, 1, 0.05, ERR_NONE, "same"},
        {2000, 1, 0.05, ERR_REGRESSION, "slower"},
        {500, 1, 0.05, ERR_NONE, "faster"},
        {1000, 50, 0.05, ERR_INCONCLUSIVE, "inconclusive"}, /* 1050 to 1400 */
        {2000, 1, 1.5, ERR_NONE, "same"},
    };
    char a[300], b[300], text[4096], want[64];
    snprintf(a, sizeof a, "%s", in_folder(*state, "a.db"));
    fill(a, "ar", 1000, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(b, sizeof b, "%s/b%zu.db", (char *)*state, i);
        fill(b, "ar", cases[i].base, cases[i].step);
        assert_int_equal(compare(a, b, cases[i].tolerance, false, text, sizeof text), cases[i].err);
        snprintf(want, sizeof want, "\"verdict\":\"%s\"", cases[i].verdict);
        if (!strstr(text, want)) fail_msg("no %s in %s", want, text);
    }
    /* Medians 1004.5 and 2004.5; limits 2001 / 1008 and 2008 / 1001. */
    snprintf(b, sizeof b, "%s/b1.db", (char *)*state);
    assert_int_equal(compare(a, b, 0.05, false, text, sizeof text), ERR_REGRESSION);
    const char *ratio = strstr(text, "\"ratio\":"), *lo = strstr(text, "\"ratio_lo\":"),
               *hi = strstr(text, "\"ratio_hi\":");
    assert_true(ratio && lo && hi);
    assert_near(atof(ratio + 8), 2004.5 / 1004.5);
    assert_near(atof(lo + 11), 2001.0 / 1008.0);
    assert_near(atof(hi + 11), 2008.0 / 1001.0);
}

static void unlike_databases_are_not_compared(void **state)
{
    char a[300], b[300], text[4096];
    snprintf(a, sizeof a, "%s", in_folder(*state, "a.db"));
    snprintf(b, sizeof b, "%s", in_folder(*state, "b.db"));
    fill(a, "ar", 1000, 1);
    fill(b, "block", 1000, 1);
    fails(compare(a, b, 0.05, false, text, sizeof text), ERR_INCONCLUSIVE, "no measured cell");
    assert_string_equal(text, "");
    fill(b, "ar", 1000, 1);
    assert_int_equal(compare(a, b, 0.05, false, text, sizeof text), ERR_NONE);
    run_sql(b, "UPDATE device SET description = 'another'");
    fails(compare(a, b, 0.05, false, text, sizeof text), ERR_USAGE, "--allow-mixed");
    assert_int_equal(compare(a, b, 0.05, true, text, sizeof text), ERR_NONE);
    fails(compare(a, a, 0.05, true, text, sizeof text), ERR_USAGE, "one twice");
    fails(compare(a, in_folder(*state, "none.db"), 0.05, true, text, sizeof text), ERR_DB,
          "none.db");
}

static void explanations_hold_the_numbers(void **state)
{
    static const char *const sentences[] = {
        "Its roofs, measured with it: 100 GFLOP/s of arithmetic and 10 GB/s of memory traffic.",
        "the ridge, 10 FLOP per byte",
        "decode: 2 positions a forward, 2 tokens committed.",
        "It must do 1000 FLOP (0 % of them attention) and move about 500 B from and to memory "
        "(100 % weights, 0 % keys and values): 2 FLOP per byte, 2 to 2",
        "At the roofs that is 10 ns of arithmetic and 50 ns of traffic: it lies on the memory side",
        "It took 104.5 ns (median of 10, 95 % interval 101 ns to 108 ns), 48 % of its roof.",
        "plain AR would have spent 1 FLOP per byte moved here on the tokens it committed, 50 %",
    };
    char path[300], text[8192];
    const char *last[] = {"last"}, *wrong[] = {"ffff"}, *word[] = {"what?"};
    snprintf(path, sizeof path, "%s", in_folder(*state, "e.db"));
    struct options o = {.db = path};
    struct store *s = open_ok(path, STORE_WRITE);
    store_close(s);
    fails(say(verb_explain, &o, last, 1, text, sizeof text), ERR_USAGE, "no run or cell");
    fill(path, "ar", 100, 1);
    ok(say(verb_explain, &o, last, 1, text, sizeof text));
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++)
        if (!strstr(text, sentences[i])) fail_msg("no '%s' in:\n%s", sentences[i], text);

    s = open_ok(path, STORE_READ);
    char cell[256], run[256], by_cell[8192];
    ask_text(s, "SELECT substr(cell_id, 1, 8) FROM cell", NULL, cell);
    ask_text(s, "SELECT substr(run_id, 1, 9) FROM run", NULL, run);
    store_close(s);
    const char *names[] = {cell, run};
    for (int i = 0; i < 2; i++) {
        ok(say(verb_explain, &o, &names[i], 1, by_cell, sizeof by_cell));
        assert_string_equal(by_cell, text);
    }
    fails(say(verb_explain, &o, wrong, 1, text, sizeof text), ERR_USAGE, "starts with \"ffff\"");
    fails(say(verb_explain, &o, word, 1, text, sizeof text), ERR_USAGE, "nor \"last\"");
}

/* What is said of the only run of a database. */
static void warned(const char *path, char *text, size_t size)
{
    struct store *s = open_ok(path, STORE_READ);
    struct shown_run run = {0};
    struct log log;
    FILE *talk = tmpfile();
    char id[256];
    assert_non_null(talk);
    snprintf(run.run_id, sizeof run.run_id, "%s", ask_text(s, "SELECT run_id FROM run", NULL, id));
    log_open(&log, talk, LOG_INFO);
    ok(steadiness_warn(s, &run, 1, &log));
    rewind(talk);
    text[fread(text, 1, size - 1, talk)] = 0;
    fclose(talk);
    store_close(s);
}

/* Decodes of 100, 101 ... 109 ns add up to ten times their median, 104.5; later to three times
 * that, with a bandwidth that was found at half after the run. */
static void an_unsteady_machine_is_told_of(void **state)
{
    char path[300], text[2048];
    snprintf(path, sizeof path, "%s", in_folder(*state, "s.db"));
    fill(path, "ar", 100, 1);
    struct store *s = open_ok(path, STORE_READ);
    assert_near(ask_real(s, "SELECT decode_over_steps FROM v_steadiness", NULL), 1);
    assert_int_equal(
        ask_int(s, "SELECT roofs_moved IS NULL AND other_cpus IS NULL FROM v_steadiness", NULL), 1);
    store_close(s);
    warned(path, text, sizeof text);
    assert_string_equal(text, "");

    run_sql(path, "UPDATE forward SET time_ns = 3 * time_ns WHERE kind = 'decode'");
    run_sql(path, "INSERT INTO price_after SELECT run_no, tier, matmul_flop_per_s, "
                  "bytes_per_s / 2 FROM price");
    s = open_ok(path, STORE_READ);
    assert_near(ask_real(s, "SELECT decode_over_steps FROM v_steadiness", NULL), 3);
    assert_near(ask_real(s, "SELECT roofs_moved FROM v_steadiness", NULL), 1);
    store_close(s);
    warned(path, text, sizeof text);
    assert_non_null(strstr(text, "1 of 1 runs were disturbed"));
    assert_non_null(strstr(text, "roofs moved by up to 100 %"));
    assert_non_null(strstr(text, "up to 3.0 times their forwards' medians"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(verdicts_follow_the_intervals, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(an_unsteady_machine_is_told_of, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(unlike_databases_are_not_compared, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(explanations_hold_the_numbers, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
