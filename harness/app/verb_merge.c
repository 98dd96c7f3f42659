/* verb_merge.c - merge: shards of a sweep, or another machine's results, into one database. */
#include "harness/app/verbs.h"
#include "results/store.h"

enum err verb_merge(const struct options *o)
{
    struct store *s = NULL;
    enum err e = ERR_NONE;
    if (o->n_args < 2)
        return err_set(ERR_USAGE, "merge: expected a database to write to and at least one to read "
                                  "from");
    TRY(store_open(o->arg[0], STORE_WRITE, &s));
    for (int32_t i = 1; i < o->n_args; i++) {
        int64_t n_runs;
        TRY_OUT(store_merge(s, o->arg[i], &n_runs));
        log_line(o->log, LOG_INFO, "%s: %lld new run%s from %s", o->arg[0], (long long)n_runs,
                 plural(n_runs), o->arg[i]);
    }
out:
    store_close(s);
    return e;
}
