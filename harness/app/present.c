/* present.c - two queries over all runs shown, merged in their order. */
#include "harness/app/present.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/table.h"
#include "harness/base/json.h"
#include "results/output.h"

/* ["id", "id", ...]: bound to a query, it keeps the runs and their order. */
static enum err id_list(const struct shown_run *runs, int32_t n, struct strbuf *out)
{
    struct json j;
    json_to_strbuf(&j, out);
    json_array_begin(&j);
    for (int32_t i = 0; i < n; i++) json_string(&j, runs[i].run_id);
    json_array_end(&j);
    return strbuf_check(out);
}

/* Materialised, so that a join looks ids up instead of parsing the list for each row. */
#define IDS "WITH ids AS MATERIALIZED (SELECT key, value FROM json_each(?1)) "

#define PHASE_ORDER                                                                                \
    "instr('prefill prefill-draft decode  draft   verify  refresh fused   "                        \
    "denoise reuse   commit ', p.phase)"

/* ---- JSON ---- */

struct phases {
    struct strbuf *of_run; /* owned [n]: an array still without its closing bracket */
    int32_t n;
};

static enum err add_phase(void *ctx, const struct store_result_row *row)
{
    struct phases *p = ctx;
    struct json j;
    CHECK(row->value[0].i < p->n);
    struct strbuf *buf = &p->of_run[row->value[0].i];
    strbuf_add_char(buf, buf->len ? ',' : '[');
    json_to_strbuf(&j, buf);
    json_object_begin(&j);
    output_json_members(&j, row, 1);
    json_object_end(&j);
    return ERR_NONE;
}

static void put_closed(struct json *j, const char *key, struct closed_value v)
{
    json_key(j, key);
    json_double(j, v.exists ? v.value : NAN); /* NaN prints null */
}

static void put_prediction(struct json *j, const struct shown_run *r)
{
    const struct prediction *p = &r->prediction;
    json_key(j, "prediction");
    if (!r->predicted) {
        json_null(j);
        return;
    }
    json_object_begin(j);
    json_key(j, "tier");
    json_string(j, tier_name(p->tier));
    json_key(j, "ridge_flop_per_byte");
    json_double(j, roof_ridge(p->roof));
    json_key(j, "predicted_ns");
    json_double(j, p->predicted_ns);
    json_key(j, "time_prefill_ns");
    json_double(j, p->prefill_ns);
    json_key(j, "time_decode_ns");
    json_double(j, p->decode_ns);
    json_key(j, "tokens_per_forward_per_seq");
    json_double(j, p->tokens_per_forward);
    put_closed(j, "ridge_batch", p->ridge_batch);
    put_closed(j, "max_context_tokens", p->max_context);
    put_closed(j, "equal_steps", p->equal_steps);
    put_closed(j, "tokens_per_forward_needed", p->tokens_per_forward_needed);
    put_closed(j, "tokens_per_forward_always", p->tokens_per_forward_always);
    put_closed(j, "crossover_batch", p->crossover_batch);
    json_object_end(j);
}

struct printing {
    struct json json;
    const struct shown_run *runs;
    struct phases *phases;
};

static enum err print_run(void *ctx, const struct store_result_row *row)
{
    struct printing *p = ctx;
    int64_t at = row->value[0].i;
    json_object_begin(&p->json);
    output_json_members(&p->json, row, 1);
    json_key(&p->json, "phases");
    struct strbuf *phases = &p->phases->of_run[at];
    strbuf_add(phases, phases->len ? "]" : "[]");
    TRY(strbuf_check(phases));
    json_raw(&p->json, strbuf_text(phases));
    put_prediction(&p->json, &p->runs[at]);
    json_object_end(&p->json);
    return ERR_NONE;
}

static enum err print_json(struct store *s, const struct store_value *ids,
                           const struct shown_run *runs, struct phases *phases)
{
    struct printing p = {.runs = runs, .phases = phases};
    TRY(store_query(s,
                    IDS "SELECT j.key, p.* FROM ids j JOIN v_phase p ON p.run_id = j.value "
                        "ORDER BY j.key, " PHASE_ORDER,
                    ids, 1, add_phase, phases));
    json_to_file(&p.json, stdout);
    json_object_begin(&p.json);
    json_key(&p.json, "cells");
    json_array_begin(&p.json);
    TRY(store_query(s,
                    IDS "SELECT j.key, r.* FROM ids j JOIN v_run r ON r.run_id = j.value "
                        "ORDER BY j.key",
                    ids, 1, print_run, &p));
    json_array_end(&p.json);
    json_object_end(&p.json);
    return json_finish(&p.json);
}

/* ---- tables ---- */

static const char *const columns[] = {
    "decoder",
    "batch",
    "prompt",
    "gen",
    "block",
    "steps",
    "strategy",
    "cache",
    "drafts",
    "phase",
    "forwards",
    "gflop",
    "dram_gb",
    "flop_per_byte",
    "side",
    "predicted_ms",
    "timed_ms",
    "roof_fraction",
    "decode_tokens_per_s",
    NULL,
};

