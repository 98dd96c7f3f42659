/* execute.c - from cells to runs in the store: devices in turn, then matched groups. */
#include "harness/app/execute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "roofline/device.h"

struct job { /* one device's share of the cells */
    struct store *store;
    const struct cell_list *cells;
    const struct execute_options *options;
    struct execution *out;
    const char *device;
    char invocation_id[37];
    int32_t *place; /* owned by execute_cells: cell -> index in out->run, -1 none */
    struct engine *engine;
    struct matmul_times times; /* of earlier benches; owned */
    const struct cell *fresh;  /* whose roofs were measured after the last group; NULL: none */
    int32_t n_cells, n_done;   /* of this device, for progress */
    int64_t started_ns;
};

static bool is_sim(const char *device)
{
    return strncmp(device, "sim:", 4) == 0;
}

static bool on_device(const struct job *j, int32_t i)
{
    return strcmp(j->cells->cell[i].cell.device, j->device) == 0;
}

static enum err begin_invocation(struct job *j, const struct device_row *d)
{
    const struct execute_options *o = j->options;
    struct invocation i = {
        .argv = o->command, .sweep_name = o->sweep_name, .sweep_text = o->sweep_text};
    for (int32_t c = 0; c < j->cells->n; c++)
        if (on_device(j, c)) {
            i.seed = j->cells->cell[c].cell.spec.seed;
            break;
        }
    return store_begin_invocation(j->store, &i, d, j->invocation_id);
}

/* Store a cell that cannot be run, once. */
static enum err record_unrun(struct job *j, const struct planned_cell *p, const char *status,
                             const char *why, const char *pair_id, char run_id[37])
{
    struct run_row run = {.status = status,
                          .message = why,
                          .pair_id = pair_id,
                          .pair_baseline = pair_id && p->baseline};
    TRY(store_add_run(j->store, j->invocation_id, &p->cell, &run, NULL, 0));
    memcpy(run_id, run.run_id, sizeof run.run_id);
    return ERR_NONE;
}

static void note_failure(struct job *j, const struct cell *c, const char *why)
{
    struct execution *x = j->out;
    if (x->n_failed++ == 0)
        snprintf(x->first_failure, sizeof x->first_failure, "%s batch %d: %.400s", c->decoder,
                 c->spec.batch, why);
    log_progress_end(j->options->log);
    log_line(j->options->log, LOG_WARN, "%s batch %d on %s failed: %s", c->decoder, c->spec.batch,
             c->device, why);
}

/* A run already there, if those count. */
static enum err find_done(struct job *j, int32_t i, bool *done)
{
    char run_id[37];
    *done = false;
    if (!j->options->reuse) return ERR_NONE;
    TRY(store_find_run(j->store, &j->cells->cell[i].cell, j->options->reuse_any_build, done,
                       run_id));
    if (*done) memcpy(j->out->run[j->place[i]].run_id, run_id, sizeof run_id);
    return ERR_NONE;
}

/* ---- simulated devices ---- */

static enum err plan_one(struct job *j, int32_t i, struct plan *plan, const char *pair_id)
{
    const struct planned_cell *p = &j->cells->cell[i];
    struct shown_run *shown = &j->out->run[j->place[i]];
    struct forward_row rows[PHASE_COUNT];
    struct plan_target target;
    char why[160] = "";
    TRY(plan_target_sim(p->cell.device, p->cell.dtype, p->cell.launch_ns, &target));
    TRY(plan_cell(&p->cell, &target, plan));
    if (plan_skip_reason(&p->cell, plan, &target, why, sizeof why)) {
        skips_add(&j->out->skips, &p->cell, why);
        return record_unrun(j, p, "skipped", why, pair_id, shown->run_id);
    }
    plan_predict(&p->cell, plan, &shown->prediction);
    shown->predicted = shown->planned = true;
    struct run_row run = {.status = "ok",
                          .pair_id = pair_id,
                          .pair_baseline = pair_id && p->baseline,
                          .cache_resident = plan->cache_resident,
                          .weight_bytes = plan->weight_bytes,
                          .memory_bytes = plan->memory_bytes};
    memcpy(run.price, plan->price, sizeof run.price);
    TRY(store_add_run(j->store, j->invocation_id, &p->cell, &run, rows, plan_rows(plan, rows)));
    memcpy(shown->run_id, run.run_id, sizeof run.run_id);
    j->out->n_ran++;
    return ERR_NONE;
}

