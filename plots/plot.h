/* plot.h - figures of what a database holds.
 *
 * For each subject (device, model, threads; see data.h) a figure is a script FIGURE-SUBJECT.gp
 * with its data (.tsv) and caption (.txt) beside it, drawn by gnuplot into .pdf, .svg and
 * .png.  Running gnuplot on the script in its folder draws it again. */
#ifndef PLOTS_PLOT_H
#define PLOTS_PLOT_H

#include "plots/sheet.h"

enum { FIGURE_QUERIES = 2 };

struct figure {
    const char *name;  /* of the template plots/NAME.gp and of the files */
    const char *help;  /* one line */
    const char *needs; /* what a database lacks when there is nothing to draw */
    bool of_no_run;    /* its rows are of no run (run_id NULL): one figure of all of them */
    bool in_parts;     /* one figure for each first word of query 0's rows, FIGURE-WORD-SUBJECT */
    bool judged_first; /* shows verdicts, so the newest run that has one stands for its cell */
    struct {
        const char *sql; /* run_id, words, numbers; NULL: no such query */
        int n_words;
    } query[FIGURE_QUERIES];
    /* Fill the sheet with the subject's rows.  *empty: it has none this figure could show. */
    enum err (*draw)(const struct plot_rows *rows, struct sheet *s, bool *empty);
};

/* Figures in order; NULL past the last. */
const struct figure *figure_at(int i);
const struct figure *figure_find(const char *name);

/* Draw the figure of every subject into dir, which is made if it is missing; the paths of the
 * files written are added to written, one a line.
 * ERR_USAGE: nothing to draw.  ERR_UNSUPPORTED: data, scripts and captions are there, but
 * gnuplot is not, or failed. */
enum err plot_render(struct store *s, const struct figure *f, const char *dir,
                     struct strbuf *written) MUST_CHECK;

/* The same of every figure; those with nothing to draw are named in skipped, one a line. */
enum err plot_render_all(struct store *s, const char *dir, struct strbuf *written,
                         struct strbuf *skipped) MUST_CHECK;

#endif