static enum err add_row(void *ctx, const struct store_result_row *row)
{
    struct table *t = ctx;
    for (int32_t i = 0; i < row->n; i++) {
        const struct store_value *v = &row->value[i];
        if (v->type == VALUE_INT)
            table_int(t, v->i);
        else if (v->type == VALUE_REAL)
            table_real(t, v->r);
        else
            table_text(t, v->type == VALUE_TEXT ? v->text : NULL);
    }
    return ERR_NONE;
}

/* "dual every 4", "fused commit" */
#define CACHE                                                                                      \
    "COALESCE(v.cache || COALESCE(' every ' || v.refresh_forwards, ''), "                          \
    "v.commit_policy || ' commit')"
/* "4 at 0.8 by tiny-25m" */
#define DRAFTS                                                                                     \
    "v.draft_tokens || ' at ' || COALESCE(v.acceptance, 'trace') || COALESCE(' by ' || v.draft, '')"

/* Measured runs: few, and every view that says something of them. */
static const char measured_sql[] =
    IDS "SELECT v.decoder, v.batch_seqs, v.prompt_tokens, v.gen_tokens, v.block_tokens, "
        "v.denoise_steps, v.strategy, " CACHE ", " DRAFTS
        ", p.phase, p.forwards / p.samples, p.flop / 1e9 / p.forwards, "
        "p.bytes_dram / 1e9 / p.forwards, r.intensity_flop_per_byte, r.side, "
        "p.predicted_ns / 1e6 / p.forwards, s.median_ns / 1e6, "
        "iif(r.evidence = 'timing', r.roof_fraction, NULL), t.decode_tokens_per_s "
        "FROM ids j JOIN v_run v ON v.run_id = j.value "
        "JOIN v_phase p ON p.run_id = v.run_id "
        "LEFT JOIN v_roofline r ON r.run_id = v.run_id AND r.phase = p.phase "
        "AND r.work = 'algorithmic' AND r.evidence <> 'counter' "
        "LEFT JOIN v_step s ON s.run_id = v.run_id AND s.phase = p.phase "
        "LEFT JOIN v_throughput t ON t.run_id = v.run_id "
        "ORDER BY j.key, " PHASE_ORDER;

/* Plans: perhaps tens of thousands, so the same from v_phase and the price alone. */
static const char planned_sql[] = IDS
    ", q AS MATERIALIZED (SELECT j.key, v.decoder, v.batch_seqs, v.prompt_tokens, v.gen_tokens, "
    "v.block_tokens, v.denoise_steps, v.strategy, " CACHE " AS cache, " DRAFTS
    " AS drafts, f.ridge_flop_per_byte AS ridge, p.* "
    "FROM ids j JOIN v_run v ON v.run_id = j.value "
    "JOIN v_phase p ON p.run_id = v.run_id LEFT JOIN v_roof f ON f.run_id = v.run_id) "
    "SELECT decoder, batch_seqs, prompt_tokens, gen_tokens, block_tokens, denoise_steps, "
    "strategy, cache, drafts, phase, "
    "forwards, flop / 1e9 / forwards, bytes_dram / 1e9 / forwards, flop * 1.0 / bytes_dram, "
    "CASE WHEN flop * 1.0 / bytes_dram_lo < ridge THEN 'memory' "
    "WHEN flop * 1.0 / bytes_dram_hi >= ridge THEN 'compute' ELSE 'undecided' END, "
    "predicted_ns / 1e6 / forwards, NULL, NULL, "
    "SUM(iif(phase LIKE 'prefill%', NULL, tokens_committed)) OVER run * 1e9 "
    "/ SUM(iif(phase LIKE 'prefill%', NULL, predicted_ns)) OVER run "
    "FROM q p WINDOW run AS (PARTITION BY key) ORDER BY key, " PHASE_ORDER;

static enum err print_table(struct store *s, const struct store_value *ids,
                            const struct shown_run *runs, int32_t n, enum output format)
{
    struct table t;
    bool all_planned = true;
    for (int32_t i = 0; i < n; i++) all_planned = all_planned && runs[i].planned;
    table_open(&t, "forwards", columns);
    enum err e = store_query(s, all_planned ? planned_sql : measured_sql, ids, 1, add_row, &t);
    if (e == ERR_NONE) e = table_print(&t, format);
    table_free(&t);
    return e;
}

enum err present_runs(struct store *s, const struct shown_run *runs, int32_t n, enum output format)
{
    struct strbuf list = {0};
    struct phases phases = {.of_run = calloc((size_t)n + 1, sizeof *phases.of_run), .n = n};
    enum err e = ERR_NONE;
    if (!phases.of_run) TRY_OUT(err_set(ERR_NOMEM, "printing %d runs: out of memory", n));
    TRY_OUT(id_list(runs, n, &list));
    struct store_value ids = store_text(strbuf_text(&list));
    e = format == OUTPUT_JSON ? print_json(s, &ids, runs, &phases)
                              : print_table(s, &ids, runs, n, format);
out:
    for (int32_t i = 0; phases.of_run && i < n; i++) strbuf_free(&phases.of_run[i]);
    free(phases.of_run);
    strbuf_free(&list);
    return e;
}
