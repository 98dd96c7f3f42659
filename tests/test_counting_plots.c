/* test_counting_plots.c - figures of counters: from made-up ones, and refused without any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/plot.h"
#include "results/counting.h"
#include "tests/plot_db.h"
#include "tests/store_fixture.h"

static const int32_t batches[] = {1, 4, 0};

/* Counters of a run's pinned main forward: a tenth more bytes than the ledger's, twice as many
 * through L2, four times through L1, and twice the executed FLOPs. */
struct made_up {
    char run_id[37];
    struct counted_forward forward;
};
struct all_made_up {
    struct made_up row[64];
    int32_t n;
};

static enum err take(void *ctx, const struct store_result_row *r)
{
    struct all_made_up *all = ctx;
    struct made_up *m = &all->row[all->n++];
    int64_t bytes = r->value[3].i, flop = r->value[4].i;
    assert_true(all->n <= 64);
    snprintf(m->run_id, sizeof m->run_id, "%s", r->value[0].text);
    m->forward.step = (int32_t)r->value[2].i;
    for (int p = 0; p < PHASE_COUNT; p++)
        if (strcmp(phase_name((enum phase)p), r->value[1].text) == 0)
            m->forward.phase = (enum phase)p;
    counters_clear(&m->forward.counters);
    m->forward.counters.value[COUNTER_DRAM_READ_BYTES] = bytes;
    m->forward.counters.value[COUNTER_DRAM_WRITE_BYTES] = bytes / 10;
    m->forward.counters.value[COUNTER_L2_BYTES] = 2 * bytes;
    m->forward.counters.value[COUNTER_L1_BYTES] = 4 * bytes;
    m->forward.counters.value[COUNTER_FLOP_TENSOR] = 2 * flop;
    return ERR_NONE;
}

static void make_up_counters(struct store *s)
{
    static struct all_made_up all;
    all.n = 0;
    ok(store_query(
        s,
        "SELECT r.run_id, f.phase, MIN(f.step), f.bytes_dram, f.flop_executed FROM run r "
        "JOIN forward f ON f.run_no = r.run_no WHERE f.kind = 'pinned' AND f.phase IN "
        "('decode', 'denoise') GROUP BY r.run_id, f.phase",
        NULL, 0, take, &all));
    assert_true(all.n > 4);
    for (int32_t i = 0; i < all.n; i++) {
        struct counted_forward vector = all.row[i].forward;
        counters_clear(&vector.counters);
        vector.counters.value[COUNTER_FLOP_VECTOR] = 0;
        const struct counting_row base = {.probe = "cupti-base",
                                          .samples = 1,
                                          .chip = "GA100",
                                          .passes = 1,
                                          .forward = &all.row[i].forward,
                                          .n_forwards = 1};
        const struct counting_row more = {
            .probe = "cupti-vector", .samples = 1, .forward = &vector, .n_forwards = 1};
        ok(store_add_counting(s, all.row[i].run_id, &base));
        ok(store_add_counting(s, all.row[i].run_id, &more));
    }
}

static struct store *timed(void)
{
    struct store *s = memory_store();
    const struct plot_db what = {
        .device = "cpu", .model = "tiny-25m", .batch = batches, .n_pinned = 12};
    ok(plot_db_fill(s, &what));
    return s;
}

