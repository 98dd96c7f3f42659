/* verb_ceilings.c - measure this machine's roofs in full, store and print them. */
#include <math.h>
#include <stdlib.h>

#include "harness/app/engine.h"
#include "harness/app/table.h"
#include "harness/app/verbs.h"
#include "harness/base/clock.h"

static void progress(void *ctx, int32_t done, int32_t total, const char *what)
{
    log_progress(ctx, "[%d/%d] %s", done + 1, total, what);
}

static const char *const columns[] = {"kind", "name",       "level", "dtype",  "threads",
                                      "mib",  "value",      "unit",  "ci_lo",  "ci_hi",
                                      "n",    "other_cpus", "flag",  "method", NULL};

/* GB/s, G/s (a multiply-add is 2) or ns. */
static enum err print(const struct ceiling_set *set, enum output format)
{
    struct table t;
    table_open(&t, "ceilings", columns);
    for (int32_t i = 0; i < set->n; i++) {
        const struct ceiling *c = &set->row[i];
        bool ns = c->kind[0] == 'o';
        double scale = ns ? 1 : 1e-9;
        table_text(&t, c->kind);
        table_text(&t, c->name);
        table_text(&t, c->level);
        table_text(&t, c->dtype);
        table_int(&t, c->threads);
        table_real(&t, c->working_set_bytes ? (double)c->working_set_bytes / (1 << 20) : NAN);
        table_real(&t, c->value * scale);
        table_text(&t, ns ? "ns" : c->kind[0] == 'b' ? "GB/s" : "G/s");
        table_real(&t, c->ci_lo * scale);
        table_real(&t, c->ci_hi * scale);
        table_int(&t, c->n);
        table_real(&t, c->other_cpus < 0 ? NAN : c->other_cpus);
        table_text(&t, c->flag[0] ? c->flag : NULL);
        table_text(&t, c->method);
    }
    enum err e = table_print(&t, format);
    table_free(&t);
    return e;
}

static enum err store_set(const struct options *o, const struct engine *e,
                          const struct ceiling_set *set)
{
    struct store *s;
    char invocation_id[37];
    struct invocation i = {.argv = o->command};
    struct device_row d = engine_device(e);
    TRY(store_open(o->db, STORE_WRITE, &s));
    enum err err = store_begin_invocation(s, &i, &d, invocation_id);
    if (err == ERR_NONE) err = store_ceiling_set(s, invocation_id, d.device, set, "alone");
    if (err == ERR_NONE) err = store_end_invocation(s, invocation_id, 0);
    store_close(s);
    return err;
}

enum err verb_ceilings(const struct options *o)
{
    struct engine *engine = NULL;
    struct team *team = NULL;
    struct ceiling_set *set = NULL;
    enum isa isa;
    enum err e = ERR_NONE;
    TRY(isa_choose(ISA_AUTO, &isa));
    TRY(engine_open("cpu", o->log, &engine));
    set = calloc(1, sizeof *set);
    if (!set) TRY_OUT(err_set(ERR_NOMEM, "roofs: out of memory"));
    TRY_OUT(team_create(0, &team));
    TRY_OUT(ceilings_measure(team, isa, CEILINGS_FULL, progress, o->log, set));
    log_progress_end(o->log);
    TRY_OUT(store_set(o, engine, set));
    TRY_OUT(print(set, o->output));
out:
    free(set);
    team_free(team);
    engine_close(engine);
    return e;
}
