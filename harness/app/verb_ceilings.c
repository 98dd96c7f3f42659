/* verb_ceilings.c - measure a device's roofs in full, store and print them. */
#include <math.h>
#include <stdlib.h>

#include "harness/app/engine.h"
#include "harness/app/table.h"
#include "harness/app/verbs.h"

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
        if (c->threads)
            table_int(&t, c->threads);
        else
            table_real(&t, NAN);
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
    static const struct cell any = {.isa = ISA_AUTO};
    struct engine *engine = NULL;
    enum err e = ERR_NONE;
    TRY(engine_open(o->device ? o->device : "cpu", o->log, &engine));
    TRY_OUT(engine_measure(engine, &any, CEILINGS_FULL, progress, o->log));
    log_progress_end(o->log);
    const struct ceiling_set *set = engine_roofs(engine, &any);
    TRY_OUT(store_set(o, engine, set));
    TRY_OUT(print(set, o->output));
out:
    engine_close(engine);
    return e;
}
