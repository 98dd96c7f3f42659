/* verb_report.c - tables from the views: the ones a person wants first, or any one view. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/sql_table.h"
#include "harness/app/verbs.h"
#include "harness/base/suggest.h"
#include "results/output.h"

#define DEVICE_ORDER "iif(d.device_kind = 'sim', 1, 0), d.device, d.model"
#define CACHE(t)                                                                                   \
    "COALESCE(" t ".cache || COALESCE(' every ' || " t ".refresh_forwards, ''), " t                \
    ".commit_policy || ' commit')"
#define DRAFTS(t)                                                                                  \
    t ".draft_tokens || ' at ' || COALESCE(" t ".acceptance, 'trace') || COALESCE(' by ' || " t ".draft, '')"
#define CELL_ORDER "d.decoder, d.block_tokens, d.denoise_steps, d.batch_seqs"

static const struct sql_table tables[] = {
    {"throughput",
     "Throughput: tokens per second of the whole batch, end to end and after prefill "
     "(evidence analytic: predicted)",
     "SELECT d.device, d.model, d.decoder, d.batch_seqs AS batch, d.prompt_tokens AS prompt, "
     "d.gen_tokens AS gen, d.block_tokens AS block, d.denoise_steps AS steps, "
     CACHE("d") " AS cache, "
     DRAFTS("d") " AS drafts, d.threads, "
     "t.tokens_per_s, t.decode_tokens_per_s, t.tokens_per_forward, t.samples, t.evidence "
     "FROM v_throughput t JOIN v_run d ON d.run_id = t.run_id "
     "ORDER BY " DEVICE_ORDER ", d.prompt_tokens, d.gen_tokens, " CELL_ORDER ", d.recorded_utc"},
    {"pairs",
     "Matched pairs: how many times as fast as the baseline, with 95 % limits, and the tokens per "
     "forward it would need to be as fast",
     "SELECT d.device, d.model, d.baseline_decoder AS baseline, d.decoder, "
     "d.baseline_batch_seqs AS base_batch, d.batch_seqs AS batch, "
     "d.prompt_tokens AS prompt, d.gen_tokens AS gen, d.block_tokens AS block, "
     "d.denoise_steps AS steps, " CACHE("d") " AS cache, "
     DRAFTS("d") " AS drafts, "
     "d.match, d.decode_ratio, d.decode_ratio_lo AS decode_lo, "
     "d.decode_ratio_hi AS decode_hi, d.end_to_end_ratio AS total_ratio, "
     "d.end_to_end_ratio_lo AS total_lo, d.end_to_end_ratio_hi AS total_hi, "
     "d.tokens_per_forward AS tokens_per_fwd, d.tokens_per_forward_needed AS needed, d.evidence "
     "FROM v_pair d ORDER BY " DEVICE_ORDER ", d.prompt_tokens, d.gen_tokens, " CELL_ORDER},
    {"roofline",
     "Roofline: analytic intensity with its traffic band, the side of the ridge, and the share of "
     "the roof at measured (evidence analytic: predicted) time",
     "SELECT d.device, d.model, d.decoder, d.phase, d.batch_seqs AS batch, "
     "d.block_tokens AS block, d.denoise_steps AS steps, " CACHE("r") " AS cache, "
     DRAFTS("r") " AS drafts, d.prompt_tokens AS prompt, "
     "d.gen_tokens AS gen, d.intensity_flop_per_byte AS intensity, d.intensity_lo, "
     "d.intensity_hi, d.ridge_flop_per_byte AS ridge, d.side, d.flop_per_s, d.roof_fraction, "
     "d.cache_resident, d.evidence FROM v_roofline d JOIN v_run r ON r.run_id = d.run_id "
     "WHERE d.work = 'algorithmic' "
     "ORDER BY " DEVICE_ORDER ", d.prompt_tokens, d.gen_tokens, " CELL_ORDER ", d.phase"},
    {"losses",
     "Losses, each by itself, counted: stragglers (forwards over those a sequence was in), tokens "
     "past the first eos, rows padded to tiles, FLOPs over what plain AR spends on the same tokens",
     "SELECT d.device, d.model, d.decoder, d.batch_seqs AS batch, d.batch_policy, "
     "d.prompt_tokens AS prompt, d.gen_tokens AS gen, d.block_tokens AS block, "
     "d.denoise_steps AS steps, d.strategy, d.cache, l.straggler_factor AS straggler, "
     "l.eos_waste, l.tile_factor AS tile, l.recompute_factor AS recompute, t.tokens_per_forward, "
     "l.evidence FROM v_loss l JOIN v_run d ON d.run_id = l.run_id "
     "LEFT JOIN v_throughput t ON t.run_id = l.run_id "
     "ORDER BY " DEVICE_ORDER ", d.prompt_tokens, d.gen_tokens, " CELL_ORDER},
    {"ceilings",
     "Ceilings: the newest measured roof of each kind (the view v_ceiling has the curves)",
     "SELECT device, name, level, dtype, threads, working_set_bytes, value, ci_lo, ci_hi, unit, n, "
     "change, flag FROM v_ceiling WHERE COALESCE(level, '') <> 'curve' "
     "ORDER BY device, kind, name, level, threads, working_set_bytes"},
    {"kernels",
     "Kernels: the newest time of each operation and shape (bench kernels), the times its FLOPs "
     "and its bytes alone would take, and the larger of these over the time",
     "SELECT device, model, dtype, compute_dtype, threads, op, part, rows, keys, time_ns, "
     "flop_per_s, bytes_per_s, compute_ns, memory_ns, roof_fraction, roof_fraction_lo AS lo, "
     "roof_fraction_hi AS hi, residual, n FROM v_kernel "
     "ORDER BY device, model, dtype, compute_dtype, threads, op, part, keys, rows"},
    {"matmuls",
     "Matmuls on a GPU: the kernels that multiplied each shape, as they were traced (--counters)",
     "SELECT d.device, d.model, d.dtype, d.decoder, d.batch_seqs AS batch, d.block_tokens AS "
     "block, k.phase, d.matmul AS by, k.op, k.rows, k.columns, k.inner, k.calls, k.launches, "
     "k.time_ns, k.flop_per_s, k.kernels FROM v_matmul_kernel k JOIN v_run d ON d.run_id = "
     "k.run_id ORDER BY " DEVICE_ORDER ", " CELL_ORDER ", k.phase, k.op, k.rows, k.columns, k.inner"},
    {"operations",
     "Operations on a GPU: the time of their kernels in one forward, as they were traced "
     "(--counters), and what the ledger's FLOPs and DRAM bytes make of it beside the roofs",
     "SELECT d.device, d.model, d.dtype, d.decoder, d.batch_seqs AS batch, d.block_tokens AS "
     "block, k.phase, d.matmul AS by, k.op, k.calls, k.launches, k.time_ns, k.flop_per_s, "
     "k.bytes_per_s, k.of_peak, k.of_bandwidth FROM v_operation k JOIN v_run d ON d.run_id = "
     "k.run_id ORDER BY " DEVICE_ORDER ", " CELL_ORDER ", k.phase, k.op"},
    {"prediction",
     "Prediction error: median of |predicted / timed - 1| over whole forwards, by whose roofs "
     "predicted them (table: calibrated on this machine, not a prediction)",
     "WITH predicted AS ("
     "SELECT d.device, d.device_kind, f.phase, f.time_ns * 1.0 AS time_ns, t.tier, "
     "CASE t.tier WHEN 'datasheet' THEN f.predicted_datasheet_ns "
     "WHEN 'ceilings' THEN f.predicted_ceilings_ns ELSE f.predicted_table_ns END AS ns "
     "FROM forward f JOIN run r ON r.run_no = f.run_no JOIN v_run d ON d.run_id = r.run_id "
     "JOIN (SELECT 'datasheet' AS tier UNION ALL SELECT 'ceilings' UNION ALL SELECT 'table') t "
     "WHERE f.kind IN ('decode', 'pinned') AND f.warmup = 0 AND f.after_switch = 0 "
     "AND f.time_ns > 0), "
     "error AS ("
     "SELECT device, tier, 'all' AS phase, abs(ns / time_ns - 1) AS e, ns / time_ns AS ratio "
     "FROM predicted WHERE ns IS NOT NULL UNION ALL "
     "SELECT device, tier, phase, abs(ns / time_ns - 1), ns / time_ns "
     "FROM predicted WHERE ns IS NOT NULL), "
     "ranked AS ("
     "SELECT *, ROW_NUMBER() OVER (PARTITION BY device, tier, phase ORDER BY e) AS i, "
     "ROW_NUMBER() OVER (PARTITION BY device, tier, phase ORDER BY ratio) AS k, "
     "COUNT(*) OVER (PARTITION BY device, tier, phase) AS n FROM error) "
     "SELECT device, tier, phase, n AS forwards, "
     "AVG(iif(i IN ((n + 1) / 2, n / 2 + 1), e, NULL)) AS median_abs_error, "
     "AVG(iif(k IN ((n + 1) / 2, n / 2 + 1), ratio, NULL)) AS median_predicted_over_timed "
     "FROM ranked GROUP BY device, tier, phase, n ORDER BY device, tier, phase <> 'all', phase"},
};
enum { N_TABLES = sizeof tables / sizeof tables[0] };

/* ---- which ---- */

