/* verb_run.c - run, sweep and plan: execute cells, then print them. */
#include "harness/app/execute.h"
#include "harness/app/precision.h"
#include "harness/app/steadiness.h"
#include "harness/app/verbs.h"
#include "harness/app/write_trace.h"

static void summarize(const struct options *o, const struct execution *x, const char *where)
{
    log_line(o->log, LOG_INFO, "%d ran, %d reused, %d skipped, %d failed; %s", x->n_ran,
             x->n_reused, x->skips.n, x->n_failed, where);
}

static enum err execute_and_print(const struct options *o, const char *db,
                                  const struct execute_options *eo)
{
    struct store *s = NULL;
    struct execution x = {0};
    enum err e = ERR_NONE;
    TRY(execute_check(&o->cells, eo));
    TRY(store_open(db, STORE_WRITE, &s));
    TRY_OUT(execute_cells(s, &o->cells, eo, &x));
    TRY_OUT(present_runs(s, x.run, x.n, o->output));
    if (!eo->only_sim) {
        TRY_OUT(steadiness_warn(s, x.run, x.n, o->log));
        summarize(o, &x, db);
    }
    e = execution_result(&x);
out:
    execution_free(&x);
    store_close(s);
    return e;
}

static struct execute_options execute_options_of(const struct options *o)
{
    struct count_options count = o->count;
    count.l2 = o->l2 == 1 + L2_COLD ? L2_COLD : L2_STEADY;
    return (struct execute_options){
        .command = o->command,
        .sweep_name = o->sweep_name,
        .sweep_text = o->sweep_text,
        .reuse = o->sweep_name != NULL,
        .reuse_any_build = o->reuse_any,
        .time_budget_ns = o->time_budget_s * 1000000000LL,
        .limits = &measure_default,
        .count = count,
        .log = o->log,
    };
}

static enum err run_cells(const struct options *o)
{
    struct execute_options eo = execute_options_of(o);
    struct precision precision = {.most = o->precision > 0 ? o->precision : o->cells.precision,
                                  .limit_ns = 60 * 1000000000LL};
    struct measure_limits limits = precision.most > 0 ? precision_limits : measure_default;
    if (precision.most > 0) {
        limits.look = precision_look;
        limits.look_ctx = &precision;
    }
    if (o->rounds > MEASURE_ROUNDS_MAX)
        return err_set(ERR_USAGE, "--rounds: %lld is more than %d", (long long)o->rounds,
                       MEASURE_ROUNDS_MAX);
    if (o->rounds > 0) limits.n_rounds = (int32_t)o->rounds;
    eo.limits = &limits;
    return execute_and_print(o, o->db, &eo);
}

enum err verb_run(const struct options *o)
{
    TRY(write_trace_check(o));
    TRY(run_cells(o));
    return write_trace(o);
}

enum err verb_sweep(const struct options *o)
{
    return run_cells(o);
}

enum err verb_plan(const struct options *o)
{
    if (o->showcmd) return show_commands(o);
    struct execute_options eo = execute_options_of(o);
    eo.only_sim = true;
    eo.reuse = false;
    return execute_and_print(o, ":memory:", &eo);
}
