/* verb_compare.c - compare: the same cells measured twice, in two databases.
 *
 * Forwards pinned at one context are compared, phase by phase, newest run against newest run.  A
 * ratio's interval is made of the two medians' 95 % intervals end against end, which for errors
 * that are independent and near normal covers at least 95 %. */
#include <stdio.h>

#include "harness/app/verbs.h"
#include "results/output.h"

/* What one side measured. */
#define SIDE(db)                                                                                   \
    "(SELECT * FROM (SELECT r.*, s.phase, s.n, s.median_ns, s.ci_lo_ns, s.ci_hi_ns, "              \
    "p.bytes_per_s, p.matmul_flop_per_s, "                                                         \
    "DENSE_RANK() OVER (PARTITION BY r.cell_id, r.device ORDER BY r.recorded_utc DESC, r.run_id) " \
    "AS age FROM " db ".v_run r JOIN " db ".v_step s ON s.run_id = r.run_id "                      \
    "JOIN " db ".run n ON n.run_id = r.run_id "                                                    \
    "LEFT JOIN " db ".price p ON p.run_no = n.run_no AND p.tier = 'ceilings' "                     \
    "WHERE r.status = 'ok') WHERE age = 1)"

/* ?1: how far from 1 a ratio still counts as the same. */
#define PAIRS                                                                                      \
    "WITH a AS MATERIALIZED " SIDE("main") ", b AS MATERIALIZED " SIDE(                            \
        "other") ", ratio AS ("                                                                    \
                 "SELECT a.device, a.model, a.decoder, a.batch_seqs AS batch, a.prompt_tokens AS " \
                 "prompt, "                                                                        \
                 "a.gen_tokens AS gen, a.block_tokens AS block, a.denoise_steps AS steps, "        \
                 "a.threads, a.phase, "                                                            \
                 "a.median_ns AS a_ns, b.median_ns AS b_ns, b.median_ns / a.median_ns AS ratio, "  \
                 "b.ci_lo_ns * 1.0 / a.ci_hi_ns AS ratio_lo, b.ci_hi_ns * 1.0 / a.ci_lo_ns AS "    \
                 "ratio_hi, "                                                                      \
                 "b.bytes_per_s / a.bytes_per_s AS bandwidth_ratio, "                              \
                 "b.matmul_flop_per_s / a.matmul_flop_per_s AS peak_ratio, "                       \
                 "a.tokens_sha256 IS b.tokens_sha256 AS same_tokens, "                             \
                 "a.device_description IS b.device_description AS same_machine "                   \
                 "FROM a JOIN b ON b.cell_id = a.cell_id AND b.device = a.device AND b.phase = "   \
                 "a.phase) "                                                                       \
                 "SELECT *, CASE WHEN ratio_lo > 1 + ?1 THEN 'slower' "                            \
                 "WHEN ratio_hi < 1 / (1 + ?1) THEN 'faster' "                                     \
                 "WHEN ratio_lo >= 1 / (1 + ?1) AND ratio_hi <= 1 + ?1 THEN 'same' "               \
                 "ELSE 'inconclusive' END AS verdict FROM ratio "                                  \
                 "ORDER BY device, model, decoder, batch, block, steps, phase"

struct tally {
    int64_t n, slower, faster, inconclusive, moved, elsewhere, only_a, only_b;
};

static enum err read_tally(void *ctx, const struct store_result_row *row)
{
    struct tally *t = ctx;
    const struct store_value *v = row->value;
    *t = (struct tally){v[0].i, v[1].i, v[2].i, v[3].i, v[4].i, v[5].i, v[6].i, v[7].i};
    return ERR_NONE;
}

static enum err count(struct store *s, const struct store_value *tolerance, struct tally *t)
{
    static const char sql[] =
        "SELECT COUNT(*), SUM(verdict = 'slower'), SUM(verdict = 'faster'), "
        "SUM(verdict = 'inconclusive'), "
        "SUM(abs(bandwidth_ratio - 1) > 0.03 OR abs(peak_ratio - 1) > 0.03), "
        "SUM(NOT same_machine), "
        "(SELECT COUNT(DISTINCT cell_id) FROM main.run WHERE status = 'ok' AND cell_id NOT IN "
        "(SELECT cell_id FROM other.run WHERE status = 'ok')), "
        "(SELECT COUNT(DISTINCT cell_id) FROM other.run WHERE status = 'ok' AND cell_id NOT IN "
        "(SELECT cell_id FROM main.run WHERE status = 'ok')) "
        "FROM (" PAIRS ")";
    return store_query(s, sql, tolerance, 1, read_tally, t);
}

static enum err judge(const struct tally *t)
{
    if (t->slower)
        return err_set(ERR_REGRESSION, "%lld of %lld forwards became slower", (long long)t->slower,
                       (long long)t->n);
    if (t->inconclusive)
        return err_set(ERR_INCONCLUSIVE,
                       "%lld of %lld forwards could have become slower or not: their intervals "
                       "are too wide",
                       (long long)t->inconclusive, (long long)t->n);
    return ERR_NONE;
}

static void say(const struct options *o, const struct tally *t)
{
    log_line(
        o->log, LOG_INFO,
        "%lld forward%s compared: %lld slower, %lld faster, %lld undecided; %lld cell%s only in "
        "%s, %lld only in %s",
        (long long)t->n, plural(t->n), (long long)t->slower, (long long)t->faster,
        (long long)t->inconclusive, (long long)t->only_a, plural(t->only_a), o->arg[0],
        (long long)t->only_b, o->arg[1]);
    if (t->n >= 20)
        log_line(o->log, LOG_INFO, "of so many, up to %.0f may be called different by chance alone",
                 0.05 * (double)t->n);
    if (t->moved)
        log_line(o->log, LOG_WARN,
                 "in %lld of them the measured roofs differ by more than 3 %%: it may be the "
                 "machine that changed",
                 (long long)t->moved);
}

static enum err compare(const struct options *o, struct store *s)
{
    struct store_value tolerance = {.type = VALUE_REAL, .r = o->tolerance};
    struct tally t;
    TRY(count(s, &tolerance, &t));
    if (t.n == 0)
        return err_set(ERR_INCONCLUSIVE, "%s and %s have no measured cell in common", o->arg[0],
                       o->arg[1]);
    if (t.elsewhere && !o->allow_mixed)
        return err_set(ERR_USAGE,
                       "%s and %s were measured on different machines; --allow-mixed "
                       "compares them all the same",
                       o->arg[0], o->arg[1]);
    TRY(output_query(s, PAIRS, &tolerance, 1, (enum print_format)o->output, "compare", stdout));
    say(o, &t);
    return judge(&t);
}

enum err verb_compare(const struct options *o)
{
    struct store *s = NULL;
    if (o->n_args != 2)
        return err_set(ERR_USAGE, "compare: expected two databases, before and after");
    TRY(store_open(o->arg[0], STORE_READ, &s));
    enum err e = store_attach(s, o->arg[1]);
    if (e == ERR_NONE) e = compare(o, s);
    store_close(s);
    return e;
}
