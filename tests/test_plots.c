/* test_plots.c - figures from made-up databases: what is drawn, beside which files, and what
 * is said when it cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "plots/gnuplot.h"
#include "plots/plot.h"
#include "tests/plot_db.h"

/* Folders and databases all tests share. */
struct all {
    char root[64];
    char figures[80]; /* every figure of two devices, drawn by gnuplot */
    bool has_gnuplot;
    struct store *two; /* cpu and sim:a100-80gb */
    struct store *empty;
};

static void ok(enum err e)
{
    if (e != ERR_NONE) fail_msg("%s: %s%s", err_name(e), err_msg(), err_where());
}

/* Owned by the caller; NULL when there is no such file. */
static char *read_file(const char *dir, const char *name)
{
    char path[300], *text;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    if (!f) return NULL;
    struct stat st;
    assert_int_equal(fstat(fileno(f), &st), 0);
    text = calloc((size_t)st.st_size + 1, 1);
    assert_int_equal(fread(text, 1, (size_t)st.st_size, f), st.st_size);
    fclose(f);
    return text;
}

static bool exists(const char *dir, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

static void expect(const char *text, const char *what)
{
    if (!strstr(text, what)) fail_msg("\"%s\" is not in: %.2000s", what, text);
}

static int open_all(void **state)
{
    static const int32_t batches[] = {1, 4, 0};
    static const struct plot_db cpu = {.device = "cpu",
                                       .model = "qwen2.5-0.5b",
                                       .layers = 4,
                                       .batch = batches,
                                       .n_pinned = 8,
                                       .bounds = true};
    static const struct plot_db sim = {
        .device = "sim:a100-80gb", .model = "llama3-8b", .batch = batches};
    struct all *a = calloc(1, sizeof *a);
    struct strbuf written = {0}, skipped = {0};
    char program[300];
    *state = a;
    snprintf(a->root, sizeof a->root, "/tmp/test_plots.XXXXXX");
    if (!mkdtemp(a->root)) return -1;
    snprintf(a->figures, sizeof a->figures, "%s/made/here", a->root);
    a->has_gnuplot = gnuplot_find(program, sizeof program);
    ok(store_open(":memory:", STORE_WRITE, &a->empty));
    ok(store_open(":memory:", STORE_WRITE, &a->two));
    ok(plot_db_fill(a->two, &cpu));
    ok(plot_db_fill(a->two, &sim));
    enum err e = plot_render_all(a->two, a->figures, &written, &skipped);
    if (a->has_gnuplot) ok(e);
    /* Made-up runs have no counters; tests/test_counting_plots.c draws those figures. */
    for (char *line = strtok(skipped.text, "\n"); line; line = strtok(NULL, "\n"))
        assert_non_null(strstr(line, "hardware counters"));
    strbuf_free(&written);
    strbuf_free(&skipped);
    return 0;
}

static int close_all(void **state)
{
    struct all *a = *state;
    char command[100];
    store_close(a->two);
    store_close(a->empty);
    snprintf(command, sizeof command, "rm -rf '%s'", a->root);
    int rc = system(command);
    free(a);
    return rc;
}

/* Every figure of both devices: data, script, caption and three pictures, and nothing else. */
/* A figure's files of a device, without their ending. */
static const char *file_of(const struct figure *f, const char *device, char name[100])
{
    snprintf(name, 100, "%s%s%s%s", f->name, f->in_parts ? "-made-up" : "", /* the process */
             f->of_no_run ? "" : "-", f->of_no_run ? "" : device);
    return name;
}

/* Nothing was counted, and no device that only predicts can be tested by interventions. */
static bool is_drawn(const struct figure *f, const char *device)
{
    if (strstr(f->needs, "interventions")) return strcmp(device, "cpu") == 0;
    return strstr(f->needs, "hardware counters") == NULL;
}

static void each_figure_is_six_files_for_each_device(void **state)
{
    struct all *a = *state;
    static const char *const devices[] = {"cpu", "a100-80gb"};
    static const char *const endings[] = {".tsv", ".gp", ".txt", ".pdf", ".svg", ".png"};
    const struct figure *f;
    int n = 0;
    if (!a->has_gnuplot) {
        printf("skipped: no gnuplot\n");
        skip();
    }
    for (n = 0; (f = figure_at(n)); n++) {
        for (int d = 0; d < 2 && is_drawn(f, devices[d]); d++) {
            for (int k = 0; k < 6; k++) {
                char name[120], file[100];
                snprintf(name, sizeof name, "%s%s", file_of(f, devices[d], file), endings[k]);
                if (!exists(a->figures, name)) fail_msg("%s is missing", name);
            }
        }
    }
    assert_int_equal(n, 12);
}

/* Series are numbered in the order they are drawn: prefill and commit below the others. */
static void data_are_one_row_for_each_point(void **state)
{
    struct all *a = *state;
    char *t = read_file(a->figures, "roofline-cpu.tsv");
    assert_non_null(t);
    /* Header; left: 2 batches of ar decode and prefill, block (2 lengths) prefill, denoise and
       commit, diffusion (2 schedules) denoise; right: 2 of each of 5 arms. */
    assert_int_equal(count(t, "\n"), 1 + 2 * (2 + 2 * 3 + 2) + 2 * 5);
    assert_int_equal(count(t, "\tprefill\t"), 2 * 3);
    assert_int_equal(count(t, "\tcommit\t"), 2 * 2);
    assert_int_equal(count(t, "\talgorithmic\t"), 20);
    assert_int_equal(count(t, "\tuseful\t"), 10);
    assert_int_equal(strncmp(t, "panel\twork\tseries\tdecoder\tphase\tbatch_seqs\t", 43), 0);
    free(t);
    t = read_file(a->figures, "speed-at-quality-made-up-cpu.tsv");
    /* Header and both batches of 5 arms; the exact one is drawn left of all. */
    assert_int_equal(count(t, "\n"), 1 + 2 * 5);
    expect(t, "ar\tNA\tmade-up\texact\t0.0025\tNA\t0\t");
    free(t);
    t = read_file(a->figures, "break-even-cpu.tsv");
    assert_int_equal(count(t, "\n"), 1 + 2 * 4); /* ar is the baseline of the others */
    free(t);
    t = read_file(a->figures, "breakdown-cpu.tsv");
    assert_int_equal(count(t, "\tlinear maps\t"), 2 * (2 + 2 * 3 + 1)); /* diffusion once */
    free(t);
}

/* The goodput of ar is the ledger's useful FLOPs over DRAM bytes, here added up by the view
 * from the other side: AR's algorithmic work after prefill is all useful. */
static void goodput_of_ar_is_its_algorithmic_intensity(void **state)
{
    struct all *a = *state;
    char *t = read_file(a->figures, "roofline-a100-80gb.tsv"), *rest = NULL;
    double intensity[2] = {0, 0};
    for (char *line = strtok_r(t, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char work[20], decoder[20], phase[20];
        double batch, i;
        if (sscanf(line, "%*d %19s %*d %19s %19s %lf %*s %*s %*s %*s %*s %*s %lf", work, decoder,
                   phase, &batch, &i) != 5)
            continue;
        if (strcmp(decoder, "ar") != 0 || strcmp(phase, "decode") != 0 || batch != 4) continue;
        intensity[strcmp(work, "useful") == 0] = i;
    }
    assert_true(intensity[0] > 3 && intensity[0] < 5); /* about the batch */
    /* seven digits are printed */
    assert_true(intensity[1] / intensity[0] > 0.999999 && intensity[1] / intensity[0] < 1.000001);
    free(t);
}

static void predictions_are_drawn_hollow_and_called_so(void **state)
{
    struct all *a = *state;
    char *gp = read_file(a->figures, "roofline-a100-80gb.gp");
    /* block commit (2 lengths), prefill of ar and block, ar, block, diffusion */
    expect(gp, "points_1 = \"4 4 12 12 12 6 4 4 8\"");
    expect(gp, "'FLOP/s (predicted)'");
    assert_null(strstr(gp, "measured"));
    free(gp);
    gp = read_file(a->figures, "roofline-cpu.gp");
    expect(gp, "'FLOP/s (timed)'");
    expect(gp, "'arithmetic intensity (FLOP/byte, analytic DRAM bytes)'");
    assert_null(strstr(gp, "datasheet"));
    assert_null(strstr(gp, "predicted"));
    free(gp);
}

static void captions_say_what_is_shown(void **state)
{
    struct all *a = *state;
    static const char *const of_all[] = {"qwen2.5-0.5b", "bf16 weights", "regime commit",
                                         "64 prompt and 32 generated tokens", "recorded 20"};
    const struct figure *f;
    for (int i = 0; (f = figure_at(i)); i++) {
        char name[120], file[100];
        if (f->of_no_run || !is_drawn(f, "cpu")) continue;
        snprintf(name, sizeof name, "%s.txt", file_of(f, "cpu", file));
        char *t = read_file(a->figures, name);
        assert_non_null(t);
        for (size_t k = 0; k < sizeof of_all / sizeof *of_all; k++) expect(t, of_all[k]);
        assert_null(strstr(t, "nan"));
        free(t);
        if (!is_drawn(f, "a100-80gb")) continue;
        snprintf(name, sizeof name, "%s.txt", file_of(f, "a100-80gb", file));
        t = read_file(a->figures, name);
        expect(t, "Predicted for sim:a100-80gb");
        free(t);
    }
    char *t = read_file(a->figures, "gaussian.txt");
    expect(t, "5 and 95 % for 81 % of the time (masks), 33 % of the time (noise, d = 16)");
    free(t);
    t = read_file(a->figures, "roofline-cpu.txt");
    expect(t, "median time of one forward in the middle of its phase, n = 8 repetitions");
    expect(t, "95 % confidence interval of the median by ranks");
    expect(t, "not by hardware counters");
    expect(t, "DRAM 12.3 GB/s, measured and f32 peak 214 GFLOP/s, measured");
    free(t);
}

/* Uses of a point type in a colour; the dots in the middle of bars are none. */
static int count_symbols(const char *svg, const char *colour)
{
    int n = 0;
    for (const char *p = svg; (p = strstr(p, "<use xlink:href='#gpPt")); p++) {
        const char *end = strchr(p, '\n'), *at = strstr(p, colour);
        n += at && at < end;
    }
    return n;
}

/* What does not depend on the gnuplot version: every symbol, in its colour and shape, and
 * every word.  One white disc lies under each coloured symbol of a panel. */
static void picture_has_every_symbol_once(void **state)
{
    struct all *a = *state;
    static const struct {
        const char *decoder, *colour;
        int n; /* left + right + key */
    } symbols[] = {
        {"ar", "color='rgb(  0, 114, 178)'", 2 + 2 + 1},
        {"block", "color='rgb(213,  94,   0)'", (4 + 4) + 4 + 2}, /* denoise and commit */
        {"diffusion", "color='rgb(  0, 158, 115)'", 4 + 4 + 1},
        {"prefill", "color='rgb(204, 121, 167)'", 6 + 0 + 1},
        {"under them", "color='rgb(255, 255, 255)'", 20 + 10},
    };
    static const char *const words[] = {
        "cpu: qwen2.5-0.5b, 4 layers, bf16, 2 threads, 64 + 32 tokens",
        "algorithmic work",
        "goodput: token-useful work",
        "DRAM 12.3 GB/s, measured",
        "f32 peak 214 GFLOP/s, measured",
        "ridge 17.4",
        "block commit",
        "FLOP/s (timed)",
        "token-useful FLOP/s (timed)",
    };
    if (!a->has_gnuplot) skip();
    char *svg = read_file(a->figures, "roofline-cpu.svg");
    assert_non_null(svg);
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (count_symbols(svg, symbols[i].colour) != symbols[i].n)
            fail_msg("%s: %d symbols, expected %d", symbols[i].decoder,
                     count_symbols(svg, symbols[i].colour), symbols[i].n);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) expect(svg, words[i]);
    free(svg);
}

/* The script is all there is to the picture: running it by hand draws the same one. */
static void script_draws_the_same_picture_again(void **state)
{
    struct all *a = *state;
    static const char *const names[] = {"roofline-cpu", "regime-a100-80gb"};
    if (!a->has_gnuplot) skip();
    for (int i = 0; i < 2; i++) {
        char script[64], picture[64];
        snprintf(script, sizeof script, "%s.gp", names[i]);
        snprintf(picture, sizeof picture, "%s.svg", names[i]);
        char *before = read_file(a->figures, picture);
        ok(gnuplot_run(a->figures, script, 60000));
        char *after = read_file(a->figures, picture);
        assert_string_equal(before, after);
        free(before);
        free(after);
    }
}

/* ---- what the PDF really contains, by poppler ---- */

/* Output of a command, or NULL when its program is missing. */
static char *output_of(const char *program, const char *rest)
{
    char command[400];
    snprintf(command, sizeof command, "command -v %s > /dev/null && %s %s", program, program, rest);
    FILE *p = popen(command, "re");
    assert_non_null(p);
    struct strbuf s = {0};
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof part, p)) > 0) strbuf_add_bytes(&s, part, n);
    if (pclose(p) != 0) strbuf_free(&s);
    return s.text;
}

