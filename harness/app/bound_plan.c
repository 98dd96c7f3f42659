/* bound_plan.c - choose what to change in a cell: storage, arithmetic, threads. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/bound.h"
#include "harness/app/kernel_rate.h"
#include "harness/app/skips.h"

const struct measure_limits bound_limits = {
    .n_rounds = MEASURE_ROUNDS_MAX,
    .visit_ns = 10 * 1000000LL,
    .max_visit_samples = 8,
    .max_decodes = 1,
    .decode_ns = 0,
    .trace_rounds = true,
};

/* Cells measured in one group share its probes of the roofs. */
enum { GROUP_BASES = 8, MAX_RATES = 48 };

struct slower {
    struct cell cell;
    enum change change;
    double off; /* how far its rate is from a half of the base's, in logarithms */
};

struct planning {
    const struct bound_options *options;
    struct engine *engine;
    struct bound_plan *plan;
    int32_t room;

    struct cell rated[MAX_RATES]; /* one for each setup and storage */
    double rate[MAX_RATES];
    int32_t n_rated;
};

/* ---- the changes ---- */

/* The nearest storage of another size; as wide keys and values as before. */
static struct cell with_other_storage(const struct cell *base)
{
    struct cell c = *base;
    c.dtype = base->dtype == DTYPE_BF16 ? DTYPE_F32 : DTYPE_BF16;
    return c;
}

static struct cell with_isa(const struct cell *base, enum isa isa)
{
    struct cell c = *base;
    c.isa = isa;
    return c;
}

static struct cell with_arithmetic_twice(const struct cell *base)
{
    struct cell c = *base;
    c.arithmetic = ARITHMETIC_TWICE;
    return c;
}

/* Whether there are kernels that multiply twice for this cell, which does not itself. */
static bool can_do_twice(const struct planning *p, const struct cell *base)
{
    return engine_isa(p->engine, base) != ISA_SCALAR && base->arithmetic == ARITHMETIC_ONCE;
}

static struct cell with_half_threads(const struct planning *p, const struct cell *base)
{
    struct cell c = *base;
    c.threads = engine_threads(p->engine, base) / 2;
    return c;
}

/* ---- rates ---- */

static int32_t find_rate(const struct planning *p, const struct cell *c)
{
    for (int32_t i = 0; i < p->n_rated; i++)
        if (p->rated[i].dtype == c->dtype && p->rated[i].arithmetic == c->arithmetic &&
            engine_same_roofs(p->engine, &p->rated[i], c))
            return i;
    return -1;
}

static enum err want_rate(struct planning *p, const struct cell *c)
{
    if (find_rate(p, c) >= 0) return ERR_NONE;
    if (p->n_rated == MAX_RATES)
        return err_set(ERR_USAGE,
                       "more than %d combinations of threads, instruction set and storage",
                       MAX_RATES);
    p->rated[p->n_rated++] = *c;
    return ERR_NONE;
}

static enum err want_rates(struct planning *p, const struct cell *base)
{
    TRY(want_rate(p, base));
    if (can_do_twice(p, base)) {
        struct cell c = with_arithmetic_twice(base);
        TRY(want_rate(p, &c));
    }
    for (enum isa i = ISA_SCALAR; i < engine_isa(p->engine, base); i++) {
        struct cell c = with_isa(base, i);
        TRY(want_rate(p, &c));
    }
    if (engine_threads(p->engine, base) < 2) return ERR_NONE;
    struct cell c = with_half_threads(p, base);
    return want_rate(p, &c);
}

static double rate_ratio(const struct planning *p, const struct cell *base, const struct cell *c)
{
    return p->rate[find_rate(p, base)] / p->rate[find_rate(p, c)];
}

/* Take a change if its kernels are nearer to half as fast than the one taken before: a smaller
 * change drowns in noise, a larger one crosses the ridge from far away. */
static void consider(const struct planning *p, const struct cell *base, const struct cell *c,
                     enum change change, struct slower *best)
{
    double ratio = rate_ratio(p, base, c);
    if (ratio < 4.0 / 3 || fabs(log(ratio / 2)) >= best->off) return;
    *best = (struct slower){*c, change, fabs(log(ratio / 2))};
}

/* How to make arithmetic slower and leave memory alone; false: there is no way. */
static bool choose_slower(const struct planning *p, const struct cell *base, struct slower *best)
{
    struct cell c = with_arithmetic_twice(base);
    best->off = INFINITY;
    if (can_do_twice(p, base)) consider(p, base, &c, CHANGE_ARITHMETIC, best);
    for (enum isa i = ISA_SCALAR; i < engine_isa(p->engine, base); i++) {
        c = with_isa(base, i);
        consider(p, base, &c, CHANGE_ISA, best);
    }
    return !isinf(best->off);
}

/* ---- the list ---- */

static enum err add(struct planning *p, const struct cell *c, struct bound_arm arm)
{
    struct bound_plan *b = p->plan;
    if (b->cells.n == p->room) {
        int32_t room = p->room ? 2 * p->room : 64;
        struct planned_cell *cell = realloc(b->cells.cell, (size_t)room * sizeof *cell);
        if (cell) b->cells.cell = cell;
        struct bound_arm *arms = realloc(b->arm, (size_t)room * sizeof *arms);
        if (arms) b->arm = arms;
        if (!cell || !arms) return err_set(ERR_NOMEM, "no memory for %d cells", room);
        p->room = room;
    }
    b->cells.cell[b->cells.n] = (struct planned_cell){.cell = *c, .pair = b->cells.n_pairs - 1};
    b->arm[b->cells.n++] = arm;
    return ERR_NONE;
}

