/* verb_nelbo.c - each cell's objective on sequences of a process, or of random tokens. */
#include <stdlib.h>
#include <string.h>

#include "diffusion/nelbo.h"
#include "harness/app/engine.h"
#include "harness/app/quality.h"
#include "harness/app/skips.h"
#include "harness/app/verbs.h"
#include "results/output.h"

static const char *const what_is_printed =
    "SELECT model, decoder, block_tokens AS block, estimator, schedule, sequence_tokens AS tokens, "
    "sequences, draws, nelbo, nelbo_lo, nelbo_hi, excess, excess_lo, excess_hi "
    "FROM v_nelbo WHERE invocation_id = ?1 ORDER BY recorded_utc";

struct work {
    const struct options *o;
    struct store *store;
    struct engine *engine;
    struct kernels *k;
    bool on_process;
    struct process process;
    char sha256[65], invocation_id[37];
    int32_t n_done, n_same; /* n_same: cells whose objective an earlier one has */
    struct skips skips;
};

/* One objective on one cell's sequences. */
struct objective {
    struct work *w;
    const struct cell *cell;
    struct scorer *scorer;
    struct process_view view; /* of the process; else empty */
    int32_t *tokens;          /* owned [n_prompt + n_gen] */
};

/* Sequence number `request`, and its true -log p where there is one. */
static enum err draw_sequence(struct objective *b, uint32_t request, double *truth)
{
    const struct decode_spec *s = &b->cell->spec;
    int32_t length = s->n_prompt + s->n_gen;
    *truth = 0;
    if (b->w->on_process) {
        process_sample(&b->view, s->seed, request, 0, b->tokens, length);
        *truth = process_log_seen(&b->view, b->tokens, s->n_prompt);
        *truth -= process_log_seen(&b->view, b->tokens, length);
        return ERR_NONE;
    }
    struct decode_spec all = {.batch = 1, .n_prompt = length, .seed = s->seed + request};
    int32_t *drawn;
    TRY(canvas_create(&all, &b->scorer->config, &drawn));
    memcpy(b->tokens, drawn, (size_t)length * sizeof *drawn);
    free(drawn);
    return ERR_NONE;
}

static enum err estimate(struct objective *b, const struct nelbo_spec *spec)
{
    struct work *w = b->w;
    struct mean nelbo = {0}, excess = {0};
    struct nelbo *n;
    double nats, truth, scale = spec->n_gen;
    enum err e = ERR_NONE;
    TRY(nelbo_create(spec, b->scorer, &n));
    for (int64_t i = 0; i < w->o->samples && e == ERR_NONE; i++) {
        e = draw_sequence(b, (uint32_t)i, &truth);
        if (e == ERR_NONE) e = nelbo_estimate(n, b->tokens, (uint32_t)i, &nats);
        mean_add(&nelbo, nats);
        /* Equal up to the rounding of some hundred additions is equal. */
        mean_add(&excess, fabs(nats - truth) < 1e-10 ? 0 : nats - truth);
    }
    nelbo_free(n);
    TRY(e);
    struct nelbo_row row = {
        .process_sha256 = w->on_process ? w->sha256 : NULL,
        .estimator = nelbo_estimator_name(spec->estimator),
        .schedule = spec->estimator == NELBO_TIME ? spec->schedule->name : NULL,
        .sequences = nelbo.n,
        .draws = spec->draws,
        .nelbo = mean_estimate(&nelbo, scale),
        .excess = mean_estimate(&excess, scale),
    };
    w->n_done++;
    return store_add_nelbo(w->store, w->invocation_id, b->cell, &row);
}

/* The chain rule for AR; for the others every schedule, and counts. */
static enum err estimate_all(struct objective *b)
{
    const struct decode_spec *s = &b->cell->spec;
    struct nelbo_spec spec = {
        .estimator = NELBO_CHAIN,
        .n_prompt = s->n_prompt,
        .n_gen = s->n_gen,
        .block_length = strcmp(b->cell->decoder, "block") == 0 ? s->block_length : 0,
        .shifted = head_is_shifted(s, &b->scorer->config),
        .draws = 1,
        .seed = s->seed,
    };
    if (!cell_denoises(b->cell)) return estimate(b, &spec);
    spec.draws = (int32_t)b->w->o->draws;
    spec.estimator = NELBO_TIME;
    for (int32_t i = 0; (spec.schedule = noise_schedule_at(i)); i++) TRY(estimate(b, &spec));
    spec.estimator = NELBO_COUNT;
    return estimate(b, &spec);
}