static void fonts_are_embedded(void **state)
{
    struct all *a = *state;
    const struct figure *f;
    if (!a->has_gnuplot) skip();
    for (int i = 0; (f = figure_at(i)); i++) {
        char args[200], name[40], type[40], encoding[40], embedded[8], subset[8], file[100];
        if (!is_drawn(f, "cpu")) continue;
        snprintf(args, sizeof args, "'%s/%s.pdf'", a->figures, file_of(f, "cpu", file));
        char *t = output_of("pdffonts", args);
        if (!t) {
            printf("skipped: no pdffonts (poppler-utils)\n");
            skip();
        }
        /* Two header lines, then one font: TrueType passes the checks for Type 3. */
        char *line = strchr(strchr(t, '\n') + 1, '\n') + 1;
        assert_int_equal(
            sscanf(line, "%39s %39s %39s %7s %7s", name, type, encoding, embedded, subset), 5);
        expect(name, "LiberationSans");
        assert_string_equal(type, "TrueType");
        assert_string_equal(embedded, "yes");
        assert_int_equal(count(line, "\n"), 1);
        free(t);
    }
}

struct word {
    double x0, y0, x1, y1;
};

/* Level words of a PDF: a word's box is 1.117 times its font size high (ascender 0.905,
 * descender 0.212 of Liberation Sans) and as wide as its letters; boxes of turned words are
 * neither. */
