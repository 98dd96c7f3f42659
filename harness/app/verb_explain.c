/* verb_explain.c - explain: what bounds a run, in sentences with the numbers in them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/app/verbs.h"
#include "results/output.h"

/* ---- which run ---- */

struct found {
    char run_id[37];
    int64_t n;
};

static enum err note_run(void *ctx, const struct store_result_row *row)
{
    struct found *f = ctx;
    if (f->n++ == 0) snprintf(f->run_id, sizeof f->run_id, "%s", row->value[0].text);
    return ERR_NONE;
}

static enum err ask(struct store *s, const char *sql, const char *arg, struct found *f)
{
    struct store_value v = store_text(arg);
    f->n = 0;
    return store_query(s, sql, &v, 1, note_run, f);
}

/* The newest run of a cell, one run by its id, or the last one written. */
static enum err find_run(struct store *s, const char *name, struct found *f)
{
    if (strspn(name, "0123456789abcdef-") != strlen(name) && strcmp(name, "last") != 0)
        return err_set(ERR_USAGE,
                       "\"%.40s\" is not the id of a run or cell, nor \"last\" (regime "
                       "report v_run has the ids)",
                       name);
    if (strcmp(name, "last") == 0)
        return ask(s,
                   "SELECT run_id FROM run WHERE status = 'ok' AND ?1 <> '' "
                   "ORDER BY run_no DESC LIMIT 1",
                   name, f);
    TRY(ask(s, "SELECT run_id FROM run WHERE run_id LIKE ?1 || '%'", name, f));
    if (f->n == 0)
        TRY(ask(s,
                "SELECT (SELECT run_id FROM run r WHERE r.cell_id = c.cell_id "
                "ORDER BY status = 'ok' DESC, recorded_utc DESC, run_no DESC LIMIT 1) "
                "FROM cell c WHERE cell_id LIKE ?1 || '%'",
                name, f));
    if (f->n > 1)
        return err_set(ERR_USAGE, "%lld runs or cells start with \"%.40s\"", (long long)f->n, name);
    return ERR_NONE;
}

/* ---- sentences ---- */

static double real(const struct store_value *v)
{
    return v->type == VALUE_REAL ? v->r : v->type == VALUE_INT ? (double)v->i : NAN;
}

static bool is_text(const struct store_value *v, const char *text)
{
    return v->type == VALUE_TEXT && strcmp(v->text, text) == 0;
}

/* "12.3 ms" for a column time_ns; else "25.6 G", to be followed by a unit. */
static const char *readable(const char *column, double x, char buf[OUTPUT_VALUE_SIZE])
{
    struct store_value v = {.type = isnan(x) ? VALUE_NULL : VALUE_REAL, .r = x};
    output_readable(column, &v, buf);
    size_t n = strlen(buf);
    if (!*column && n && n + 1 < OUTPUT_VALUE_SIZE && !strchr(buf, ' ')) strcpy(buf + n, " ");
    return buf;
}

#define HEAD                                                                                       \
    "SELECT d.run_id, d.status, d.message, d.model, d.decoder, d.dtype, d.batch_seqs, "            \
    "d.prompt_tokens, d.gen_tokens, d.block_tokens, d.denoise_steps, d.device, "                   \
    "d.device_description, d.recorded_utc, d.cache_resident, p.bytes_per_s, p.matmul_flop_per_s, " \
    "p.ridge_flop_per_byte, p.tier, s.roofs_moved, s.decode_over_steps, "                          \
    "iif(d.device_kind = 'cpu' AND d.compute_dtype <> 'f32', d.compute_dtype, NULL) "              \
    "FROM v_run d JOIN run n ON n.run_id = d.run_id "                                              \
    "LEFT JOIN price p ON p.run_no = n.run_no AND p.tier = (SELECT MIN(tier) FROM price "          \
    "WHERE run_no = n.run_no AND tier IN ('ceilings', 'datasheet')) "                              \
    "LEFT JOIN v_steadiness s ON s.run_id = d.run_id WHERE d.run_id = ?1"