static enum err bound_on_process(struct objective *b)
{
    struct scorer scorer;
    int32_t length = b->cell->spec.n_prompt + b->cell->spec.n_gen;
    TRY(scorer_of_process(&scorer, b->w->k, &b->w->process, length));
    b->scorer = &scorer;
    enum err e = process_view_create(&b->view, &b->w->process, length);
    if (e == ERR_NONE) e = estimate_all(b);
    process_view_free(&b->view);
    scorer_free(&scorer);
    return e;
}

static enum err bound_on_model(struct objective *b)
{
    struct scorer scorer;
    struct model *model;
    int32_t length = b->cell->spec.n_prompt + b->cell->spec.n_gen;
    TRY(engine_load(b->w->engine, b->cell, 0, &model));
    if (length > model_config_of(model)->max_positions)
        return err_set(ERR_USAGE, "%d tokens are more than the %d positions of %s", length,
                       model_config_of(model)->max_positions, b->cell->model);
    TRY(scorer_of_model(&scorer, model, b->cell->kv_dtype, length));
    b->scorer = &scorer;
    enum err e = estimate_all(b);
    scorer_free(&scorer);
    return e;
}

/* What an objective has of a cell: no steps, order or sampling, and blocks only where later ones
 * are out of sight. */
static struct cell objective_of(const struct work *w, const struct cell *cell)
{
    struct cell c = w->on_process ? cell_on_process(cell, &w->process) : *cell;
    c.spec.steps = 0;
    c.spec.strategy = STRATEGY_RANDOM;
    c.spec.batch = 1;
    c.spec.n_depth = 0;
    c.spec.temperature = 0;
    if (strcmp(c.decoder, "diffusion") == 0) c.spec.block_length = 0;
    return c;
}

/* Whether a cell before number i has the same objective. */
static bool is_done(const struct work *w, int32_t i, const struct cell *c)
{
    char key[CELL_KEY_SIZE], other[CELL_KEY_SIZE];
    cell_key(c, key);
    for (int32_t k = 0; k < i; k++) {
        struct cell before = objective_of(w, &w->o->cells.cell[k].cell);
        cell_key(&before, other);
        if (!w->o->cells.cell[k].skip_reason[0] && strcmp(key, other) == 0) return true;
    }
    return false;
}

static enum err bound_cell(struct work *w, int32_t i)
{
    struct cell c = objective_of(w, &w->o->cells.cell[i].cell);
    struct objective b = {.w = w, .cell = &c};
    const char *reason = w->o->cells.cell[i].skip_reason;
    if (*reason) {
        skips_add(&w->skips, &c, reason);
        return ERR_NONE;
    }
    if (is_done(w, i, &c)) {
        w->n_same++;
        return ERR_NONE;
    }
    b.tokens = calloc((size_t)c.spec.n_prompt + (size_t)c.spec.n_gen, sizeof *b.tokens);
    if (!b.tokens) return err_set(ERR_NOMEM, "sequences: out of memory");
    enum err e = w->on_process ? bound_on_process(&b) : bound_on_model(&b);
    free(b.tokens);
    return e;
}

static enum err bound_all(struct work *w)
{
    for (int32_t i = 0; i < w->o->cells.n; i++) {
        log_progress(w->o->log, "[%d/%d]", i + 1, w->o->cells.n);
        TRY(bound_cell(w, i));
    }
    log_progress_end(w->o->log);
    skips_report(&w->skips);
    log_line(w->o->log, LOG_INFO, "%d measured, %d the same as another, %d skipped; %s", w->n_done,
             w->n_same, w->skips.n, w->o->db);
    struct store_value id = store_text(w->invocation_id);
    return output_query(w->store, what_is_printed, &id, 1, (enum print_format)w->o->output, "nelbo",
                        stdout);
}

static enum err recorded(struct work *w)
{
    const struct options *o = w->o;
    struct device_row d = engine_device(w->engine);
    struct invocation i = {
        .argv = o->command, .sweep_name = o->sweep_name, .sweep_text = o->sweep_text};
    TRY(store_begin_invocation(w->store, &i, &d, w->invocation_id));
    enum err e = bound_all(w);
    enum err end = store_end_invocation(w->store, w->invocation_id, err_exit_code(e));
    return e != ERR_NONE ? e : end;
}

enum err verb_nelbo(const struct options *o)
{
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    struct work w = {
        .o = o, .on_process = strcmp(o->process, "none") != 0, .skips.log = o->log};
    enum err e = ERR_NONE;
    if (w.on_process) {
        TRY(process_open(o->process, &w.process));
        process_sha256(&w.process, w.sha256);
    }
    TRY_OUT(engine_open("cpu", o->log, &w.engine));
    TRY_OUT(kernels_open(&config, &w.k));
    TRY_OUT(store_open(o->db, STORE_WRITE, &w.store));
    e = recorded(&w);
out:
    store_close(w.store);
    kernels_close(w.k);
    engine_close(w.engine);
    return e;
}
