/* unmask.c - the state of a block, and the ways it moves on: a count of the best positions, a
 * coin for each, what a trace says; or all of a noisy canvas at once. */
#include "diffusion/unmask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/draw.h"
#include "diffusion/noise.h"

enum err unmask_create(struct unmask *u, int32_t capacity)
{
    size_t n = (size_t)capacity;
    memset(u, 0, sizeof *u);
    u->mask = calloc(n, sizeof *u->mask);
    u->open = calloc(n, sizeof *u->open);
    u->revealed = calloc(n, sizeof *u->revealed);
    u->ranked = calloc(n, sizeof *u->ranked);
    u->chosen = calloc(n, sizeof *u->chosen);
    u->masked = calloc(n, sizeof *u->masked);
    u->trust = calloc(n, sizeof *u->trust);
    if (u->mask && u->open && u->revealed && u->ranked && u->chosen && u->masked && u->trust)
        return ERR_NONE;
    unmask_free(u);
    return err_set(ERR_NOMEM, "unmasking %d positions: out of memory", capacity);
}

void unmask_free(struct unmask *u)
{
    free(u->mask);
    free(u->open);
    free(u->revealed);
    free(u->ranked);
    free(u->chosen);
    free(u->masked);
    free(u->trust);
    memset(u, 0, sizeof *u);
}

/* ---- a coin for each ---- */

static double draw_fate(const struct unmask *u, int32_t i)
{
    return draw_uniform(u->spec->seed, DRAW_REMASK, u->request, (uint32_t)u->mask[i],
                        (uint32_t)u->step);
}

/* Whether this step's coin of mask[i] falls below p. */
static bool coin(const struct unmask *u, int32_t i, double p)
{
    return draw_fate(u, i) < p;
}

/* What the rate of masking again is shared out by: 1 each, or e^-probability of all revealed. */
static double shares(const struct unmask *u)
{
    double sum = 0;
    if (u->spec->strategy != STRATEGY_REMDM_CONF) return 1;
    for (int32_t i = 0; i < u->n_masks; i++)
        if (!u->masked[i]) sum += exp(-(double)u->trust[i]);
    return sum;
}

static double share_of(const struct unmask *u, int32_t i)
{
    return u->spec->strategy == STRATEGY_REMDM_CONF ? exp(-(double)u->trust[i]) : 1;
}

static bool step_reveals(const struct unmask *u)
{
    double reveal = u->strategy->tick(u->spec, u->step, u->n_steps).reveal;
    for (int32_t i = 0; i < u->n_masks; i++)
        if (u->masked[i] && coin(u, i, reveal)) return true;
    return false;
}

/* stat NULL: a step that reveals nothing. */
static void take_step(struct unmask *u, const struct row_stat *stat, int32_t *tokens)
{
    struct remask_tick tick = u->strategy->tick(u->spec, u->step, u->n_steps);
    double all = shares(u);
    int32_t n_open = 0, row = 0;
    if (stat) u->n_revealed = 0;
    for (int32_t i = 0; i < u->n_masks; i++) {
        int32_t pos = u->mask[i];
        if (!u->masked[i]) {
            u->masked[i] = coin(u, i, tick.remask * share_of(u, i) / all);
            if (u->masked[i]) tokens[pos] = u->config->mask_id;
        } else {
            const struct row_stat *s = stat ? &stat[row++] : NULL;
            u->masked[i] = !coin(u, i, tick.reveal);
            if (!u->masked[i]) {
                CHECK(s != NULL);
                tokens[pos] = s->id;
                u->trust[i] = s->confidence;
                u->revealed[u->n_revealed++] = pos;
            }
        }
        if (u->masked[i]) u->open[n_open++] = pos;
    }
    u->n_open = n_open;
    u->step++;
}

/* Go on to the next step of time that needs a forward, or to the end. */
static void skip_steps(struct unmask *u, int32_t *tokens)
{
    while (u->step < u->n_steps && !step_reveals(u)) take_step(u, NULL, tokens);
}

/* ---- a count of the best ---- */

/* Whether the position to be revealed first is among the n best; else it takes the last's place. */
static void put_first(const struct unmask *u, struct ranked *r, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (u->open[r[i].at] == u->first) return;
    for (int32_t at = 0; at < u->n_open; at++)
        if (u->open[at] == u->first) r[n - 1].at = at;
}

/* Reveal chosen[] of open[]. */
static void reveal_chosen(struct unmask *u, const struct row_stat *stat, int32_t *tokens)
{
    int32_t n_open = 0;
    u->n_revealed = 0;
    for (int32_t at = 0; at < u->n_open; at++) {
        int32_t pos = u->open[at];
        if (!u->chosen[at]) {
            u->open[n_open++] = pos;
            continue;
        }
        u->chosen[at] = false;
        tokens[pos] = stat[at].id;
        u->revealed[u->n_revealed++] = pos;
    }
    u->n_open = n_open;
    u->step++;
}

