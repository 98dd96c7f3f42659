/* canvas_law.c - the chain over canvases, step by step. */
#include "diffusion/canvas_law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/noise.h"
#include "harness/decode/exact.h"

enum {
    MAX_MASKS = 10, /* 2^10 canvases of two symbols */
    MAX_SIZE = MAX_MASKS,
    MAX_VALUES = PROCESS_MAX_SYMBOLS + 1,
    N_KEPT = 16
};

/* What the chain of a block starts from. */
struct start {
    double initial[PROCESS_MAX_STATES];
    int32_t size, shown[MAX_SIZE]; /* -1: open */
};

/* The distribution in which a chain ends. */
struct end {
    struct start start;
    double p[CANVAS_LAW_MAX];
};

struct canvas_law {
    struct decode_spec spec;
    struct model_config config;
    const struct strategy_ops *strategy;
    const struct process *process; /* borrowed */
    struct process_view view;
    int32_t n_values; /* of a position: symbols, and with masks one more  */
    struct end kept[N_KEPT];
    int32_t n_kept, next;
    double *now, *then; /* owned [MAX_MASKS + 1][CANVAS_LAW_MAX]: by share of noise, canvas */
    double *likelihood; /* owned [MAX_SIZE][n_symbols] */

    /* the block */
    struct start start;
    int32_t n, mask[MAX_MASKS], n_canvases;
};

static int32_t values_of(const struct decode_spec *s, int32_t n_symbols)
{
    return strategy_of(s->strategy)->noisy ? n_symbols : n_symbols + 1;
}

/* values^n, or more than the most there may be. */
static int32_t canvases(int32_t values, int32_t n)
{
    int32_t count = 1;
    for (int32_t i = 0; i < n && count <= CANVAS_LAW_MAX; i++) count *= values;
    return count;
}

bool canvas_law_covers(const struct decode_spec *s, int32_t n, int32_t n_symbols)
{
    return strategy_of(s->strategy)->revises && s->strategy != STRATEGY_REMDM_CONF &&
           s->batch_policy == BATCH_LOCKSTEP && n <= MAX_SIZE &&
           canvases(values_of(s, n_symbols), n) <= CANVAS_LAW_MAX;
}

enum err canvas_law_create(const struct decode_spec *s, int32_t n, const struct process *local,
                           struct canvas_law **out)
{
    enum err e = ERR_NONE;
    size_t states = (MAX_MASKS + 1) * (size_t)CANVAS_LAW_MAX;
    CHECK(canvas_law_covers(s, n, local->n_symbols) && n <= MAX_MASKS);
    *out = NULL;
    struct canvas_law *l = calloc(1, sizeof *l);
    if (!l) return err_set(ERR_NOMEM, "law of canvases: out of memory");
    l->spec = *s;
    l->config = exact_config(local);
    l->strategy = strategy_of(s->strategy);
    l->process = local;
    l->n_values = values_of(s, local->n_symbols);
    l->now = calloc(states, sizeof *l->now);
    l->then = calloc(states, sizeof *l->then);
    l->likelihood = calloc((size_t)MAX_SIZE * (size_t)local->n_symbols, sizeof *l->likelihood);
    if (!l->now || !l->then || !l->likelihood)
        TRY_OUT(err_set(ERR_NOMEM, "law of canvases: out of memory"));
    TRY_OUT(process_view_create(&l->view, local, n));
    *out = l;
    return ERR_NONE;
out:
    canvas_law_free(l);
    return e;
}

void canvas_law_free(struct canvas_law *l)
{
    if (!l) return;
    process_view_free(&l->view);
    free(l->now);
    free(l->then);
    free(l->likelihood);
    free(l);
}

/* What the open positions show in a canvas, the first one in the last digit. */
static void show(const struct canvas_law *l, int32_t canvas, int32_t *value)
{
    for (int32_t i = 0; i < l->n; i++, canvas /= l->n_values) value[i] = canvas % l->n_values;
}

