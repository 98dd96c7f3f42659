/* test_elasticity_plot.c - the figure of elasticities: planted ones are where they were planted, in
 * the shape of their verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/plot.h"
#include "tests/plot_db.h"
#include "tests/store_fixture.h"

static const int32_t batches[] = {1, 4, 0};

static const char *read_all(const char *folder, const char *name)
{
    static char text[1 << 17];
    FILE *f = fopen(in_folder(folder, name), "r");
    if (!f) fail_msg("no file %s", name);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

/* False: there is no gnuplot; data, script and caption are written all the same. */
static bool render(struct store *s, const char *folder)
{
    struct strbuf written = {0};
    enum err e = plot_render(s, figure_find("elasticity"), folder, &written);
    if (e != ERR_UNSUPPORTED) ok(e);
    strbuf_free(&written);
    return e == ERR_NONE;
}

/* f32 weights that stay in a cache, or bf16 that do not. */
static struct store *with_verdicts(bool resident)
{
    struct store *s = memory_store();
    const struct plot_db what = {.device = "cpu",
                                 .model = resident ? "tiny-25m" : "qwen2.5-0.5b",
                                 .layers = 4,
                                 .batch = batches,
                                 .resident = resident,
                                 .n_pinned = 8,
                                 .bounds = true,
                                 .f32 = resident};
    ok(plot_db_fill(s, &what));
    return s;
}

struct point {
    int panel;
    char demand[20], decoder[20], phase[20], changed[20], bound[20];
    double batch, block, drawn_at, rows, value[3];
};

static int read_points(const char *folder, struct point *p, int room)
{
    int n = 0;
    char *save = NULL, *text = strdup(read_all(folder, "elasticity-cpu.tsv"));
    strtok_r(text, "\n", &save); /* the header */
    for (char *line; (line = strtok_r(NULL, "\n", &save)); n++) {
        char block[20];
        assert_true(n < room);
        assert_int_equal(sscanf(line,
                                "%d %19s %*d %19s %19s %lf %19s %*s %*s %*s %*d %*s %lf %lf %lf "
                                "%lf %lf %*s %*s %19s %19s",
                                &p[n].panel, p[n].demand, p[n].decoder, p[n].phase, &p[n].batch,
                                block, &p[n].drawn_at, &p[n].rows, &p[n].value[0], &p[n].value[1],
                                &p[n].value[2], p[n].changed, p[n].bound),
                         13);
        p[n].block = atof(block); /* NA: 0 */
    }
    free(text);
    return n;
}

/* The arms of plot_db have the verdicts in order; ar decodes a row a sequence, a block its length,
 * and the whole sequence is 64 + 32 tokens. */
static void points_are_where_they_were_planted(void **state)
{
    enum { ROOM = 64, PER_PANEL = 2 * 5 + 2 * 3 }; /* main phases, prefills of ar and blocks */
    struct point p[ROOM];
    int seen[5] = {0};
    struct store *s = with_verdicts(false);
    render(s, *state);
    int n = read_points(*state, p, ROOM);
    assert_int_equal(n, 2 * PER_PANEL);
    for (int i = 0; i < n; i++) {
        int v = 0;
        while (v < 5 && strcmp(bound_name((enum bound)v), p[i].bound) != 0) v++;
        assert_true(v < 5);
        const double *want = i < PER_PANEL ? planted_bounds[v].bytes : planted_bounds[v].flop;
        assert_int_equal(p[i].panel, i < PER_PANEL ? 1 : 2);
        assert_string_equal(p[i].demand, i < PER_PANEL ? "bytes" : "arithmetic");
        assert_string_equal(p[i].changed, i < PER_PANEL ? "storage" : "arithmetic");
        for (int k = 0; k < 3; k++) assert_near(p[i].value[k] + 10, want[k] + 10);
        /* Set apart by less than the half octave to the next tic. */
        assert_true(fabs(log2(p[i].drawn_at / p[i].rows)) < 0.5);
        if (strcmp(p[i].phase, "prefill") == 0) continue;
        seen[v]++;
        static const char *const decoders[] = {"ar", "block", "block", "diffusion", "diffusion"};
        static const double rows[] = {1, 8, 32, 96, 96};
        assert_string_equal(p[i].decoder, decoders[v]);
        assert_near(p[i].rows, p[i].batch * rows[v]);
    }
    for (int v = 0; v < 5; v++) assert_int_equal(seen[v], 2 * 2);
    store_close(s);
}

