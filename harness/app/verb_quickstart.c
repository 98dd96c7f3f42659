/* verb_quickstart.c - the whole experiment with one command: measure, predict, draw, answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/app/answer.h"
#include "harness/app/claims.h"
#include "harness/app/engine.h"
#include "harness/app/execute.h"
#include "harness/app/verbs.h"
#include "plots/plot.h"

static enum err make_folder(const char *path)
{
    struct strbuf part = {0};
    enum err e = ERR_NONE;
    for (const char *p = path;; p++) {
        if ((*p == '/' || *p == '\0') && part.len && mkdir(strbuf_text(&part), 0777) != 0 &&
            errno != EEXIST)
            TRY_OUT(err_set(ERR_IO, "%s: %s", strbuf_text(&part), strerror(errno)));
        if (*p == '\0') break;
        strbuf_add_char(&part, *p);
    }
    e = strbuf_check(&part);
out:
    strbuf_free(&part);
    return e;
}

/* Before a folder is made for what cannot be measured. */
static enum err check_device(const struct options *o)
{
    struct engine *e;
    TRY(engine_open(o->device ? o->device : "cpu", o->log, &e));
    engine_close(e);
    return ERR_NONE;
}

/* The sweep's cells once more, on another device. */
static enum err on_device(const struct cell_list *cells, const char *device, struct cell_list *out)
{
    *out = *cells;
    out->cell = malloc((size_t)cells->n * sizeof *out->cell);
    if (!out->cell) return err_set(ERR_NOMEM, "%d cells: out of memory", cells->n);
    memcpy(out->cell, cells->cell, (size_t)cells->n * sizeof *out->cell);
    for (int32_t i = 0; i < out->n; i++)
        snprintf(out->cell[i].cell.device, sizeof out->cell[i].cell.device, "%s", device);
    return ERR_NONE;
}

static enum err execute(struct store *s, const struct options *o, const struct cell_list *cells,
                        const char *what, int32_t *n_failed)
{
    struct execute_options eo = {
        .command = o->command,
        .sweep_name = o->sweep_name,
        .sweep_text = o->sweep_text,
        .reuse = true,
        .reuse_any_build = o->reuse_any,
        .limits = &measure_default,
        .log = o->log,
    };
    struct execution x = {0};
    enum err e = execute_cells(s, cells, &eo, &x);
    if (e == ERR_NONE) {
        log_progress_end(o->log);
        log_line(o->log, LOG_INFO, "%s: %d ran, %d reused, %d skipped, %d failed", what, x.n_ran,
                 x.n_reused, x.skips.n, x.n_failed);
        *n_failed += x.n_failed;
    }
    execution_free(&x);
    return e;
}

static enum err measure_and_predict(struct store *s, const struct options *o, int32_t *n_failed)
{
    struct cell_list real = {0}, imagined = {0};
    TRY(on_device(&o->cells, o->device ? o->device : "cpu", &real));
    enum err e = execute(s, o, &real, "measured on this machine", n_failed);
    free(real.cell);
    TRY(e);
    TRY(on_device(&o->cells, "sim:a100-80gb", &imagined));
    e = execute(s, o, &imagined, "predicted for an A100 80GB", n_failed);
    free(imagined.cell);
    return e;
}

static enum err draw(struct store *s, const struct options *o, const char *dir)
{
    struct strbuf written = {0}, skipped = {0};
    log_progress(o->log, "drawing the figures");
    enum err e = plot_render_all(s, dir, &written, &skipped);
    log_progress_end(o->log);
    strbuf_free(&written);
    strbuf_free(&skipped);
    return e;
}

static enum err write_answer(struct store *s, const struct options *o, FILE *f)
{
    return answer_print(s, f);
}

static enum err write_claims(struct store *s, const struct options *o, FILE *f)
{
    struct options claims = {.verb = verb_find("claims"), .log = o->log};
    TRY(options_load_sweep(&claims, "a100-claims"));
    enum err e = claims_report(&claims.cells, s, "regime claims", OUTPUT_MD, f);
    options_free(&claims);
    return e;
}

/* One file of the folder. */
static enum err write_file(struct store *s, const struct options *o, const char *dir,
                           const char *name,
                           enum err (*write)(struct store *, const struct options *, FILE *))
{
    struct strbuf path = {0};
    enum err e = ERR_NONE;
    strbuf_addf(&path, "%s/%s", dir, name);
    TRY_OUT(strbuf_check(&path));
    FILE *f = fopen(strbuf_text(&path), "w");
    if (!f) TRY_OUT(err_set(ERR_IO, "%s: %s", strbuf_text(&path), strerror(errno)));
    e = write(s, o, f);
    if (fclose(f) != 0 && e == ERR_NONE)
        e = err_set(ERR_IO, "%s: %s", strbuf_text(&path), strerror(errno));
out:
    strbuf_free(&path);
    return e;
}

enum err verb_quickstart(const struct options *o)
{
    const char *dir = o->out ? o->out : "out/quickstart";
    struct options mine = *o;
    struct strbuf db = {0};
    struct store *s = NULL;
    int32_t n_failed = 0;
    enum err e = ERR_NONE;
    TRY(check_device(o));
    TRY(make_folder(dir));
    strbuf_addf(&db, "%s/quickstart.db", dir);
    TRY_OUT(strbuf_check(&db));
    TRY_OUT(options_load_sweep(&mine, o->tiny ? "quickstart-tiny" : "quickstart"));
    TRY_OUT(store_open(strbuf_text(&db), STORE_WRITE, &s));
    TRY_OUT(measure_and_predict(s, &mine, &n_failed));
    TRY_OUT(write_file(s, o, dir, "claims.md", write_claims));
    TRY_OUT(write_file(s, o, dir, "answer.txt", write_answer));
    TRY_OUT(answer_print(s, stdout));
    fflush(stdout);
    TRY_OUT(draw(s, o, dir)); /* last: it needs gnuplot */
    printf("\nIn %s: quickstart.db (every number), roofline-*.pdf, .svg, .png and the other "
           "figures with "
           "their captions,\nclaims.md (the popular claims, one by one), answer.txt (the above).\n",
           dir);
    if (n_failed) e = err_set(ERR_SOME_FAILED, "%d cell%s failed", n_failed, plural(n_failed));
out:
    store_close(s);
    strbuf_free(&db);
    cell_list_free(&mine.cells);
    free(mine.sweep_name);
    free(mine.sweep_title);
    free(mine.sweep_text);
    return e;
}