static void print_roofs(const struct store_value *v)
{
    char peak[OUTPUT_VALUE_SIZE], bandwidth[OUTPUT_VALUE_SIZE];
    if (v[15].type == VALUE_NULL) return;
    printf(
        "\nIts roofs, %s: %sFLOP/s of arithmetic and %sB/s of memory traffic. They meet at the "
        "ridge, %.3g FLOP per byte: a forward that does less for each byte is limited by traffic "
        "at best, one that does more by arithmetic.\n",
        is_text(&v[18], "ceilings") ? "measured with it" : "from a data sheet",
        readable("", real(&v[16]), peak), readable("", real(&v[15]), bandwidth), real(&v[17]));
    if (v[14].i)
        printf("Its weights fit the last-level cache%s.\n",
               is_text(&v[18], "ceilings")
                   ? ", so the memory roof is that of the cache"
                   : "; a data sheet has no roof for that, so the memory roof is still DRAM's");
    if (real(&v[19]) > 0.03)
        printf("Caution: measured again afterwards, the roofs had moved by %.0f %%.\n",
               100 * real(&v[19]));
    if (real(&v[20]) > 1.25)
        printf("Caution: whole decodes took %.1f times what the medians below add up to.\n",
               real(&v[20]));
}

static enum err print_head(void *ctx, const struct store_result_row *row)
{
    const struct store_value *v = row->value;
    (void)ctx;
    printf("%s of %s, %s weights", v[4].text, v[3].text, v[5].text);
    if (v[21].type == VALUE_TEXT) printf(" multiplied in %s", v[21].text);
    printf(": batch %lld, %lld + %lld tokens", (long long)v[6].i, (long long)v[7].i,
           (long long)v[8].i);
    if (v[9].type == VALUE_INT) printf(", blocks of %lld", (long long)v[9].i);
    if (v[10].type == VALUE_INT) printf(" in %lld steps", (long long)v[10].i);
    printf("\non %s (%s)\nrun %s, %s\n", v[11].text, v[12].type == VALUE_TEXT ? v[12].text : "",
           v[0].text, v[13].text);
    if (!is_text(&v[1], "ok"))
        printf("\nIt %s: %s.\n", is_text(&v[1], "skipped") ? "was skipped" : "failed",
               v[2].type == VALUE_TEXT ? v[2].text : "no reason was kept");
    else
        print_roofs(v);
    return ERR_NONE;
}

enum phase_column {
    PHASE_NAME,
    IS_PREDICTED,
    FLOP,
    DRAM,
    TIME,
    TIME_LO,
    TIME_HI,
    SAMPLES,
    INTENSITY,
    INTENSITY_LO,
    INTENSITY_HI,
    RIDGE,
    SIDE,
    BOUND,
    FRACTION,
    PEAK,
    BANDWIDTH,
    ABOVE,
    ROWS,
    TOKENS,
    ATTENTION_SHARE,
    WEIGHT_SHARE,
    KV_SHARE,
    MEMORY_SHARE,
    USEFUL
};

/* Per forward, in the order of enum phase_column. */
#define PHASES                                                                                     \
    "SELECT o.phase, o.evidence = 'analytic', o.flop / o.k, o.bytes_dram / o.k, o.time_ns / o.k, " \
    "o.ci_lo_ns, o.ci_hi_ns, s.n, f.intensity_flop_per_byte, f.intensity_lo, f.intensity_hi, "     \
    "f.ridge_flop_per_byte, f.side, f.bound, f.roof_fraction, f.peak_flop_per_s, "                 \
    "f.roof_bytes_per_s, f.above_roof, p.rows * 1.0 / p.forwards, "                                \
    "p.tokens_committed * 1.0 / p.forwards, p.flop_attention * 1.0 / p.flop, "                     \
    "p.bytes_weight * 1.0 / p.bytes_dram, p.bytes_kv * 1.0 / p.bytes_dram, p.memory_time_share, "  \
    "u.intensity_flop_per_byte FROM v_phase p "                                                    \
    "JOIN (SELECT q.*, iif(q.basis = 'pinned', 1.0, h.forwards) AS k FROM v_point q "              \
    "JOIN v_phase h ON h.run_id = q.run_id AND h.phase = q.phase) o "                              \
    "ON o.run_id = p.run_id AND o.phase = p.phase AND o.work = 'algorithmic' "                     \
    "AND o.evidence <> 'counter' "                                                                 \
    "JOIN v_roofline f ON f.run_id = p.run_id AND f.phase = p.phase AND f.work = o.work "          \
    "AND f.evidence = o.evidence "                                                                 \
    "LEFT JOIN v_roofline u ON u.run_id = p.run_id AND u.phase = p.phase AND u.work = 'useful' "   \
    "AND u.evidence = o.evidence "                                                                 \
    "LEFT JOIN v_step s ON s.run_id = p.run_id AND s.phase = p.phase WHERE p.run_id = ?1"

