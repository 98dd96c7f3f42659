/* verb_gaussian.c - noise on embeddings beside masks, on the same sequences. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/corruption.h"
#include "harness/app/engine.h"
#include "harness/app/quality.h"
#include "harness/app/verbs.h"
#include "results/output.h"

enum { TOKENS = 16, VOCABULARY = 32768, TIMES = 100, MAX_STEPS = 1024 };

/* Widths of embeddings: a study's, a small model's and a base model's. */
static const int32_t widths[] = {16, 128, 768};
enum { N_WIDTHS = sizeof widths / sizeof widths[0] };

static const char *const what_is_printed =
    "SELECT source, corruption, width, useful_time, "
    "MIN(iif(quantity = 'rounding' AND value >= 0.5, x, NULL)) AS half_misread_from, "
    "MAX(iif(quantity = 'bound' AND x = 4, value - entropy, NULL)) AS gap_4_steps, "
    "MAX(iif(quantity = 'bound' AND x = 16, value - entropy, NULL)) AS gap_16, "
    "MAX(iif(quantity = 'bound' AND x = 64, value - entropy, NULL)) AS gap_64, "
    "MAX(iif(quantity = 'bound' AND x = 1024, value - entropy, NULL)) AS gap_1024, "
    "MAX(iif(quantity = 'best_bound' AND x = 4, value - entropy, NULL)) AS best_gap_4, "
    "MAX(iif(quantity = 'best_bound' AND x = 16, value - entropy, NULL)) AS best_gap_16, "
    "MAX(iif(quantity = 'best_bound' AND x = 64, value - entropy, NULL)) AS best_gap_64, "
    "entropy, sequences "
    "FROM v_corruption WHERE invocation_id = ?1 GROUP BY corruption_id "
    "ORDER BY source LIKE 'uniform-%', width";

struct work {
    const struct options *o;
    struct store *store;
    struct process process;
    char sha256[65], invocation_id[37];
};

/* Uncertainty and rounding over time, bounds over steps; returns their number.  What the limit of
 * the bound, on these draws, differs from the entropy by is taken off it: it is the draws' noise.
 */
static int32_t points_of(const struct corruption_curve *c, double entropy,
                         struct corruption_point *p)
{
    double whole = c->entropy[CORRUPTION_POINTS - 1], noise = corruption_limit(c) - entropy;
    int32_t n = 0;
    for (int32_t i = 1; i < TIMES; i++) {
        double t = (double)i / TIMES, level = corruption_level(c, t);
        p[n++] = (struct corruption_point){"uncertainty", t,
                                           corruption_at(c, c->entropy, level) / whole};
        if (c->width)
            p[n++] = (struct corruption_point){"rounding", t, corruption_at(c, c->error, level)};
    }
    for (int32_t steps = 1; steps <= MAX_STEPS; steps *= 2) {
        p[n++] = (struct corruption_point){"bound", steps, corruption_bound(c, steps) - noise};
        p[n++] = (struct corruption_point){"best_bound", steps, corruption_best_bound(c, steps)};
    }
    return n;
}

static enum err add_curve(struct work *w, const struct corruption_curve *c,
                          struct corruption_row row)
{
    struct corruption_point points[3 * TIMES + 64];
    row.width = c->width;
    row.useful_time = corruption_useful_time(c);
    return store_add_corruption(w->store, w->invocation_id, &row, points,
                                points_of(c, row.entropy, points));
}

/* Nats per token of sequences after their first token. */
static enum err true_entropy(const struct work *w, double *out)
{
    struct process_view v;
    struct mean m = {0};
    int32_t tokens[TOKENS + 1];
    TRY(process_view_create(&v, &w->process, TOKENS + 1));
    for (int64_t k = 0; k < w->o->samples; k++) {
        process_sample(&v, 1, (uint32_t)k, 0, tokens, TOKENS + 1);
        mean_add(&m, process_log_seen(&v, tokens, 1) - process_log_seen(&v, tokens, TOKENS + 1));
    }
    process_view_free(&v);
    *out = m.mean / TOKENS;
    return ERR_NONE;
}

static enum err on_process(struct work *w)
{
    struct corruption_curve c;
    struct corruption_row row = {.source = w->process.name,
                                 .process_sha256 = w->sha256,
                                 .symbols = w->process.n_symbols,
                                 .tokens = TOKENS,
                                 .sequences = w->o->samples};
    TRY(true_entropy(w, &row.entropy));
    log_progress(w->o->log, "masks on %s", w->process.name);
    TRY(corruption_masks(&w->process, TOKENS, row.sequences, 1, &c));
    TRY(add_curve(w, &c, row));
    for (int32_t i = 0; i < N_WIDTHS; i++) {
        log_progress(w->o->log, "noise on %s, width %d", w->process.name, widths[i]);
        TRY(corruption_noise(&w->process, widths[i], TOKENS, row.sequences, 1, &c));
        TRY(add_curve(w, &c, row));
    }
    return ERR_NONE;
}

/* A model's vocabulary in a model's width: one token, all equally likely. */
static enum err on_vocabulary(struct work *w)
{
    struct corruption_curve c;
    char name[32];
    snprintf(name, sizeof name, "uniform-%d", VOCABULARY);
    struct corruption_row row = {.source = name,
                                 .symbols = VOCABULARY,
                                 .tokens = 1,
                                 .sequences = (w->o->samples + 19) / 20,
                                 .entropy = log(VOCABULARY)};
    for (int32_t i = 1; i < N_WIDTHS; i++) {
        log_progress(w->o->log, "noise on %s, width %d", name, widths[i]);
        TRY(corruption_noise_of_uniform(VOCABULARY, widths[i], row.sequences, 1, &c));
        TRY(add_curve(w, &c, row));
    }
    return ERR_NONE;
}

static enum err all(struct work *w)
{
    TRY(on_process(w));
    TRY(on_vocabulary(w));
    log_progress_end(w->o->log);
    struct store_value id = store_text(w->invocation_id);
    return output_query(w->store, what_is_printed, &id, 1, (enum print_format)w->o->output,
                        "gaussian", stdout);
}

static enum err recorded(struct work *w, const struct engine *engine)
{
    struct device_row d = engine_device(engine);
    struct invocation i = {.argv = w->o->command};
    TRY(store_begin_invocation(w->store, &i, &d, w->invocation_id));
    enum err e = all(w);
    enum err end = store_end_invocation(w->store, w->invocation_id, err_exit_code(e));
    return e != ERR_NONE ? e : end;
}

enum err verb_gaussian(const struct options *o)
{
    struct engine *engine = NULL;
    struct work w = {.o = o};
    enum err e = ERR_NONE;
    TRY(process_open(o->process, &w.process));
    process_sha256(&w.process, w.sha256);
    TRY_OUT(engine_open("cpu", o->log, &engine));
    TRY_OUT(store_open(o->db, STORE_WRITE, &w.store));
    e = recorded(&w, engine);
out:
    store_close(w.store);
    engine_close(engine);
    return e;
}