/* Mark the best by the strategy, `quota` or as many as it finds good enough.  Returns how many. */
static int32_t choose(struct unmask *u, const struct row_stat *stat, int32_t quota)
{
    if (quota < 1) quota = 1;
    struct strategy_view v = {
        .spec = u->spec,
        .request = u->request,
        .n_steps = u->n_steps,
        .quota = quota < u->n_open ? quota : u->n_open,
        .n = u->n_open,
        .position = u->open,
        .stat = stat,
    };
    int32_t n = strategy_choose(u->strategy, &v, u->ranked);
    if (u->step == 0 && u->first >= 0) put_first(u, u->ranked, n);
    for (int32_t i = 0; i < n; i++) u->chosen[u->ranked[i].at] = true;
    return n;
}

static void choose_best(struct unmask *u, const struct row_stat *stat)
{
    int32_t left = schedule_left(u->spec->schedule, u->n_masks, u->n_steps, u->step, u->scheduled);
    choose(u, stat, u->scheduled - left);
    u->scheduled = left;
}

/* ---- a canvas of noise ---- */

/* Level of noise before step `step`. */
static double level_at(const struct unmask *u, int32_t step)
{
    return schedule_mask_rate(u->spec->schedule, 1 - (double)step / u->n_steps);
}

static int32_t noise_at(const struct unmask *u, int32_t i, int32_t step)
{
    return noise_token(u->config, u->spec->seed, u->request, (uint32_t)u->mask[i], (uint32_t)step);
}

/* Each position by the exact reverse of the noise, with the token it drew for the clean one. */
static void reverse_noise(struct unmask *u, const struct row_stat *stat, int32_t *tokens)
{
    struct noise_move m = {
        .from = u->noise, .to = level_at(u, u->step + 1), .n_ids = noise_ids(u->config)};
    for (int32_t i = 0; i < u->n_masks; i++) {
        int32_t *now = &tokens[u->mask[i]], clean = stat[i].id;
        double p[FATE_COUNT], coin = draw_fate(u, i);
        noise_fates(&m, *now == clean, p);
        if (coin < p[FATE_CLEAN])
            *now = clean;
        else if (coin < p[FATE_CLEAN] + p[FATE_NOISE])
            *now = noise_at(u, i, u->step + 1);
    }
    u->noise = m.to;
}

/* The best keep what they drew, all others are noise again. */
static void renoise(struct unmask *u, const struct row_stat *stat, int32_t *tokens)
{
    int32_t noisy = (int32_t)floor(u->n_masks * level_at(u, u->step + 1) + 1e-9);
    int32_t n = choose(u, stat, u->n_masks - noisy);
    for (int32_t i = 0; i < u->n_masks; i++) {
        tokens[u->mask[i]] = u->chosen[i] ? stat[i].id : noise_at(u, i, u->step + 1);
        u->chosen[i] = false;
    }
    u->noise = (double)(u->n_masks - n) / u->n_masks;
}

static void take_noisy_step(struct unmask *u, const struct row_stat *stat, int32_t *tokens)
{
    if (u->strategy->count)
        renoise(u, stat, tokens);
    else
        reverse_noise(u, stat, tokens);
    u->step++;
}

/* ---- what another decode chose ---- */

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void choose_traced(struct unmask *u)
{
    const struct commit_trace *t = u->spec->trace;
    const struct trace_forward *f = replay_next(t, u->request, &u->at);
    for (int32_t i = 0; i < f->n; i++) {
        int32_t pos = spec_prefix(u->spec) + t->position[f->first + i];
        int32_t *open = bsearch(&pos, u->open, (size_t)u->n_open, sizeof pos, by_value);
        CHECK(open != NULL);
        u->chosen[open - u->open] = true;
    }
}

/* ---- */

void unmask_start(struct unmask *u, const struct decode_spec *s, uint32_t request, uint32_t block,
                  int32_t *tokens, int32_t begin, int32_t end, const struct model_config *c)
{
    u->spec = s;
    u->config = c;
    u->strategy = strategy_of(s->strategy);
    u->request = request;
    u->block = block;
    u->begin = begin;
    u->end = end;
    u->n_masks = u->step = u->n_revealed = 0;
    u->first = -1;
    for (int32_t pos = begin; pos < end; pos++) {
        if (tokens[pos] != c->mask_id) continue;
        u->open[u->n_masks] = u->mask[u->n_masks] = pos;
        u->masked[u->n_masks++] = true;
    }
    u->n_open = u->scheduled = u->n_masks;
    u->n_steps = s->trace ? 0 : schedule_steps(s, request, block);
    if (u->strategy->revises && u->n_masks == 0) u->step = u->n_steps;
    if (u->strategy->tick) skip_steps(u, tokens);
    u->noise = u->strategy->noisy ? 1 : 0;
    for (int32_t i = 0; u->strategy->noisy && i < u->n_masks; i++)
        tokens[u->mask[i]] = noise_at(u, i, 0);
}

void unmask_first(struct unmask *u, int32_t position)
{
    u->first = position;
}

bool unmask_done(const struct unmask *u)
{
    return u->strategy->revises ? u->step == u->n_steps : u->n_open == 0;
}

void unmask_accept(struct unmask *u, const struct row_stat *stat, int32_t *tokens)
{
    if (u->strategy->noisy) {
        take_noisy_step(u, stat, tokens);
    } else if (u->strategy->tick) {
        take_step(u, stat, tokens);
        skip_steps(u, tokens);
    } else {
        if (u->spec->trace)
            choose_traced(u);
        else
            choose_best(u, stat);
        reveal_chosen(u, stat, tokens);
    }
}