/* What must be done, and the time its two halves would take at their roofs. */
static void print_work(const struct store_value *v)
{
    char flop[OUTPUT_VALUE_SIZE], dram[OUTPUT_VALUE_SIZE], a[OUTPUT_VALUE_SIZE],
        t[OUTPUT_VALUE_SIZE];
    printf("  It must do %sFLOP (%.0f %% of them attention) and move about %sB from and to memory "
           "(%.0f %% weights, %.0f %% keys and values): %.3g FLOP per byte, %.3g to %.3g over the "
           "traffic it may cause.\n",
           readable("", real(&v[FLOP]), flop), 100 * real(&v[ATTENTION_SHARE]),
           readable("", real(&v[DRAM]), dram), 100 * real(&v[WEIGHT_SHARE]),
           100 * real(&v[KV_SHARE]), real(&v[INTENSITY]), real(&v[INTENSITY_LO]),
           real(&v[INTENSITY_HI]));
    if (v[RIDGE].type == VALUE_NULL) return;
    printf("  At the roofs that is %s of arithmetic and %s of traffic: ",
           readable("time_ns", real(&v[FLOP]) / real(&v[PEAK]) * 1e9, a),
           readable("time_ns", real(&v[DRAM]) / real(&v[BANDWIDTH]) * 1e9, t));
    if (is_text(&v[SIDE], "undecided"))
        printf("the ridge lies within that band, so the model does not say which side it is on.\n");
    else
        printf("it lies on the %s side of the ridge.\n", v[SIDE].text);
}

static void print_time(const struct store_value *v)
{
    char time[OUTPUT_VALUE_SIZE], lo[OUTPUT_VALUE_SIZE], hi[OUTPUT_VALUE_SIZE];
    readable("time_ns", real(&v[TIME]), time);
    if (v[IS_PREDICTED].i)
        printf("  Predicted time %s; nothing was measured.\n", time);
    else if (v[TIME_LO].type != VALUE_NULL)
        printf("  It took %s (median of %lld, 95 %% interval %s to %s), %.0f %% of its roof.\n",
               time, (long long)v[SAMPLES].i, readable("time_ns", real(&v[TIME_LO]), lo),
               readable("time_ns", real(&v[TIME_HI]), hi), 100 * real(&v[FRACTION]));
    else
        printf("  It took %s, %.0f %% of its roof.\n", time, 100 * real(&v[FRACTION]));
    if (v[ABOVE].type == VALUE_INT && v[ABOVE].i)
        printf("  That is above the roof: the traffic is less than counted, or the roof was "
               "measured in a slower moment.\n");
    if (v[MEMORY_SHARE].type != VALUE_NULL)
        printf("  By the same model, %.0f %% of its time goes to calls on their bandwidth side.\n",
               100 * real(&v[MEMORY_SHARE]));
    if (v[BOUND].type == VALUE_TEXT) printf("  Tested by intervention: %s-bound.\n", v[BOUND].text);
}

static enum err print_phase(void *ctx, const struct store_result_row *row)
{
    const struct store_value *v = row->value;
    (void)ctx;
    printf("\n%s: %.4g positions a forward, %.3g tokens committed.\n", v[PHASE_NAME].text,
           real(&v[ROWS]), real(&v[TOKENS]));
    print_work(v);
    print_time(v);
    if (v[USEFUL].type != VALUE_NULL && real(&v[TOKENS]) > 0)
        printf("  In tokens: plain AR would have spent %.3g FLOP per byte moved here on the tokens "
               "it committed, %.0f %% of the work done.\n",
               real(&v[USEFUL]), 100 * real(&v[USEFUL]) / real(&v[INTENSITY]));
    return ERR_NONE;
}

#define PAIR                                                                                       \
    "SELECT decode_ratio, decode_ratio_lo, decode_ratio_hi, baseline_decoder, "                    \
    "tokens_per_forward, "                                                                         \
    "tokens_per_forward_needed, evidence = 'analytic' FROM v_pair WHERE run_id = ?1"

