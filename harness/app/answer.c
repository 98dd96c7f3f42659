/* answer.c - sentences from the views. */
#include "harness/app/answer.h"

#include <string.h>

/* A cell that was run again counts once, with its newest run. */
#define NEWEST                                                                                     \
    "(SELECT run_id FROM (SELECT run_id, ROW_NUMBER() OVER (PARTITION BY cell_id, device_id "      \
    "ORDER BY recorded_utc DESC) AS age FROM v_run WHERE status = 'ok') WHERE age = 1) "

struct answer {
    struct store *store;
    FILE *out;
    bool predicted;
};

static double real(const struct store_value *v)
{
    return v->type == VALUE_REAL ? v->r : v->type == VALUE_INT ? (double)v->i : 0;
}

static const char *text(const struct store_value *v)
{
    return v->type == VALUE_TEXT ? v->text : "";
}

/* "full-sequence diffusion, 8 steps" */
static void decoder_words(char *buf, size_t n, const char *decoder, int64_t block, int64_t steps)
{
    if (strcmp(decoder, "ar") == 0)
        snprintf(buf, n, "AR");
    else if (strcmp(decoder, "ar-verify") == 0)
        snprintf(buf, n, "AR with verified drafts");
    else if (strcmp(decoder, "block") == 0)
        snprintf(buf, n, "block diffusion, block %lld, %lld steps", (long long)block,
                 (long long)steps);
    else
        snprintf(buf, n, "full-sequence diffusion, %lld steps", (long long)steps);
}

static const char *side_words(const char *side)
{
    if (strcmp(side, "memory") == 0) return "memory side";
    if (strcmp(side, "compute") == 0) return "compute side";
    return "too near the ridge to say";
}

/* decoder, batch, block, steps, intensity, side, roof_fraction, forward_ms, tokens_per_s */
static enum err point_line(void *ctx, const struct store_result_row *row)
{
    const struct answer *a = ctx;
    const struct store_value *v = row->value;
    char who[96];
    decoder_words(who, sizeof who, text(&v[0]), v[2].i, v[3].i);
    fprintf(a->out, "  batch %-3lld %-42s %6.1f FLOP/byte, %s", (long long)v[1].i, who, real(&v[4]),
            side_words(text(&v[5])));
    if (!a->predicted) fprintf(a->out, ", %.0f %% of the roof", 100 * real(&v[6]));
    fprintf(a->out, "; %.4g ms a forward, %.4g tokens/s\n", real(&v[7]), real(&v[8]));
    return ERR_NONE;
}

/* decoder, batch, block, steps, needed, committed, ratio, ratio_lo, ratio_hi */
static enum err pair_line(void *ctx, const struct store_result_row *row)
{
    const struct answer *a = ctx;
    const struct store_value *v = row->value;
    char who[96];
    double ratio = real(&v[6]);
    decoder_words(who, sizeof who, text(&v[0]), v[2].i, v[3].i);
    fprintf(
        a->out,
        "  batch %-3lld %-42s needs %.1f tokens a forward to match AR; its schedule commits %.1f: ",
        (long long)v[1].i, who, real(&v[4]), real(&v[5]));
    if (v[7].type == VALUE_REAL && v[8].type == VALUE_REAL)
        fprintf(a->out, "%.2fx AR's speed (95 %% interval %.2f to %.2f)\n", ratio, real(&v[7]),
                real(&v[8]));
    else
        fprintf(a->out, "%.2fx AR's speed\n", ratio);
    return ERR_NONE;
}

/* name, least and largest measured roof */
static enum err moved_line(void *ctx, const struct store_result_row *row)
{
    const struct answer *a = ctx;
    const struct store_value *v = row->value;
    fprintf(a->out,
            "  Mind: the %s moved between %.0f and %.0f %s while this ran; each run is held "
            "against\n  the roofs probed between its own timings.\n",
            text(&v[0]), real(&v[1]) / 1e9, real(&v[2]) / 1e9, text(&v[3]));
    return ERR_NONE;
}

/* n, median error */
static enum err prediction_line(void *ctx, const struct store_result_row *row)
{
    const struct answer *a = ctx;
    if (row->value[1].type != VALUE_REAL) return ERR_NONE;
    fprintf(a->out,
            "  The roofline model with these roofs predicts the time of a forward to %.0f %% "
            "(median over %lld kinds of forward).\n",
            100 * real(&row->value[1]), (long long)row->value[0].i);
    return ERR_NONE;
}