static enum err add_change(struct planning *p, int32_t base, const struct cell *c,
                           enum change change)
{
    double ratio = change == CHANGE_STORAGE ? 1 : rate_ratio(p, &p->plan->cells.cell[base].cell, c);
    return add(p, c, (struct bound_arm){base, change, ratio});
}

/* The cells of a group share one model, so that its weights are made once, and its probes. */
static bool can_join(const struct planning *p, const struct cell *g, const struct cell *c)
{
    return strcmp(g->model, c->model) == 0 && g->layers == c->layers &&
           g->spec.seed == c->spec.seed && g->dtype == c->dtype && g->arithmetic == c->arithmetic &&
           engine_same_roofs(p->engine, g, c);
}

static enum err add_base(struct planning *p, const struct cell *c)
{
    int32_t base = p->plan->cells.n;
    TRY(add(p, c, (struct bound_arm){.base = base}));
    p->plan->n_bases++;
    struct cell other = with_other_storage(c);
    TRY(add_change(p, base, &other, CHANGE_STORAGE));
    struct slower slower;
    if (choose_slower(p, c, &slower)) return add_change(p, base, &slower.cell, slower.change);
    /* Fewer threads slow memory down, too, if less: only where there is nothing better. */
    if (engine_threads(p->engine, c) < 2) return ERR_NONE;
    other = with_half_threads(p, c);
    return add_change(p, base, &other, CHANGE_THREADS);
}

static enum err find_wanted(const struct planning *p, const struct cell_list *cells, bool *wanted)
{
    const struct bound_options *o = p->options;
    struct skips skips = {.log = o->log};
    for (int32_t i = 0; i < cells->n; i++) {
        const struct planned_cell *c = &cells->cell[i];
        char run_id[37];
        bool found = false;
        if (c->skip_reason[0])
            skips_add(&skips, &c->cell, c->skip_reason);
        else if (o->reuse)
            TRY(store_find_bound(o->store, &c->cell, o->reuse_any_build, &found, run_id));
        wanted[i] = !c->skip_reason[0] && !found;
    }
    skips_report(&skips);
    return ERR_NONE;
}

/* From cell `first` on those that can join it, as many as a group holds. */
static enum err add_group(struct planning *p, const struct cell_list *cells, int32_t first,
                          bool *wanted)
{
    int32_t n = 0;
    p->plan->cells.n_pairs++;
    for (int32_t i = first; i < cells->n && n < GROUP_BASES; i++) {
        if (!wanted[i] || !can_join(p, &cells->cell[first].cell, &cells->cell[i].cell)) continue;
        TRY(add_base(p, &cells->cell[i].cell));
        wanted[i] = false;
        n++;
    }
    return ERR_NONE;
}

static enum err make(struct planning *p, const struct cell_list *cells, bool *wanted)
{
    TRY(find_wanted(p, cells, wanted));
    for (int32_t i = 0; i < cells->n; i++)
        if (wanted[i]) TRY(want_rates(p, &cells->cell[i].cell));
    if (p->n_rated == 0) return ERR_NONE;
    log_progress(p->options->log, "timing the kernels on %d set%s of threads and instructions",
                 p->n_rated, plural(p->n_rated));
    TRY(kernel_rates(p->engine, p->rated, p->n_rated, p->rate));
    for (int32_t i = 0; i < cells->n; i++)
        if (wanted[i]) TRY(add_group(p, cells, i, wanted));
    return ERR_NONE;
}

enum err bound_check_cells(const struct cell_list *cells)
{
    for (int32_t i = 0; i < cells->n; i++) {
        const struct cell *c = &cells->cell[i].cell;
        if (strcmp(c->device, "cpu") != 0)
            return err_set(ERR_UNSUPPORTED,
                           "%s: what limits a cell is found by running it with other instruction "
                           "sets and threads, which only cpu has",
                           c->device);
        if (c->compute != DTYPE_F32)
            return err_set(ERR_UNSUPPORTED,
                           "compute-dtype %s: what limits a cell is found by changing the storage "
                           "of its weights alone, and only %s weights are multiplied so",
                           dtype_name(c->compute), dtype_name(c->compute));
    }
    return ERR_NONE;
}

enum err bound_plan_make(const struct cell_list *cells, const struct bound_options *o,
                         struct bound_plan *out)
{
    memset(out, 0, sizeof *out);
    enum err e = ERR_NONE;
    struct planning *p = calloc(1, sizeof *p);
    bool *wanted = calloc((size_t)cells->n + 1, sizeof *wanted);
    if (!p || !wanted) TRY_OUT(err_set(ERR_NOMEM, "no memory for %d cells", cells->n));
    p->options = o;
    p->plan = out;
    TRY_OUT(engine_open("cpu", o->log, &p->engine));
    e = make(p, cells, wanted);
out:
    if (p) engine_close(p->engine);
    free(p);
    free(wanted);
    return e;
}

void bound_plan_free(struct bound_plan *p)
{
    cell_list_free(&p->cells);
    free(p->arm);
    *p = (struct bound_plan){0};
}