static int level_words(const char *text, struct word *words, int room, double width, double height)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, "<word ")); p++) {
        struct word w;
        char letters[64];
        if (sscanf(p, "<word xMin=\"%lf\" yMin=\"%lf\" xMax=\"%lf\" yMax=\"%lf\">%63[^<]", &w.x0,
                   &w.y0, &w.x1, &w.y1, letters) != 5)
            continue;
        if (w.x0 < 0 || w.y0 < 0 || w.x1 > width || w.y1 > height)
            fail_msg("off the page: %.80s", p);
        double size = (w.y1 - w.y0) / 1.117;
        bool known = (size > 6.95 && size < 7.05) || (size > 7.95 && size < 8.05);
        double expected = text_width(letters, size);
        bool level = w.x1 - w.x0 > 0.97 * expected && w.x1 - w.x0 < 1.03 * expected;
        if (known && level && n < room) words[n++] = w;
    }
    return n;
}

/* The printed words themselves, not our boxes: none covers another, none is cut off, and all
 * are 7 or 8 points.  Of a font's height, 0.18 above letters and 0.05 below stay white. */
static void printed_words_do_not_collide(void **state)
{
    struct all *a = *state;
    static const char *const devices[] = {"cpu", "a100-80gb"};
    enum { ROOM = 500 };
    struct word *w = calloc(ROOM, sizeof *w);
    const struct figure *f;
    if (!a->has_gnuplot) skip();
    for (int i = 0; (f = figure_at(i)); i++) {
        for (int d = 0; d < 2 && is_drawn(f, devices[d]); d++) {
            char args[240], file[100];
            double width, height;
            snprintf(args, sizeof args, "-bbox '%s/%s.pdf' -", a->figures,
                     file_of(f, devices[d], file));
            char *t = output_of("pdftotext", args);
            if (!t) {
                printf("skipped: no pdftotext (poppler-utils)\n");
                skip();
            }
            const char *page = strstr(t, "<page ");
            assert_int_equal(sscanf(page, "<page width=\"%lf\" height=\"%lf\"", &width, &height),
                             2);
            /* 3.5 or 7.1 in, in whole points */
            bool wide = i == 0 || f->of_no_run;
            assert_in_range((int)width, wide ? 510 : 252, wide ? 512 : 253);
            int n = level_words(t, w, ROOM, width, height);
            assert_true(n > 20);
            for (int k = 0; k < n; k++)
                for (int m = 0; m < k; m++)
                    if (w[k].x0 < w[m].x1 && w[m].x0 < w[k].x1 && w[k].y0 + 1.2 < w[m].y1 - 0.4 &&
                        w[m].y0 + 1.2 < w[k].y1 - 0.4)
                        fail_msg("%s-%s: words at (%g, %g) and (%g, %g)", f->name, devices[d],
                                 w[k].x0, w[k].y0, w[m].x0, w[m].y0);
            free(t);
        }
    }
    free(w);
}