/* Members of a pair share a name that is new in each invocation. */
static void pair_name(const struct job *j, int32_t pair, char out[64])
{
    snprintf(out, 64, "%s.%d", j->invocation_id, pair);
}

static enum err plan_all(struct job *j)
{
    struct plan *plan = malloc(sizeof *plan);
    if (!plan) return err_set(ERR_NOMEM, "plan: out of memory");
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < j->cells->n && e == ERR_NONE; i++) {
        const struct planned_cell *p = &j->cells->cell[i];
        bool done;
        char pair[64];
        if (!on_device(j, i) || p->skip_reason[0]) continue;
        e = find_done(j, i, &done);
        if (e != ERR_NONE) break;
        if (done) {
            j->out->n_reused++;
            continue;
        }
        pair_name(j, p->pair, pair);
        e = plan_one(j, i, plan, p->pair >= 0 ? pair : NULL);
    }
    free(plan);
    return e;
}

static enum err run_sim(struct job *j)
{
    const struct device *d;
    TRY(device_find(j->device, &d));
    struct device_row row = {.device = j->device,
                             .kind = "sim",
                             .description = d->title,
                             .llc_bytes = d->l2_bytes,
                             .mem_bytes = d->memory_bytes};
    TRY(begin_invocation(j, &row));
    TRY(store_begin(j->store));
    TRY(plan_all(j)); /* what is not committed is gone when the store is closed */
    return store_commit(j->store);
}

/* ---- real devices ---- */

static enum err store_roofs(struct job *j, const struct cell *c, const char *moment)
{
    return store_ceiling_set(j->store, j->invocation_id, j->device, engine_roofs(j->engine, c),
                             moment);
}

/* Roofs before a group: those measured after the last one, if it used the same threads. */
static enum err measure_roofs(struct job *j, const struct cell *c, const char *moment)
{
    bool before = strcmp(moment, "before") == 0;
    if (!before || !j->fresh || !engine_same_roofs(j->engine, j->fresh, c)) {
        int32_t threads = engine_threads(j->engine, c);
        if (threads)
            log_progress(j->options->log, "measuring the machine's roofs on %d thread%s", threads,
                         plural(threads));
        else
            log_progress(j->options->log, "measuring the roofs of %s", j->device);
        TRY(engine_measure(j->engine, c, CEILINGS_QUICK, NULL, NULL));
    }
    j->fresh = before ? NULL : c;
    return store_roofs(j, c, moment);
}

/* Of every setup that occurs in a group. */
static enum err measure_group_roofs(struct job *j, const struct planned_cell *const *group,
                                    int32_t n, const char *moment)
{
    for (int32_t i = 0; i < n; i++) {
        bool seen = false;
        for (int32_t k = 0; k < i && !seen; k++)
            seen = engine_same_roofs(j->engine, &group[k]->cell, &group[i]->cell);
        if (!seen) TRY(measure_roofs(j, &group[i]->cell, moment));
    }
    return ERR_NONE;
}

/* What a run is held against, measured again. */
static enum err store_price_after(struct job *j, const struct cell *c,
                                  const struct measured_run *run)
{
    struct price price[TIER_COUNT];
    bool resident;
    engine_price(j->engine, engine_roofs(j->engine, c), c, run->weight_bytes, price, &resident);
    return store_add_price_after(j->store, run->run_id, price);
}

static void show_progress(struct job *j, const struct cell *c, int32_t n)
{
    char left[CLOCK_DURATION_SIZE] = "?";
    int64_t so_far = clock_ns() - j->started_ns;
    if (j->n_done > 0) clock_format_duration(so_far / j->n_done * (j->n_cells - j->n_done), left);
    log_progress(j->options->log, "[%d/%d] %s %s batch %d%s | about %s left", j->n_done + 1,
                 j->n_cells, c->model, c->decoder, c->spec.batch,
                 n > 1 ? " and its matched partners" : "", left);
}

