/* write_trace.c - decode the one cell once more, untimed, and write down what it commits. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "diffusion/strategy.h"
#include "harness/app/decoders.h"
#include "harness/app/engine.h"
#include "harness/app/learn.h"
#include "harness/app/quality.h"
#include "harness/app/write_trace.h"
#include "harness/decode/exact.h"
#include "harness/decode/session.h"

static enum err the_cell(const struct options *o, const struct cell **out)
{
    const struct planned_cell *p = o->cells.cell;
    *out = NULL;
    if (o->cells.n != 1 || p->skip_reason[0])
        return err_set(ERR_USAGE, "--write-trace: expected flags that make one cell, not %d",
                       o->cells.n);
    if (!cell_is_traced(&p->cell))
        return err_set(ERR_USAGE,
                       "--write-trace: %s neither reveals masks nor verifies drafts, so there is "
                       "nothing to replay; expected a denoiser or ar-verify",
                       p->cell.decoder);
    if (strncmp(p->cell.device, "sim:", 4) == 0)
        return err_set(ERR_USAGE,
                       "--write-trace: %s computes nothing that decides; expected a "
                       "real device",
                       p->cell.device);
    if (cell_denoises(&p->cell) && strategy_of(p->cell.spec.strategy)->revises)
        return err_set(ERR_USAGE,
                       "--write-trace: strategy %s takes revealed positions back, and a commit "
                       "trace has each once",
                       strategy_of(p->cell.spec.strategy)->name);
    *out = &p->cell;
    return ERR_NONE;
}

/* Asked before anything is timed; a file that was not there is not left behind. */
static enum err check_writable(const char *path)
{
    bool was_there = access(path, F_OK) == 0;
    FILE *f = fopen(path, "a");
    if (!f) return err_set(ERR_IO, "--write-trace %s: %s", path, strerror(errno));
    fclose(f);
    if (!was_there) remove(path);
    return ERR_NONE;
}

enum err write_trace_check(const struct options *o)
{
    const struct cell *c;
    if (!o->write_trace) return ERR_NONE;
    TRY(the_cell(o, &c));
    return check_writable(o->write_trace);
}

/* A file that is not whole is worse than none. */
static enum err save(const char *path, const struct strbuf *text)
{
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(strbuf_text(text), 1, text->len, f) == text->len;
    if (f && fclose(f) != 0) ok = false;
    if (ok) return ERR_NONE;
    enum err e = err_set(ERR_IO, "--write-trace %s: %s", path, strerror(errno));
    if (f) remove(path);
    return e;
}

enum err write_trace(const struct options *o)
{
    struct engine *engine = NULL;
    struct commit_log l = {0};
    const struct cell *c;
    struct model *m, *draft;
    enum err e = ERR_NONE;
    if (!o->write_trace) return ERR_NONE;
    TRY(the_cell(o, &c));
    TRY(engine_open(c->device, o->log, &engine));
    TRY_OUT(engine_load(engine, c, 0, &m));
    TRY_OUT(engine_load_draft(engine, c, &draft));
    TRY_OUT(commit_log_init(&l, &c->spec, model_config_of(m)));
    TRY_OUT(decode_logged(m, draft, c, &l));
    TRY_OUT(strbuf_check(&l.text));
    TRY_OUT(save(o->write_trace, &l.text));
out:
    commit_log_free(&l);
    engine_close(engine);
    return e;
}

enum err write_trace_of_process(const struct options *o, struct kernels *k, const struct process *p)
{
    struct exact_session *n = NULL;
    struct commit_log l = {0};
    struct model_config config = exact_config(p);
    struct step_work work;
    const struct cell *c;
    enum err e = ERR_NONE;
    if (!o->write_trace) return ERR_NONE;
    TRY(the_cell(o, &c));
    struct cell on = cell_on_process(c, p);
    TRY_OUT(commit_log_init(&l, &on.spec, &config));
    TRY_OUT(exact_session_create(k, p, decoder_find(on.decoder), &on.spec, &n));
    exact_session_log_commits(n, &l);
    while (!exact_session_done(n)) TRY_OUT(exact_session_step(n, &work));
    TRY_OUT(strbuf_check(&l.text));
    TRY_OUT(save(o->write_trace, &l.text));
out:
    exact_session_free(n);
    commit_log_free(&l);
    return e;
}