/* ---- subjects ---- */

static void subjects_are_kept_apart_and_named(void **state)
{
    (void)state;
    static const int32_t one[] = {1, 0};
    static const struct plot_db dbs[] = {
        {.device = "cpu", .model = "tiny-25m", .batch = one},
        {.device = "cpu", .model = "tiny-25m", .layers = 4, .batch = one},
        {.device = "cpu", .model = "qwen2.5-0.5b", .layers = 2, .batch = one, .resident = true},
        {.device = "sim:h200", .model = "tiny-25m", .batch = one},
    };
    struct store *s;
    struct plot_data d;
    ok(store_open(":memory:", STORE_WRITE, &s));
    for (int i = 0; i < 4; i++) ok(plot_db_fill(s, &dbs[i]));
    ok(plot_db_fill(s, &dbs[0])); /* again: the newest run of each cell counts */
    ok(plot_data_load(s, false, &d));
    assert_int_equal(d.n_subjects, 4);
    assert_int_equal(d.n_runs, 4 * 5);
    static const char *const slugs[] = {"cpu-qwen2.5-0.5b", "cpu-tiny-25m-4-layers",
                                        "cpu-tiny-25m-8-layers", "h200"};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(d.subject[i].slug, slugs[i]);
        assert_int_equal(d.subject[i].n_runs, 5);
        assert_int_equal(d.run[d.subject[i].newest].subject, i);
        assert_int_equal(d.subject[i].predicted, i == 3);
    }
    plot_data_free(&d);
    store_close(s);
}

