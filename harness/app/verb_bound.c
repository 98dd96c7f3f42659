/* verb_bound.c - find out what limits each cell, store it and print it. */
#include <string.h>

#include "harness/app/bound.h"
#include "harness/app/verbs.h"
#include "results/output.h"

static enum err add_id(struct strbuf *list, const char *run_id)
{
    strbuf_addf(list, "%s\"%s\"", list->len > 1 ? "," : "", run_id);
    return strbuf_check(list);
}

/* The newest run with a verdict of each cell that was asked for, as a JSON array. */
static enum err find_runs(struct store *s, const struct options *o, struct strbuf *ids)
{
    strbuf_add(ids, "[");
    for (int32_t i = 0; i < o->cells.n; i++) {
        char run_id[37];
        bool found;
        if (o->cells.cell[i].skip_reason[0]) continue;
        TRY(store_find_bound(s, &o->cells.cell[i].cell, true, &found, run_id));
        if (found) TRY(add_id(ids, run_id));
    }
    strbuf_add(ids, "]");
    return strbuf_check(ids);
}

#define OF_RUNS "FROM v_bound b JOIN json_each(?1) j ON j.value = b.run_id "
#define IN_ORDER " ORDER BY j.key, b.phase <> 'prefill', b.phase, b.op"

static const char table_sql[] =
    "SELECT b.decoder, b.batch_seqs AS batch, b.block_tokens AS block, b.phase, b.rows, "
    "b.intensity_flop_per_byte AS intensity, b.ridge_flop_per_byte AS ridge, b.side, b.bound, "
    "b.eps_bytes, b.eps_bytes_lo AS bytes_lo, b.eps_bytes_hi AS bytes_hi, "
    "b.eps_flop, b.eps_flop_lo AS flop_lo, b.eps_flop_hi AS flop_hi, b.flop_by, "
    "b.cache_resident " OF_RUNS "WHERE b.op = ''" IN_ORDER;
static const char all_sql[] = "SELECT b.* " OF_RUNS IN_ORDER;

struct tally {
    int64_t points, undecided, far, agree;
};

static enum err take_tally(void *ctx, const struct store_result_row *row)
{
    const struct store_value *v = row->value;
    *(struct tally *)ctx = (struct tally){v[0].i, v[1].i, v[2].i, v[3].i};
    return ERR_NONE;
}

/* A point within a factor of two of the ridge is not expected to be on one side. */
static enum err summarize(struct store *s, const struct store_value *ids, struct log *log,
                          struct tally *t)
{
    TRY(store_query(s,
                    "SELECT COUNT(*), CAST(TOTAL(bound = 'undecided') AS INTEGER), "
                    "COUNT(iif(ridge_distance > 2, agrees, NULL)), "
                    "CAST(TOTAL(iif(ridge_distance > 2, agrees, 0)) AS INTEGER) " OF_RUNS
                    "WHERE b.op = ''",
                    ids, 1, take_tally, t));
    log_line(log, LOG_INFO,
             "%lld points, %lld undecided; of %lld more than twice off the ridge the model and the "
             "intervention name the same side of %lld",
             (long long)t->points, (long long)t->undecided, (long long)t->far, (long long)t->agree);
    return ERR_NONE;
}

static enum err present(struct store *s, const struct options *o, struct tally *t)
{
    struct strbuf list = {0};
    enum err e = ERR_NONE;
    TRY_OUT(find_runs(s, o, &list));
    struct store_value ids = store_text(strbuf_text(&list));
    bool whole = o->output == OUTPUT_JSON || o->output == OUTPUT_JSONL;
    TRY_OUT(output_query(s, whole ? all_sql : table_sql, &ids, 1, (enum print_format)o->output,
                         "bounds", stdout));
    e = summarize(s, &ids, o->log, t);
out:
    strbuf_free(&list);
    return e;
}

static enum err answer(const struct execution *x, const struct tally *t)
{
    TRY(execution_result(x));
    if (t->undecided == 0) return ERR_NONE;
    return err_set(ERR_INCONCLUSIVE,
                   "%lld of %lld points are undecided: an interval reaches across a half",
                   (long long)t->undecided, (long long)t->points);
}

enum err verb_bound(const struct options *o)
{
    struct store *s = NULL;
    struct bound_plan plan = {0};
    struct execution x = {0};
    struct tally tally = {0};
    enum err e = ERR_NONE;
    TRY(bound_check_cells(&o->cells));
    TRY(store_open(o->db, STORE_WRITE, &s));
    struct bound_options bo = {
        .store = s, .log = o->log, .reuse = o->sweep_name != NULL, .reuse_any_build = o->reuse_any};
    TRY_OUT(bound_plan_make(&o->cells, &bo, &plan));
    struct bound_judging judging = {.store = s, .plan = &plan};
    struct measure_limits limits = bound_limits;
    limits.look = bound_look;
    limits.look_ctx = &plan;
    struct execute_options eo = {.command = o->command,
                                 .sweep_name = o->sweep_name,
                                 .sweep_text = o->sweep_text,
                                 .time_budget_ns = o->time_budget_s * 1000000000LL,
                                 .limits = &limits,
                                 .log = o->log,
                                 .done = bound_group_done,
                                 .done_ctx = &judging};
    TRY_OUT(execute_cells(s, &plan.cells, &eo, &x));
    TRY_OUT(present(s, o, &tally));
    e = answer(&x, &tally);
out:
    execution_free(&x);
    bound_plan_free(&plan);
    store_close(s);
    return e;
}