static char *read_all(const char *folder, const char *name)
{
    static char text[1 << 16];
    FILE *f = fopen(in_folder(folder, name), "r");
    if (!f) fail_msg("no file %s", name);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

/* Data, script and caption are written even where gnuplot is missing. */
static void render(struct store *s, const char *figure, const char *folder)
{
    struct strbuf written = {0};
    enum err e = plot_render(s, figure_find(figure), folder, &written);
    if (e != ERR_UNSUPPORTED) ok(e);
    strbuf_free(&written);
}

/* The value of a named column in the first row of a data file. */
static double first_value(const char *text, const char *column)
{
    int at = 0, found = -1;
    const char *row = strchr(text, '\n') + 1;
    for (const char *p = text; p < row; at++) {
        size_t n = strcspn(p, "\t\n");
        if (n == strlen(column) && strncmp(p, column, n) == 0) found = at;
        p += n + 1;
    }
    if (found < 0) fail_msg("no column %s", column);
    for (; found > 0; found--) row += strcspn(row, "\t") + 1;
    return atof(row);
}

static void counters_are_held_against_the_ledger(void **state)
{
    struct store *s = timed();
    make_up_counters(s);
    render(s, "model-vs-counter", *state);
    const char *data = read_all(*state, "model-vs-counter-cpu.tsv");
    /* bytes / 10 is cut to a whole number. */
    assert_true(first_value(data, "counted_bytes") / first_value(data, "ledger_bytes") > 1.0999);
    assert_true(first_value(data, "counted_bytes") / first_value(data, "ledger_bytes") < 1.1001);
    assert_non_null(strstr(read_all(*state, "model-vs-counter-cpu.txt"), "the ledger's band"));
    store_close(s);
}

static void levels_share_their_flop_per_s(void **state)
{
    struct store *s = timed();
    make_up_counters(s);
    render(s, "roofline-levels", *state);
    const char *data = read_all(*state, "roofline-levels-cpu.tsv");
    double dram = first_value(data, "intensity_dram");
    assert_true(dram / first_value(data, "intensity_l2") > 2 / 1.1001);
    assert_true(dram / first_value(data, "intensity_l2") < 2 / 1.0999);
    assert_true(dram / first_value(data, "intensity_l1") < 4 / 1.0999);
    assert_non_null(strstr(read_all(*state, "roofline-levels-cpu.txt"),
                           "points of L2 and L1 are held against none"));
    store_close(s);
}

static void executed_work_says_where_it_comes_from(void **state)
{
    struct store *s = timed();
    render(s, "executed-vs-algorithmic", *state);
    assert_non_null(
        strstr(read_all(*state, "executed-vs-algorithmic-cpu.txt"), "modelled, not counted"));
    assert_non_null(strstr(read_all(*state, "executed-vs-algorithmic-cpu.gp"), "(tile model)"));
    const char *data = read_all(*state, "executed-vs-algorithmic-cpu.tsv");
    assert_true(first_value(data, "executed_per_algorithmic") >= 1);

    make_up_counters(s);
    render(s, "executed-vs-algorithmic", *state);
    assert_non_null(
        strstr(read_all(*state, "executed-vs-algorithmic-cpu.txt"), "Executed FLOPs are counted"));
    assert_non_null(strstr(read_all(*state, "executed-vs-algorithmic-cpu.gp"), "(counted)"));
    data = read_all(*state, "executed-vs-algorithmic-cpu.tsv");
    assert_true(first_value(data, "executed_per_algorithmic") >= 1.999);
    store_close(s);
}

static void without_counters_they_are_refused(void **state)
{
    struct store *s = timed();
    struct strbuf written = {0};
    fails(plot_render(s, figure_find("model-vs-counter"), *state, &written), ERR_USAGE,
          "no run with hardware counters");
    fails(plot_render(s, figure_find("roofline-levels"), *state, &written), ERR_USAGE,
          "no run with hardware counters");
    strbuf_free(&written);
    store_close(s);
}

/* Measured intensities stand beside the analytic ones and change no other view. */
static void other_figures_do_not_change(void **state)
{
    struct store *s = timed();
    static char before[1 << 16];
    render(s, "roofline", *state);
    snprintf(before, sizeof before, "%s", read_all(*state, "roofline-cpu.tsv"));
    make_up_counters(s);
    render(s, "roofline", *state);
    assert_string_equal(read_all(*state, "roofline-cpu.tsv"), before);
    assert_true(ask_int(s, "SELECT COUNT(*) FROM v_roofline WHERE evidence = 'counter'", NULL) > 4);
    store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counters_are_held_against_the_ledger),
        TEST(levels_share_their_flop_per_s),
        TEST(executed_work_says_where_it_comes_from),
        TEST(without_counters_they_are_refused),
        TEST(other_figures_do_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
