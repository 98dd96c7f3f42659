/* plot.c - from a database to files: query, draw, fill the template, run gnuplot. */
#include "plots/plot.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/embed.h"
#include "harness/base/suggest.h"
#include "plots/figures.h"
#include "plots/gnuplot.h"

enum { GNUPLOT_TIMEOUT_MS = 60000, MAX_FIGURES = 16 };

static const struct figure *const figures[] = {
    &figure_roofline,         &figure_intensity_batch, &figure_throughput,       &figure_break_even,
    &figure_regime,           &figure_breakdown,       &figure_speed_at_quality, &figure_gaussian,
    &figure_model_vs_counter, &figure_levels,          &figure_executed,         &figure_elasticity,
};
enum { N_FIGURES = sizeof figures / sizeof figures[0] };

const struct figure *figure_at(int i)
{
    return i >= 0 && i < N_FIGURES ? figures[i] : NULL;
}

const struct figure *figure_find(const char *name)
{
    for (int i = 0; i < N_FIGURES; i++)
        if (strcmp(figures[i]->name, name) == 0) return figures[i];
    return NULL;
}

/* With the folders above it. */
static enum err make_folder(const char *dir)
{
    struct strbuf path = {0};
    enum err e = ERR_NONE;
    for (const char *p = dir; *p && e == ERR_NONE; p++) {
        strbuf_add_char(&path, *p);
        if (p[1] != '/' && p[1] != '\0') continue;
        e = strbuf_check(&path);
        if (e == ERR_NONE && mkdir(strbuf_text(&path), 0777) != 0 && errno != EEXIST)
            e = err_set(ERR_IO, "folder %s: %s", dir, strerror(errno));
    }
    strbuf_free(&path);
    struct stat st;
    if (e == ERR_NONE && (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)))
        e = err_set(ERR_IO, "%s is not a folder", dir);
    return e;
}

/* dir, a slash, the figure's and the subject's name, and an ending. */
static enum err file_path(struct strbuf *out, const char *dir, const char *file, const char *ending)
{
    strbuf_clear(out);
    strbuf_addf(out, "%s/%s%s", dir, file, ending);
    return strbuf_check(out);
}

static enum err write_file(const char *dir, const char *file, const char *ending,
                           const struct strbuf *text, struct strbuf *written)
{
    struct strbuf path = {0};
    enum err e = ERR_NONE;
    TRY_OUT(strbuf_check(text));
    TRY_OUT(file_path(&path, dir, file, ending));
    FILE *f = fopen(path.text, "we");
    bool good = f && fwrite(strbuf_text(text), 1, text->len, f) == text->len;
    if (f && fclose(f) != 0) good = false;
    if (!good) {
        e = err_set(ERR_IO, "%s: %s", path.text, strerror(errno));
        goto out;
    }
    strbuf_addf(written, "%s\n", path.text);
out:
    strbuf_free(&path);
    return e;
}

/* Pictures of an earlier drawing must not lie beside the data of this one. */
static enum err remove_pictures(const char *dir, const char *file)
{
    static const char *const endings[] = {".pdf", ".svg", ".png"};
    struct strbuf path = {0};
    enum err e = ERR_NONE;
    for (int i = 0; i < 3 && e == ERR_NONE; i++) {
        e = file_path(&path, dir, file, endings[i]);
        if (e == ERR_NONE && unlink(path.text) != 0 && errno != ENOENT)
            e = err_set(ERR_IO, "%s: %s", path.text, strerror(errno));
    }
    strbuf_free(&path);
    return e;
}

static enum err fill(const struct figure *f, struct sheet *s, const char *file, struct strbuf *out)
{
    struct template_pair pairs[SHEET_SLOTS];
    struct strbuf common = {0};
    char path[64];
    snprintf(path, sizeof path, "plots/%s.gp", f->name);
    const char *template = embed_find(path), *shared = embed_find("plots/common.gp");
    CHECK(template && shared);
    strbuf_add(sheet_slot(s, "FILE"), file);
    strbuf_addf(sheet_slot(s, "WIDTH"), "%.3f", s->width / 72);
    strbuf_addf(sheet_slot(s, "HEIGHT"), "%.3f", s->height / 72);
    sheet_slot(s, "COMMON");
    for (int i = 0; i < s->n_slots; i++)
        pairs[i] = (struct template_pair){s->slot[i].name, strbuf_text(&s->slot[i].text)};
    template_fill(&common, shared, pairs, s->n_slots);
    strbuf_add(sheet_slot(s, "COMMON"), strbuf_text(&common));
    strbuf_free(&common);
    for (int i = 0; i < s->n_slots; i++) {
        TRY(strbuf_check(&s->slot[i].text));
        pairs[i].text = strbuf_text(&s->slot[i].text);
    }
    template_fill(out, template, pairs, s->n_slots);
    return strbuf_check(out);
}