struct view_names {
    char *name[64]; /* owned; NULL after the last */
    int32_t n;
};

static enum err add_name(void *ctx, const struct store_result_row *row)
{
    struct view_names *v = ctx;
    if (v->n == 63 - N_TABLES) return ERR_NONE;
    v->name[v->n] = strdup(row->value[0].text);
    if (!v->name[v->n]) return err_set(ERR_NOMEM, "no memory for a name");
    v->n++;
    return ERR_NONE;
}

static enum err unknown_view(const char *name, const struct view_names *v)
{
    const char *names[64] = {NULL};
    int32_t n = 0;
    for (int32_t i = 0; i < N_TABLES; i++) names[n++] = tables[i].name;
    for (int32_t i = 0; i < v->n; i++) names[n++] = v->name[i];
    char near[SUGGEST_SIZE];
    return err_set(ERR_USAGE, "no view \"%.40s\"%s (regime list views)", name,
                   suggest_phrase(name, names, near));
}

/* The query of a short name or of a view of the schema. */
static enum err find_sql(struct store *s, const char *name, char *sql, size_t size)
{
    struct view_names v = {.n = 0};
    for (int32_t i = 0; i < N_TABLES; i++) {
        if (strcmp(tables[i].name, name) != 0) continue;
        snprintf(sql, size, "%s", tables[i].sql);
        return ERR_NONE;
    }
    enum err e = store_query(s, "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name",
                             NULL, 0, add_name, &v);
    bool found = false;
    for (int32_t i = 0; i < v.n && !found; i++) found = strcmp(v.name[i], name) == 0;
    if (e == ERR_NONE && !found) e = unknown_view(name, &v);
    if (e == ERR_NONE) snprintf(sql, size, "SELECT * FROM %s", name);
    for (int32_t i = 0; i < v.n; i++) free(v.name[i]);
    return e;
}

static enum err report(const struct options *o, struct store *s)
{
    char sql[4096];
    if (o->n_args) {
        TRY(find_sql(s, o->arg[0], sql, sizeof sql));
        return output_query(s, sql, NULL, 0, (enum print_format)o->output, o->arg[0], stdout);
    }
    if (o->output == OUTPUT_CSV)
        return err_set(ERR_USAGE,
                       "csv holds one table: name throughput, pairs, roofline, losses, ceilings, "
                       "kernels, matmuls, prediction or a view (regime list views)");
    return sql_tables_print(s, tables, N_TABLES, o, "sweep, run or ceilings");
}

enum err verb_report(const struct options *o)
{
    struct store *s = NULL;
    if (o->n_args > 1)
        return err_set(ERR_USAGE, "report: expected one view, not \"%.40s\" too", o->arg[1]);
    TRY(store_open(o->db, STORE_READ, &s));
    enum err e = report(o, s);
    store_close(s);
    return e;
}