/* Cell `first` and the cells of its pair that are to be measured with it. */
static enum err measure_from(struct job *j, int32_t first, const struct planned_cell **group,
                             int32_t *index, struct measured_run *runs)
{
    int32_t n = 0, pair = j->cells->cell[first].pair;
    for (int32_t i = first; i < j->cells->n; i++) {
        const struct planned_cell *p = &j->cells->cell[i];
        if (!on_device(j, i) || p->skip_reason[0] || (i != first && (pair < 0 || p->pair != pair)))
            continue;
        bool done;
        TRY(find_done(j, i, &done));
        if (done && !p->baseline) {
            j->out->n_reused++;
            continue;
        }
        index[n] = i;
        group[n++] = p;
    }
    /* Nothing but a finished baseline: reused. */
    bool done = false;
    if (n == 1 && group[0]->baseline) TRY(find_done(j, index[0], &done));
    if (done) {
        j->out->n_reused++;
        n = 0;
    }
    if (n == 0) return ERR_NONE;

    show_progress(j, &group[0]->cell, n); /* where lines are few, this one is shown */
    TRY(measure_group_roofs(j, group, n, "before"));
    show_progress(j, &group[0]->cell, n);
    TRY(measure_group(j->engine, j->store, j->invocation_id, group, n, j->options->limits, runs));
    TRY(measure_group_roofs(j, group, n, "after"));
    for (int32_t i = 0; i < n; i++) {
        memcpy(j->out->run[j->place[index[i]]].run_id, runs[i].run_id, sizeof runs[i].run_id);
        if (runs[i].status == ERR_NONE) {
            TRY(store_price_after(j, &group[i]->cell, &runs[i]));
            j->out->n_ran++;
            j->out->run[j->place[index[i]]].predicted = true;
            j->out->run[j->place[index[i]]].prediction = runs[i].prediction;
        } else {
            note_failure(j, &group[i]->cell, runs[i].message);
        }
    }
    j->n_done += n;
    if (!j->options->done) return ERR_NONE;
    return j->options->done(j->options->done_ctx, index, runs, n);
}

static bool is_spent(const struct job *j)
{
    int64_t budget = j->options->time_budget_ns;
    return budget > 0 && clock_ns() - j->started_ns > budget;
}

/* Count cell `first` and the cells of its pair that would have been measured with it. */
static enum err leave_from(struct job *j, int32_t first)
{
    int32_t pair = j->cells->cell[first].pair;
    for (int32_t i = first; i < j->cells->n; i++) {
        const struct planned_cell *p = &j->cells->cell[i];
        bool done;
        if (!on_device(j, i) || p->skip_reason[0] || (i != first && (pair < 0 || p->pair != pair)))
            continue;
        TRY(find_done(j, i, &done));
        if (done)
            j->out->n_reused++;
        else
            j->out->n_left++;
    }
    return ERR_NONE;
}

static enum err measure_all(struct job *j)
{
    enum err e = ERR_NONE;
    size_t n = (size_t)j->cells->n;
    const struct planned_cell **group = calloc(n, sizeof *group);
    struct measured_run *runs = calloc(n, sizeof *runs);
    int32_t *index = calloc(n, sizeof *index);
    bool *pair_seen = calloc(n + 1, sizeof *pair_seen);
    if (!group || !runs || !index || !pair_seen)
        TRY_OUT(err_set(ERR_NOMEM, "%zu cells: out of memory", n));
    for (int32_t i = 0; i < j->cells->n; i++) {
        const struct planned_cell *p = &j->cells->cell[i];
        if (!on_device(j, i) || p->skip_reason[0]) continue;
        if (p->pair >= 0 && pair_seen[p->pair]) continue;
        if (p->pair >= 0) pair_seen[p->pair] = true;
        if (is_spent(j)) {
            TRY_OUT(leave_from(j, i));
            continue;
        }
        TRY_OUT(measure_from(j, i, group, index, runs));
    }
out:
    free(group);
    free(runs);
    free(index);
    free(pair_seen);
    return e;
}

/* ---- counters ---- */

/* One that cannot be counted keeps its timing; where counting is required it counts as failed. */
static enum err count_one(struct job *j, int32_t i, char *last, size_t size)
{
    const struct cell *c = &j->cells->cell[i].cell;
    const struct count_options *o = &j->options->count;
    char why[512];
    log_progress(j->options->log, "counting %s %s batch %d", c->model, c->decoder, c->spec.batch);
    TRY(count_run(o, j->engine, j->store, c, count_device(j->device),
                  j->out->run[j->place[i]].run_id, why, sizeof why));
    if (!*why) return ERR_NONE;
    if (o->mode == COUNTERS_REQUIRE) {
        note_failure(j, c, why);
    } else if (strcmp(why, last) != 0) { /* the same on every run: said once */
        log_progress_end(j->options->log);
        log_line(j->options->log, LOG_WARN, "not counted on %s: %s", j->device, why);
        snprintf(last, size, "%s", why);
    }
    return ERR_NONE;
}