/* Read the block with these values in it, of which a share `noise` is noise. */
static void read_canvas(struct canvas_law *l, const int32_t *value, float noise)
{
    int32_t v = l->process->n_symbols, tokens[MAX_SIZE];
    double b = (double)noise;
    memcpy(tokens, l->start.shown, sizeof tokens);
    for (int32_t i = 0; i < l->n; i++) tokens[l->mask[i]] = value[i];
    if (!l->strategy->noisy) {
        process_read(&l->view, tokens, l->start.size);
        return;
    }
    for (int32_t at = 0; at < l->start.size; at++)
        for (int32_t x = 0; x < v; x++) l->likelihood[at * v + x] = x == tokens[at];
    for (int32_t i = 0; i < l->n; i++)
        for (int32_t x = 0; x < v; x++) {
            double *like = &l->likelihood[l->mask[i] * v + x];
            *like = (1 - b) * *like + b / v;
        }
    process_read_noisy(&l->view, l->likelihood, l->start.size);
}

/* Each open position's distribution, as drawn from, and what is said of it. */
static void decide(const struct canvas_law *l, double drawn[][MAX_VALUES], struct row_stat *stat)
{
    int32_t v = l->process->n_symbols;
    for (int32_t i = 0; i < l->n; i++) {
        process_posterior(&l->view, l->mask[i], drawn[i]);
        stat[i] = exact_stat_of(drawn[i], v, 0);
        exact_temper(drawn[i], v, (double)l->spec.temperature, drawn[i]);
    }
}

static void remask(const struct canvas_law *l, int32_t step, const int32_t *value,
                   double drawn[][MAX_VALUES], double out[][MAX_VALUES])
{
    struct remask_tick tick = l->strategy->tick(&l->spec, step, l->spec.steps);
    int32_t mask = l->n_values - 1;
    for (int32_t i = 0; i < l->n; i++) {
        bool masked = value[i] == mask;
        for (int32_t x = 0; x < mask; x++)
            out[i][x] = masked ? tick.reveal * drawn[i][x] : (x == value[i]) * (1 - tick.remask);
        out[i][mask] = masked ? 1 - tick.reveal : tick.remask;
    }
}

static double level_at(const struct canvas_law *l, int32_t step)
{
    return schedule_mask_rate(l->spec.schedule, 1 - (double)step / l->spec.steps);
}

static void reverse_noise(const struct canvas_law *l, int32_t step, const int32_t *value,
                          double drawn[][MAX_VALUES], double out[][MAX_VALUES])
{
    int32_t v = l->n_values;
    struct noise_move m = {.from = level_at(l, step), .to = level_at(l, step + 1), .n_ids = v};
    for (int32_t i = 0; i < l->n; i++) {
        memset(out[i], 0, sizeof out[i]);
        for (int32_t clean = 0; clean < v; clean++) {
            double p[FATE_COUNT], q = drawn[i][clean];
            noise_fates(&m, value[i] == clean, p);
            out[i][clean] += q * p[FATE_CLEAN];
            out[i][value[i]] += q * p[FATE_STAYS];
            for (int32_t x = 0; x < v; x++) out[i][x] += q * p[FATE_NOISE] / v;
        }
    }
}

/* Entropies alone choose what stays.  Returns how many are noise again. */
static int32_t renoise(const struct canvas_law *l, int32_t step, const struct row_stat *stat,
                       double drawn[][MAX_VALUES], double out[][MAX_VALUES])
{
    struct ranked r[MAX_MASKS];
    int32_t quota = l->n - (int32_t)floor(l->n * level_at(l, step + 1) + 1e-9);
    struct strategy_view view = {.spec = &l->spec,
                                 .n_steps = l->spec.steps,
                                 .quota = quota < 1 ? 1 : quota,
                                 .n = l->n,
                                 .position = l->mask,
                                 .stat = stat};
    int32_t n = strategy_choose(l->strategy, &view, r);
    for (int32_t i = 0; i < l->n; i++)
        for (int32_t x = 0; x < l->n_values; x++)
            out[r[i].at][x] = i < n ? drawn[r[i].at][x] : 1.0 / l->n_values;
    return l->n - n;
}