static int times(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

/* Symbols of gnuplot's point type pt in a colour; SVG numbers them from 0. */
static int symbols(const char *svg, int pt, const char *colour)
{
    int n = 0;
    char use[40];
    snprintf(use, sizeof use, "<use xlink:href='#gpPt%d'", pt - 1);
    for (const char *p = svg; (p = strstr(p, use)); p += strlen(use)) {
        const char *end = strchr(p, '\n'), *at = strstr(p, colour);
        n += at && at < end;
    }
    return n;
}

static void shapes_say_the_verdict(void **state)
{
    static const char blue[] = "color='rgb(  0, 114, 178)'", red[] = "color='rgb(213,  94,   0)'",
                      green[] = "color='rgb(  0, 158, 115)'", pink[] = "color='rgb(204, 121, 167)'";
    struct store *s = with_verdicts(false);
    bool drawn = render(s, *state);
    store_close(s);
    if (!drawn) skip();
    const char *svg = read_all(*state, "elasticity-cpu.svg");
    /* Two batches in two panels. */
    assert_int_equal(symbols(svg, 7, blue), 4);   /* ar: memory, a circle */
    assert_int_equal(symbols(svg, 5, red), 4);    /* blocks of 8: compute, a square */
    assert_int_equal(symbols(svg, 13, red), 4);   /* of 32: mixed, a diamond */
    assert_int_equal(symbols(svg, 9, green), 4);  /* overhead, a triangle */
    assert_int_equal(symbols(svg, 11, green), 4); /* undecided, one upside down */
    assert_int_equal(symbols(svg, 7, pink) + symbols(svg, 5, pink) + symbols(svg, 13, pink), 12);
    /* 214 GFLOP/s over 12.3 GB/s, two bytes a weight and two FLOPs; in either panel. */
    assert_int_equal(times(svg, "ridge 17.4"), 2);
    assert_null(strstr(svg, "hollow"));
    assert_null(strstr(read_all(*state, "elasticity-cpu.txt"), "Hollow"));
    assert_non_null(strstr(read_all(*state, "elasticity-cpu.txt"), "n = 9 rounds"));
    assert_null(strstr(read_all(*state, "elasticity-cpu.txt"), "no room"));
}

static void weights_in_a_cache_are_hollow_and_counted(void **state)
{
    static const char blue[] = "color='rgb(  0, 114, 178)'";
    struct store *s = with_verdicts(true);
    bool drawn = render(s, *state);
    store_close(s);
    assert_non_null(strstr(read_all(*state, "elasticity-cpu.txt"),
                           "Hollow: the weights of 16 of 16 forwards stay in the last-level"));
    if (!drawn) skip();
    const char *svg = read_all(*state, "elasticity-cpu.svg");
    assert_int_equal(symbols(svg, 6, blue), 4);
    assert_int_equal(symbols(svg, 7, blue), 0);
    /* 214 GFLOP/s over the cache's 41 GB/s, four bytes a weight. */
    assert_int_equal(times(svg, "ridge 10.4 (cache)"), 2);
    assert_non_null(strstr(svg, "hollow: weights stay in cache"));
}

/* Runs of the same cells without a verdict came later; the other figures show those. */
static void verdicts_outlive_newer_runs(void **state)
{
    struct strbuf written = {0};
    struct store *s = with_verdicts(false);
    const struct plot_db plain = {.device = "cpu",
                                  .model = "qwen2.5-0.5b",
                                  .layers = 4,
                                  .batch = batches,
                                  .n_pinned = 8};
    render(s, *state);
    char *before = strdup(read_all(*state, "elasticity-cpu.tsv"));
    ok(plot_db_fill(s, &plain));
    render(s, *state);
    assert_string_equal(read_all(*state, "elasticity-cpu.tsv"), before);
    free(before);

    enum err e = plot_render(s, figure_find("roofline"), *state, &written);
    if (e != ERR_UNSUPPORTED) ok(e);
    char shown[37], *run_id = strstr(read_all(*state, "roofline-cpu.tsv"), "\t64\t32\t0\t");
    assert_non_null(run_id);
    snprintf(shown, sizeof shown, "%s", run_id + strlen("\t64\t32\t0\t"));
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_run WHERE run_id = ?1", shown), 1);
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_bound WHERE run_id = ?1", shown), 0);
    strbuf_free(&written);
    store_close(s);
}

static void without_interventions_it_is_refused(void **state)
{
    struct store *s = memory_store();
    struct strbuf written = {0};
    const struct plot_db what = {
        .device = "cpu", .model = "tiny-25m", .batch = batches, .n_pinned = 8};
    ok(plot_db_fill(s, &what));
    fails(plot_render(s, figure_find("elasticity"), *state, &written), ERR_USAGE,
          "elasticity: nothing to draw, the database has no interventions");
    assert_int_equal(written.len, 0);
    strbuf_free(&written);
    store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(points_are_where_they_were_planted),
        TEST(shapes_say_the_verdict),
        TEST(weights_in_a_cache_are_hollow_and_counted),
        TEST(verdicts_outlive_newer_runs),
        TEST(without_interventions_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