/* After everything has been timed. */
static enum err count_all(struct job *j)
{
    char last[512] = "";
    if (!count_wanted(&j->options->count, j->device)) return ERR_NONE;
    for (int32_t i = 0; i < j->cells->n; i++) {
        if (!on_device(j, i) || j->cells->cell[i].skip_reason[0]) continue;
        if (!j->out->run[j->place[i]].run_id[0]) continue;
        TRY(count_one(j, i, last, sizeof last));
    }
    return ERR_NONE;
}

static enum err run_real(struct job *j)
{
    enum err e = ERR_NONE;
    TRY(engine_open(j->device, j->options->log, &j->engine));
    engine_use_effort(j->engine, j->options->effort);
    struct device_row row = engine_device(j->engine);
    TRY_OUT(begin_invocation(j, &row));
    TRY_OUT(store_matmul_times(j->store, j->invocation_id, &j->times));
    engine_use_times(j->engine, &j->times);
    j->started_ns = clock_ns();
    TRY_OUT(measure_all(j));
    TRY_OUT(count_all(j));
out:
    engine_close(j->engine);
    j->engine = NULL;
    free(j->times.time);
    return e;
}

/* ---- all of them ---- */

static enum err run_device(struct job *j)
{
    enum err e = is_sim(j->device) ? run_sim(j) : run_real(j);
    log_progress_end(j->options->log);
    if (e != ERR_NONE || !j->invocation_id[0]) return e;
    return store_end_invocation(j->store, j->invocation_id,
                                err_exit_code(j->out->n_failed ? ERR_SOME_FAILED
                                              : j->out->n_left ? ERR_BUDGET
                                                               : ERR_NONE));
}

static enum err check_device(const struct execute_options *o, const char *device)
{
    if (is_sim(device)) {
        const struct device *d;
        return device_find(device, &d);
    }
    if (o->only_sim)
        return err_set(ERR_USAGE,
                       "plan predicts imagined devices, and %s is a real one; want --device "
                       "sim:NAME (regime list devices)",
                       device);
    struct engine *e;
    TRY(engine_open(device, o->log, &e));
    engine_close(e);
    return count_check(&o->count, device);
}

static bool seen_before(const struct cell_list *cells, int32_t i)
{
    for (int32_t k = 0; k < i; k++)
        if (strcmp(cells->cell[k].cell.device, cells->cell[i].cell.device) == 0) return true;
    return false;
}

enum err execute_check(const struct cell_list *cells, const struct execute_options *o)
{
    for (int32_t i = 0; i < cells->n; i++)
        if (!seen_before(cells, i)) TRY(check_device(o, cells->cell[i].cell.device));
    return ERR_NONE;
}

enum err execute_cells(struct store *s, const struct cell_list *cells,
                       const struct execute_options *o, struct execution *out)
{
    enum err e = ERR_NONE;
    memset(out, 0, sizeof *out);
    out->skips.log = o->log;
    int32_t *place = calloc((size_t)cells->n + 1, sizeof *place);
    out->run = calloc((size_t)cells->n + 1, sizeof *out->run);
    if (!place || !out->run) TRY_OUT(err_set(ERR_NOMEM, "%d cells: out of memory", cells->n));
    for (int32_t i = 0; i < cells->n; i++) {
        const struct planned_cell *p = &cells->cell[i];
        if (p->skip_reason[0]) {
            skips_add(&out->skips, &p->cell, p->skip_reason);
            continue;
        }
        place[i] = out->n++;
    }
    for (int32_t i = 0; i < cells->n; i++) {
        if (seen_before(cells, i)) continue;
        struct job j = {.store = s,
                        .cells = cells,
                        .options = o,
                        .out = out,
                        .place = place,
                        .device = cells->cell[i].cell.device};
        for (int32_t k = 0; k < cells->n; k++)
            if (on_device(&j, k) && !cells->cell[k].skip_reason[0]) j.n_cells++;
        TRY_OUT(run_device(&j));
    }
    skips_report(&out->skips);
out:
    free(place);
    return e;
}

void execution_free(struct execution *x)
{
    free(x->run);
    memset(x, 0, sizeof *x);
}

enum err execution_result(const struct execution *x)
{
    if (x->n_failed > 0)
        return err_set(ERR_SOME_FAILED, "%d of %d cells failed; the first: %s", x->n_failed, x->n,
                       x->first_failure);
    if (x->n_left > 0)
        return err_set(ERR_BUDGET, "%d of %d cells are left; the same command goes on with them",
                       x->n_left, x->n);
    return ERR_NONE;
}