/* Positions move independently: p times the product of their distributions, over all canvases. */
static void spread(const struct canvas_law *l, double p, double out[][MAX_VALUES], double *to)
{
    double part[CANVAS_LAW_MAX];
    int32_t count = 1;
    part[0] = p;
    for (int32_t i = 0; i < l->n; i++, count *= l->n_values)
        for (int32_t x = l->n_values - 1; x >= 0; x--)
            for (int32_t c = 0; c < count; c++) part[x * count + c] = part[c] * out[i][x];
    for (int32_t c = 0; c < count; c++) to[c] += part[c];
}

static void take_step(struct canvas_law *l, int32_t step)
{
    double drawn[MAX_MASKS][MAX_VALUES], out[MAX_MASKS][MAX_VALUES];
    struct row_stat stat[MAX_MASKS];
    int32_t value[MAX_MASKS];
    memset(l->then, 0, (size_t)(l->n + 1) * CANVAS_LAW_MAX * sizeof *l->then);
    for (int32_t noisy = 0; noisy <= l->n; noisy++)
        for (int32_t c = 0; c < l->n_canvases; c++) {
            double p = l->now[noisy * CANVAS_LAW_MAX + c];
            int32_t next = 0;
            if (p <= 0) continue;
            show(l, c, value);
            double noise = l->strategy->count ? (double)noisy / l->n : level_at(l, step);
            read_canvas(l, value, (float)noise);
            decide(l, drawn, stat);
            if (l->strategy->tick)
                remask(l, step, value, drawn, out);
            else if (l->strategy->count)
                next = renoise(l, step, stat, drawn, out);
            else
                reverse_noise(l, step, value, drawn, out);
            spread(l, p, out, l->then + next * CANVAS_LAW_MAX);
        }
    double *swap = l->now;
    l->now = l->then;
    l->then = swap;
}

/* All masks, or noise and nothing else; then every step. */
static void run_chain(struct canvas_law *l, double *end)
{
    memset(l->now, 0, (size_t)(l->n + 1) * CANVAS_LAW_MAX * sizeof *l->now);
    int32_t first = l->strategy->count ? l->n : 0;
    for (int32_t c = 0; l->strategy->noisy && c < l->n_canvases; c++)
        l->now[first * CANVAS_LAW_MAX + c] = 1.0 / l->n_canvases;
    if (!l->strategy->noisy) l->now[l->n_canvases - 1] = 1;
    for (int32_t step = 0; step < l->spec.steps; step++) take_step(l, step);
    memcpy(end, l->now, (size_t)l->n_canvases * sizeof *end);
}

/* Of the block's start; kept, because blocks of a Markov chain start in few ways. */
static const double *end_of(struct canvas_law *l)
{
    for (int32_t i = 0; i < l->n_kept; i++)
        if (memcmp(&l->kept[i].start, &l->start, sizeof l->start) == 0) return l->kept[i].p;
    struct end *end = &l->kept[l->next];
    l->next = (l->next + 1) % N_KEPT;
    if (l->n_kept < N_KEPT) l->n_kept++;
    end->start = l->start;
    run_chain(l, end->p);
    return end->p;
}

double canvas_law_log(struct canvas_law *l, const int32_t *tokens, int32_t size,
                      const int32_t *mask, int32_t n_masks)
{
    int32_t canvas = 0;
    CHECK(n_masks >= 0 && n_masks <= size && size <= MAX_SIZE);
    if (n_masks == 0) return 0;
    memset(&l->start, 0, sizeof l->start);
    memcpy(l->start.initial, l->process->initial,
           (size_t)l->process->n_states * sizeof *l->start.initial);
    l->start.size = size;
    memcpy(l->start.shown, tokens, (size_t)size * sizeof *tokens);
    l->n = n_masks;
    l->n_canvases = canvases(l->n_values, n_masks);
    memcpy(l->mask, mask, (size_t)n_masks * sizeof *mask);
    for (int32_t i = n_masks - 1; i >= 0; i--) {
        canvas = canvas * l->n_values + tokens[mask[i]];
        l->start.shown[mask[i]] = -1;
    }
    return log(end_of(l)[canvas]);
}