static enum err write_sheet(const struct figure *f, struct sheet *s, const char *dir,
                            struct strbuf *written)
{
    struct strbuf script = {0};
    char file[200], name[208];
    int n = snprintf(file, sizeof file, "%s%s%.60s", f->name, s->part ? "-" : "",
                     s->part ? s->part : "");
    for (char *c = file; *c; c++) /* a process of a file has its path for a name */
        if (!isalnum((unsigned char)*c) && !strchr("-_", *c)) *c = '_';
    snprintf(file + n, sizeof file - (size_t)n, "%s%s", s->subject ? "-" : "",
             s->subject ? s->subject->slug : "");
    enum err e = fill(f, s, file, &script);
    if (e == ERR_NONE) e = remove_pictures(dir, file);
    if (e == ERR_NONE) e = write_file(dir, file, ".tsv", &s->tsv, written);
    if (e == ERR_NONE) e = write_file(dir, file, ".gp", &script, written);
    if (e == ERR_NONE) e = write_file(dir, file, ".txt", &s->caption, written);
    strbuf_free(&script);
    TRY(e);
    snprintf(name, sizeof name, "%s.gp", file);
    e = gnuplot_run(dir, name, GNUPLOT_TIMEOUT_MS);
    if (e != ERR_NONE) {
        char why[512]; /* half a picture is none */
        snprintf(why, sizeof why, "%s", err_msg());
        TRY(remove_pictures(dir, file));
        return err_set(e, "%s", why);
    }
    strbuf_addf(written, "%s/%s.pdf\n%s/%s.svg\n%s/%s.png\n", dir, file, dir, file, dir, file);
    return ERR_NONE;
}

/* The figure's parts: whether row i is the first of one. */
static bool begins_part(const struct plot_rows *rows, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(rows->row[k].word[0], rows->row[i].word[0]) == 0) return false;
    return true;
}

/* Of one part, or of a figure that has none.  Every subject is tried even when gnuplot is missing,
 * so that all data are there: `missing` says what is. */
static enum err render_part(const struct figure *f, const struct plot_data *d,
                            const struct plot_rows *rows, const char *part, const char *dir,
                            struct strbuf *written, int *drawn, char missing[512])
{
    for (int i = 0; i < (f->of_no_run ? 1 : d->n_subjects); i++) {
        struct sheet s = {.data = d, .subject = f->of_no_run ? NULL : &d->subject[i], .part = part};
        bool empty = false;
        enum err e = f->draw(rows, &s, &empty);
        if (e == ERR_NONE && !empty) {
            e = write_sheet(f, &s, dir, written);
            ++*drawn;
        }
        sheet_free(&s);
        if (e == ERR_UNSUPPORTED)
            snprintf(missing, 512, "%s", err_msg());
        else
            TRY(e);
    }
    return ERR_NONE;
}

static enum err render(const struct figure *f, const struct plot_data *d,
                       const struct plot_rows *rows, const char *dir, struct strbuf *written)
{
    char missing[512] = "";
    int drawn = 0;
    if (!f->in_parts) TRY(render_part(f, d, rows, NULL, dir, written, &drawn, missing));
    for (int i = 0; f->in_parts && i < rows->n; i++)
        if (begins_part(rows, i))
            TRY(render_part(f, d, rows, rows->row[i].word[0], dir, written, &drawn, missing));
    if (*missing) return err_set(ERR_UNSUPPORTED, "%s", missing);
    if (!drawn) return err_set(ERR_USAGE, "%s: nothing to draw, %s", f->name, f->needs);
    return strbuf_check(written);
}

static enum err render_from(struct store *s, const struct plot_data *d, const struct figure *f,
                            const char *dir, struct strbuf *written)
{
    struct plot_rows rows[FIGURE_QUERIES] = {0};
    enum err e = ERR_NONE;
    for (int i = 0; i < FIGURE_QUERIES && e == ERR_NONE; i++)
        if (f->query[i].sql)
            e = plot_rows_load(s, f->of_no_run ? NULL : d, f->query[i].sql, f->query[i].n_words,
                               &rows[i]);
    if (e == ERR_NONE) e = render(f, d, rows, dir, written);
    for (int i = 0; i < FIGURE_QUERIES; i++) plot_rows_free(&rows[i]);
    return e;
}

enum err plot_render(struct store *s, const struct figure *f, const char *dir,
                     struct strbuf *written)
{
    struct plot_data d;
    TRY(make_folder(dir));
    TRY(plot_data_load(s, f->judged_first, &d));
    enum err e = render_from(s, &d, f, dir, written);
    plot_data_free(&d);
    return e;
}

enum err plot_render_all(struct store *s, const char *dir, struct strbuf *written,
                         struct strbuf *skipped)
{
    struct plot_data d[2] = {0}; /* by judged_first */
    char missing[512] = "";
    int drawn = 0;
    TRY(make_folder(dir));
    enum err e = plot_data_load(s, false, &d[false]);
    if (e == ERR_NONE) e = plot_data_load(s, true, &d[true]);
    for (int i = 0; i < N_FIGURES && e == ERR_NONE; i++) {
        e = render_from(s, &d[figures[i]->judged_first], figures[i], dir, written);
        drawn += e == ERR_NONE;
        if (e == ERR_USAGE) {
            strbuf_addf(skipped, "%s\n", err_msg());
            e = ERR_NONE;
        } else if (e == ERR_UNSUPPORTED) {
            snprintf(missing, sizeof missing, "%s", err_msg());
            e = ERR_NONE;
        }
    }
    plot_data_free(&d[false]);
    plot_data_free(&d[true]);
    TRY(e);
    if (*missing) return err_set(ERR_UNSUPPORTED, "%s", missing);
    if (!drawn) return err_set(ERR_USAGE, "no figure has anything to draw: no finished run");
    return strbuf_check(written);
}