static enum err device_lines(void *ctx, const struct store_result_row *row)
{
    struct answer *a = ctx;
    const struct store_value *v = row->value;
    struct store_value device = store_text(text(&v[0]));
    a->predicted = strcmp(text(&v[1]), "sim") == 0;
    fprintf(a->out, "\n%s: %s, %s (ridge %.1f FLOP/byte)\n",
            a->predicted ? "Predicted, not measured, from data-sheet roofs" : "Measured here",
            text(&v[2]), text(&v[3]), real(&v[4]));
    TRY(store_query(
        a->store,
        "SELECT f.decoder, f.batch_seqs, f.block_tokens, f.denoise_steps, "
        "f.intensity_flop_per_byte, f.side, f.roof_fraction, "
        "COALESCE(s.median_ns, p.predicted_ns / p.forwards) / 1e6, t.decode_tokens_per_s "
        "FROM v_roofline f JOIN v_run r ON r.run_id = f.run_id "
        "JOIN v_phase p ON p.run_id = f.run_id AND p.phase = f.phase "
        "LEFT JOIN v_step s ON s.run_id = f.run_id AND s.phase = f.phase "
        "JOIN v_throughput t ON t.run_id = f.run_id "
        "WHERE r.device = ?1 AND f.work = 'algorithmic' AND f.evidence <> 'counter' AND f.phase IN "
        "('decode', 'verify', 'denoise') "
        "AND f.run_id IN " NEWEST
        "ORDER BY f.batch_seqs, f.decoder, f.block_tokens, f.denoise_steps",
        &device, 1, point_line, a));
    TRY(store_query(
        a->store,
        "WITH error AS (SELECT abs(AVG(f.predicted_ceilings_ns) / s.median_ns - 1) AS e "
        "FROM forward f JOIN run r ON r.run_no = f.run_no JOIN v_run v ON v.run_id = r.run_id "
        "JOIN v_step s ON s.run_id = r.run_id AND s.phase = f.phase "
        "WHERE v.device = ?1 AND f.kind = 'pinned' AND r.run_id IN " NEWEST
        "GROUP BY r.run_id, f.phase), "
        "ranked AS (SELECT e, ROW_NUMBER() OVER (ORDER BY e) AS i, COUNT(*) OVER () AS n FROM "
        "error) "
        "SELECT MAX(n), AVG(iif(i IN ((n + 1) / 2, n / 2 + 1), e, NULL)) FROM ranked",
        &device, 1, prediction_line, a));
    TRY(store_query(
        a->store,
        "SELECT CASE name WHEN 'read' THEN 'DRAM bandwidth' WHEN 'fma_f32' THEN 'f32 peak' "
        "ELSE 'bf16 peak' END, MIN(value), MAX(value), "
        "iif(name = 'read', 'GB/s', 'GFLOP/s') FROM ceiling c JOIN device d "
        "ON d.device_id = c.device_id WHERE d.device = ?1 AND c.moment <> 'alone' "
        "AND (c.name = 'read' AND c.level = 'dram' OR c.name IN ('fma_f32', 'matmul_bf16')) "
        "GROUP BY name HAVING MAX(value) > 1.15 * MIN(value)",
        &device, 1, moved_line, a));
    return store_query(
        a->store,
        "SELECT b.decoder, b.batch_seqs, b.block_tokens, b.denoise_steps, "
        "b.tokens_per_forward_needed_per_seq, b.tokens_per_forward_per_seq, p.decode_ratio, "
        "p.decode_ratio_lo, p.decode_ratio_hi "
        "FROM v_break_even b JOIN v_pair p ON p.run_id = b.run_id WHERE b.device = ?1 "
        "AND b.run_id IN " NEWEST
        "ORDER BY b.batch_seqs, b.decoder, b.block_tokens, b.denoise_steps",
        &device, 1, pair_line, a);
}

/* Pairs; on opposite sides of the ridge; of those, surely faster and surely slower. */
static enum err verdict(void *ctx, const struct store_result_row *row)
{
    const struct answer *a = ctx;
    const struct store_value *v = row->value;
    if (v[0].i == 0) return ERR_NONE;
    fprintf(a->out,
            "\nDoes diffusion move inference from memory-bound to compute-bound? Of %lld matched "
            "diffusion runs measured\nhere, %lld have their forwards on the compute side of the "
            "ridge while AR at the same batch is on the memory side.\nDoes that make them faster? "
            "Of those, %lld are faster, %lld are slower, of %lld the interval cannot tell. What "
            "decides is\nhow many tokens a forward commits, not which side it is on; with random "
            "weights that number is the schedule's,\nso read \"needs\", not \"x AR's speed\".\n",
            (long long)v[0].i, (long long)v[1].i, (long long)v[2].i, (long long)v[3].i,
            (long long)(v[1].i - v[2].i - v[3].i));
    return ERR_NONE;
}

enum err answer_print(struct store *s, FILE *out)
{
    struct answer a = {.store = s, .out = out};
    TRY(store_query(
        s,
        "SELECT DISTINCT r.device, r.device_kind, r.device_description, "
        "r.model || iif(r.layers IS NULL, '', ', ' || r.layers || ' layers') || ', ' || "
        "r.dtype, f.ridge_flop_per_byte "
        "FROM v_run r JOIN v_roofline f ON f.run_id = r.run_id "
        "WHERE r.status = 'ok' GROUP BY r.device ORDER BY r.device_kind = 'sim', r.device",
        NULL, 0, device_lines, &a));
    return store_query(
        s,
        "SELECT COUNT(*), SUM(crossed), SUM(crossed AND COALESCE(lo > 1, 0)), "
        "SUM(crossed AND COALESCE(hi < 1, 0)) FROM ("
        "SELECT f.side = 'compute' AND b.side = 'memory' AS crossed, "
        "p.decode_ratio_lo AS lo, p.decode_ratio_hi AS hi "
        "FROM v_pair p JOIN v_roofline f ON f.run_id = p.run_id AND f.work = 'algorithmic' "
        "AND f.evidence <> 'counter' AND b.evidence <> 'counter' "
        "AND f.phase = 'denoise' JOIN v_roofline b ON b.run_id = p.baseline_run_id "
        "AND b.work = 'algorithmic' AND b.phase = 'decode' WHERE p.device_kind <> 'sim' "
        "AND p.run_id IN " NEWEST ")",
        NULL, 0, verdict, &a);
}