/* ---- what can go wrong ---- */

static void empty_databases_get_a_sentence(void **state)
{
    struct all *a = *state;
    struct strbuf written = {0}, skipped = {0};
    char dir[100];
    const struct figure *f;
    snprintf(dir, sizeof dir, "%s/empty", a->root);
    int n = 0;
    for (; (f = figure_at(n)); n++) {
        assert_int_equal(plot_render(a->empty, f, dir, &written), ERR_USAGE);
        expect(err_msg(), f->name);
        expect(err_msg(), ": nothing to draw, the database has no ");
    }
    assert_int_equal(plot_render_all(a->empty, dir, &written, &skipped), ERR_USAGE);
    assert_int_equal(count(strbuf_text(&skipped), "\n"), n);
    assert_string_equal(strbuf_text(&written), "");
    strbuf_free(&written);
    strbuf_free(&skipped);
}

static void folders_that_cannot_be_written_get_a_sentence(void **state)
{
    struct all *a = *state;
    struct strbuf written = {0};
    char file[100], under[140];
    snprintf(file, sizeof file, "%s/file", a->root);
    FILE *f = fopen(file, "we");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(plot_render(a->two, figure_at(0), file, &written), ERR_IO);
    expect(err_msg(), "/file is not a folder");
    snprintf(under, sizeof under, "%s/sub", file);
    assert_int_equal(plot_render(a->two, figure_at(0), under, &written), ERR_IO);
    expect(err_msg(), "/file/sub: Not a directory");
    /* A folder where a file should go. */
    snprintf(under, sizeof under, "%s/taken/roofline-cpu.tsv", a->root);
    snprintf(file, sizeof file, "%s/taken", a->root);
    assert_int_equal(mkdir(file, 0777) | mkdir(under, 0777), 0);
    assert_int_equal(plot_render(a->two, figure_at(0), file, &written), ERR_IO);
    expect(err_msg(), "taken/roofline-cpu.tsv: Is a directory");
    strbuf_free(&written);
}