static enum err print_pair(void *ctx, const struct store_result_row *row)
{
    const struct store_value *v = row->value;
    (void)ctx;
    printf("\nBeside %s, its matched baseline, it %s %.3g times as fast after prefill", v[3].text,
           v[6].i ? "is predicted to be" : "was", real(&v[0]));
    if (v[1].type != VALUE_NULL) printf(" (95 %% interval %.3g to %.3g)", real(&v[1]), real(&v[2]));
    printf(": it committed %.3g tokens a forward and needed %.3g to be as fast.\n", real(&v[4]),
           real(&v[5]));
    return ERR_NONE;
}

/* Of each phase that was traced: what ran in it, and what multiplied. */
#define KERNELS                                                                                    \
    "SELECT phase, launches, kernel_ns, time_ns, gap_ns FROM v_launch_gap WHERE run_id = ?1"
#define MATMULS                                                                                    \
    "SELECT phase, rows, columns, inner, kernels, calls * time_ns, calls * time_ns / "             \
    "SUM(calls * time_ns) OVER (PARTITION BY phase) FROM v_matmul_kernel WHERE run_id = ?1 "       \
    "ORDER BY phase, calls * time_ns DESC"

static enum err print_kernels(void *ctx, const struct store_result_row *row)
{
    const struct store_value *v = row->value;
    char busy[OUTPUT_VALUE_SIZE], time[OUTPUT_VALUE_SIZE];
    (void)ctx;
    printf("\n%s, traced: %lld kernels ran for %s of its %s", v[0].text, (long long)v[1].i,
           readable("time_ns", real(&v[2]), busy), readable("time_ns", real(&v[3]), time));
    if (real(&v[4]) > 0)
        printf("; in %.0f %% of it no kernel ran.\n", 100 * real(&v[4]) / real(&v[3]));
    else
        printf(": longer than the timed forward took, so no gap can be told.\n");
    return ERR_NONE;
}

enum { MATMULS_SHOWN = 4 };
struct shown {
    char phase[24];
    int32_t n;
};

static enum err print_matmul(void *ctx, const struct store_result_row *row)
{
    struct shown *last = ctx;
    const struct store_value *v = row->value;
    char time[OUTPUT_VALUE_SIZE];
    if (strcmp(last->phase, v[0].text) != 0) {
        snprintf(last->phase, sizeof last->phase, "%s", v[0].text);
        last->n = 0;
        printf("\n%s, its matmuls by the kernels that ran:\n", v[0].text);
    }
    if (last->n++ == MATMULS_SHOWN)
        printf("  ... (regime report matmuls has them all)\n");
    else if (last->n <= MATMULS_SHOWN)
        printf("  %3.0f %% (%s) %lld x %lld x %lld: %s\n", 100 * real(&v[6]),
               readable("time_ns", real(&v[5]), time), (long long)v[1].i, (long long)v[2].i,
               (long long)v[3].i, v[4].type == VALUE_TEXT ? v[4].text : "");
    return ERR_NONE;
}

static enum err explain(struct store *s, const char *name)
{
    struct found f = {.n = 0};
    TRY(find_run(s, name, &f));
    if (f.n == 0)
        return err_set(ERR_USAGE,
                       "no run or cell starts with \"%.40s\" (regime report v_run has "
                       "the ids)",
                       name);
    struct store_value id = store_text(f.run_id);
    TRY(store_query(s, HEAD, &id, 1, print_head, NULL));
    TRY(store_query(s, PHASES, &id, 1, print_phase, NULL));
    TRY(store_query(s, KERNELS, &id, 1, print_kernels, NULL));
    struct shown shown = {.n = 0};
    TRY(store_query(s, MATMULS, &id, 1, print_matmul, &shown));
    return store_query(s, PAIR, &id, 1, print_pair, NULL);
}

enum err verb_explain(const struct options *o)
{
    struct store *s = NULL;
    if (o->n_args != 1)
        return err_set(ERR_USAGE,
                       "explain: expected one run or cell, or \"last\" (regime report v_run "
                       "has the ids)");
    if (o->output != OUTPUT_MD)
        return err_set(ERR_USAGE,
                       "explain prints sentences; regime report v_roofline has their numbers "
                       "as %s",
                       output_name(o->output));
    TRY(store_open(o->db, STORE_READ, &s));
    enum err e = explain(s, o->arg[0]);
    store_close(s);
    return e;
}
