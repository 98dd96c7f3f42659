/* verb_plot.c - plot: figures of what the database holds. */
#include <stdio.h>
#include <string.h>

#include "harness/app/verbs.h"
#include "harness/base/suggest.h"
#include "plots/plot.h"

static enum err unknown_figure(const char *name)
{
    const char *names[32] = {NULL};
    struct strbuf all = {0};
    const struct figure *f;
    for (int i = 0; i < 30 && (f = figure_at(i)); i++) {
        names[i] = f->name;
        strbuf_addf(&all, "%s, ", f->name);
    }
    char near[SUGGEST_SIZE];
    enum err e = err_set(ERR_USAGE, "no figure \"%.40s\"%s (%sor all)", name,
                         suggest_phrase(name, names, near), strbuf_text(&all));
    strbuf_free(&all);
    return e;
}

/* Written before a figure failed or not: the files are there. */
static void report(const struct options *o, const struct strbuf *written,
                   const struct strbuf *skipped)
{
    fputs(strbuf_text(written), stdout);
    for (const char *line = strbuf_text(skipped); *line;) {
        int n = (int)strcspn(line, "\n");
        log_line(o->log, LOG_INFO, "%.*s", n, line);
        line += n + (line[n] == '\n');
    }
}

enum err verb_plot(const struct options *o)
{
    const char *dir = o->out ? o->out : "figures";
    struct strbuf written = {0}, skipped = {0};
    struct store *s = NULL;
    enum err e = ERR_NONE;
    if (o->n_args != 1)
        return err_set(ERR_USAGE, "plot: expected one figure or all (regime list figures)");
    bool all = strcmp(o->arg[0], "all") == 0;
    const struct figure *f = all ? NULL : figure_find(o->arg[0]);
    if (!all && !f) return unknown_figure(o->arg[0]);
    TRY_OUT(store_open(o->db, STORE_READ, &s));
    e = all ? plot_render_all(s, dir, &written, &skipped) : plot_render(s, f, dir, &written);
    report(o, &written, &skipped);
out:
    store_close(s);
    strbuf_free(&written);
    strbuf_free(&skipped);
    return e;
}