/* A gnuplot of our own, alone on PATH. */
static void with_gnuplot(const struct all *a, const char *script, enum err want, const char *says)
{
    char dir[100], path[120], *before = strdup(getenv("PATH"));
    struct strbuf written = {0};
    snprintf(dir, sizeof dir, "%s/bin", a->root);
    snprintf(path, sizeof path, "%s/gnuplot", dir);
    mkdir(dir, 0777);
    unlink(path);
    if (script) {
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fprintf(f, "#!/bin/sh\n%s\n", script);
        fclose(f);
        assert_int_equal(chmod(path, 0755), 0);
    }
    setenv("PATH", dir, 1);
    snprintf(dir, sizeof dir, "%s/out", a->root);
    enum err e = plot_render(a->two, figure_find("throughput"), dir, &written);
    setenv("PATH", before, 1);
    free(before);
    assert_int_equal(e, want);
    expect(err_msg(), says);
    /* The data are there whatever happened, and no picture is. */
    assert_true(exists(dir, "throughput-cpu.tsv") && exists(dir, "throughput-cpu.gp") &&
                exists(dir, "throughput-cpu.txt") && exists(dir, "throughput-a100-80gb.tsv"));
    assert_false(exists(dir, "throughput-cpu.pdf") || exists(dir, "throughput-cpu.svg"));
    assert_int_equal(count(strbuf_text(&written), "\n"), 6);
    assert_int_equal(err_exit_code(e), 6);
    strbuf_free(&written);
}

static void gnuplot_missing_or_failing_leaves_the_data(void **state)
{
    const struct all *a = *state;
    with_gnuplot(a, NULL, ERR_UNSUPPORTED, "gnuplot not found");
    expect(err_msg(), "install gnuplot-nox");
    with_gnuplot(a,
                 "echo '\"throughput-cpu.gp\" line 3: bad thing' >&2; echo half > "
                 "throughput-cpu.svg; exit 1",
                 ERR_UNSUPPORTED, "bad thing");
    with_gnuplot(a, "kill -9 $$", ERR_UNSUPPORTED, "gnuplot was killed by signal 9");
}

static void gnuplot_that_hangs_is_stopped(void **state)
{
    const struct all *a = *state;
    char dir[100], path[120], *before = strdup(getenv("PATH"));
    snprintf(dir, sizeof dir, "%s/slow", a->root);
    snprintf(path, sizeof path, "%s/gnuplot", dir);
    assert_int_equal(mkdir(dir, 0777), 0);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\nexec /bin/sleep 60\n");
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
    setenv("PATH", dir, 1);
    enum err e = gnuplot_run(dir, "x.gp", 300);
    setenv("PATH", before, 1);
    free(before);
    assert_int_equal(e, ERR_UNSUPPORTED);
    expect(err_msg(), "was stopped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_figure_is_six_files_for_each_device),
        cmocka_unit_test(data_are_one_row_for_each_point),
        cmocka_unit_test(goodput_of_ar_is_its_algorithmic_intensity),
        cmocka_unit_test(predictions_are_drawn_hollow_and_called_so),
        cmocka_unit_test(captions_say_what_is_shown),
        cmocka_unit_test(picture_has_every_symbol_once),
        cmocka_unit_test(script_draws_the_same_picture_again),
        cmocka_unit_test(fonts_are_embedded),
        cmocka_unit_test(printed_words_do_not_collide),
        cmocka_unit_test(subjects_are_kept_apart_and_named),
        cmocka_unit_test(empty_databases_get_a_sentence),
        cmocka_unit_test(folders_that_cannot_be_written_get_a_sentence),
        cmocka_unit_test(gnuplot_missing_or_failing_leaves_the_data),
        cmocka_unit_test(gnuplot_that_hangs_is_stopped),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
