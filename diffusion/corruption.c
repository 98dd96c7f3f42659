/* corruption.c - curves by sampling from the exact posterior, bounds by sums over them. */
#include "diffusion/corruption.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

#define PI 3.14159265358979323846

enum { POINTS = CORRUPTION_POINTS };

struct noise {
    uint64_t seed;
    uint32_t sequence, at;
};

/* The next two of a stream of standard normal numbers (Box and Muller). */
static void normal_pair(struct noise *n, double out[2])
{
    enum { STREAM_NOISE = 0x7ffffd00 };
    uint32_t counter[4] = {n->at++, 0, STREAM_NOISE, n->sequence};
    struct philox r = philox4x32(counter, n->seed);
    double u = ((double)r.word[0] + 1) * 0x1p-32, v = (double)r.word[1] * 0x1p-32;
    double radius = sqrt(-2 * log(u));
    out[0] = radius * cos(2 * PI * v);
    out[1] = radius * sin(2 * PI * v);
}

static void normals(struct noise *n, double *out, int64_t count)
{
    double pair[2];
    for (int64_t i = 0; i < count; i++) {
        if (i % 2 == 0) normal_pair(n, pair);
        out[i] = pair[i % 2];
    }
}

/* Levels at which anything can happen: from where a nearest embedding is never another's to where
 * nothing is known, of n_symbols. */
static void noise_levels(struct corruption_curve *c, int32_t n_symbols)
{
    double most = log(400 + 40 * log(n_symbols)) - log(c->width), least = log(1e-3) - log(c->width);
    for (int i = 0; i < POINTS; i++) c->level[i] = most + (least - most) * i / (POINTS - 1);
}

/* Add what one token's posterior says. */
struct sums {
    double entropy, surprise, error, mmse;
};

static void add_token(struct sums *s, const double *p, const double *score, int32_t n, int32_t w)
{
    double open = 0, entropy = 0;
    int32_t nearest = 0;
    for (int32_t v = 0; v < n; v++) {
        open += p[v] * p[v];
        if (p[v] > 0) entropy -= p[v] * log(p[v]);
        if (score[v] > score[nearest]) nearest = v;
    }
    s->entropy += entropy;
    s->surprise -= log(fmax(p[w], 1e-300));
    s->error += nearest != w;
    s->mmse += open - 2 * p[w] + 1; /* |p - [w]|^2: embeddings are orthogonal */
}

static void store(struct corruption_curve *c, int i, const struct sums *s, double n)
{
    c->entropy[i] = s->entropy / n;
    c->surprise[i] = s->surprise / n;
    c->error[i] = s->error / n;
    c->mmse[i] = s->mmse / n;
}

/* exp(score - max) of each: likelihoods of any scale. */
static void likelihoods(const double *score, int32_t n, double *out)
{
    double max = score[0];
    for (int32_t v = 1; v < n; v++) max = fmax(max, score[v]);
    for (int32_t v = 0; v < n; v++) out[v] = exp(score[v] - max);
}

struct room {
    struct process_view view;
    int32_t *tokens, *hidden;     /* owned [n + 1]        */
    double *z, *score, *seen, *p; /* owned [n + 1][V]     */
};

static void room_free(struct room *r)
{
    process_view_free(&r->view);
    free(r->tokens);
    free(r->hidden);
    free(r->z);
    free(r->score);
    free(r->seen);
    free(r->p);
}

static enum err room_open(struct room *r, const struct process *p, int32_t n)
{
    size_t length = (size_t)n + 1, cells = length * (size_t)p->n_symbols;
    *r = (struct room){.tokens = calloc(length, sizeof *r->tokens),
                       .hidden = calloc(length, sizeof *r->hidden),
                       .z = calloc(cells, sizeof *r->z),
                       .score = calloc(cells, sizeof *r->score),
                       .seen = calloc(cells, sizeof *r->seen),
                       .p = calloc(cells, sizeof *r->p)};
    enum err e = process_view_create(&r->view, p, n + 1);
    if (e == ERR_NONE && r->tokens && r->hidden && r->z && r->score && r->seen && r->p)
        return ERR_NONE;
    room_free(r);
    return e != ERR_NONE ? e : err_set(ERR_NOMEM, "noise on %d tokens: out of memory", n);
}

/* One sequence at one level, with the normal numbers it has at every level. */
static void see_through_noise(struct room *r, const struct process *p, int32_t n, double g_width,
                              struct sums *sums)
{
    int32_t V = p->n_symbols;
    for (int32_t i = 0; i <= n; i++) {
        double *score = r->score + i * V;
        for (int32_t v = 0; v < V; v++)
            score[v] = i == 0 ? (v == r->tokens[0] ? 0 : -INFINITY)
                              : g_width * (v == r->tokens[i]) + sqrt(g_width) * r->z[i * V + v];
        likelihoods(score, V, r->seen + i * V);
    }
    process_read_noisy(&r->view, r->seen, n + 1);
    for (int32_t i = 1; i <= n; i++) {
        process_posterior(&r->view, i, r->p);
        add_token(sums, r->p, r->score + i * V, V, r->tokens[i]);
    }
}

enum err corruption_noise(const struct process *p, int32_t width, int32_t n_tokens,
                          int64_t n_sequences, uint64_t seed, struct corruption_curve *out)
{
    struct sums sums[POINTS] = {{0}};
    struct room r;
    *out = (struct corruption_curve){.width = width};
    noise_levels(out, p->n_symbols);
    TRY(room_open(&r, p, n_tokens));
    for (int64_t k = 0; k < n_sequences; k++) {
        struct noise noise = {seed, (uint32_t)k, 0};
        process_sample(&r.view, seed, (uint32_t)k, 0, r.tokens, n_tokens + 1);
        normals(&noise, r.z, ((int64_t)n_tokens + 1) * p->n_symbols);
        for (int i = 0; i < POINTS; i++)
            see_through_noise(&r, p, n_tokens, exp(out->level[i]) * width, &sums[i]);
    }
    for (int i = 0; i < POINTS; i++) store(out, i, &sums[i], (double)n_sequences * n_tokens);
    room_free(&r);
    return ERR_NONE;
}

enum err corruption_noise_of_uniform(int32_t n_symbols, int32_t width, int64_t n_draws,
                                     uint64_t seed, struct corruption_curve *out)
{
    struct sums sums[POINTS] = {{0}};
    size_t n = (size_t)n_symbols;
    double *z = calloc(n, sizeof *z), *score = calloc(n, sizeof *score), *p = calloc(n, sizeof *p);
    *out = (struct corruption_curve){.width = width};
    noise_levels(out, n_symbols);
    for (int64_t k = 0; z && score && p && k < n_draws; k++) {
        struct noise noise = {seed, (uint32_t)k, 0};
        normals(&noise, z, n_symbols);
        for (int i = 0; i < POINTS; i++) {
            double g = exp(out->level[i]) * width, sum = 0;
            for (int32_t v = 0; v < n_symbols; v++) score[v] = g * (v == 0) + sqrt(g) * z[v];
            likelihoods(score, n_symbols, p);
            for (int32_t v = 0; v < n_symbols; v++) sum += p[v];
            for (int32_t v = 0; v < n_symbols; v++) p[v] /= sum;
            add_token(&sums[i], p, score, n_symbols, 0);
        }
    }
    bool had_room = z && score && p;
    free(z);
    free(score);
    free(p);
    if (!had_room) return err_set(ERR_NOMEM, "noise on %d symbols: out of memory", n_symbols);
    for (int i = 0; i < POINTS; i++) store(out, i, &sums[i], (double)n_draws);
    return ERR_NONE;
}

/* Hide one position for certain and the others at a rate.  Returns how many. */
static int32_t hide(struct room *r, int32_t n, double rate, uint64_t seed, uint32_t sequence,
                    uint32_t level)
{
    enum { STREAM_MASKS = 0x7ffffc00 };
    int32_t n_masked = 0, first = 0;
    for (int32_t j = 0; j <= n; j++) {
        uint32_t counter[4] = {(uint32_t)j, level, STREAM_MASKS, sequence};
        struct philox x = philox4x32(counter, seed);
        if (j == 0) first = 1 + (int32_t)rng_below(x.word[0], (uint32_t)n);
        bool masked = j > 0 && (j == first || x.word[1] * 0x1p-32 < rate);
        r->hidden[j] = masked ? -1 : r->tokens[j];
        n_masked += masked;
    }
    return n_masked;
}

/* With one position masked for certain, as in nelbo.h, the mean over the masked is E[sum over the
 * masked] / (rate n) of masks drawn one by one. */
enum err corruption_masks(const struct process *p, int32_t n_tokens, int64_t n_sequences,
                          uint64_t seed, struct corruption_curve *out)
{
    struct room r;
    *out = (struct corruption_curve){.width = 0};
    for (int i = 0; i < POINTS; i++) out->level[i] = (double)i / (POINTS - 1);
    TRY(room_open(&r, p, n_tokens));
    for (int64_t k = 0; k < n_sequences; k++) {
        process_sample(&r.view, seed, (uint32_t)k, 0, r.tokens, n_tokens + 1);
        for (int i = 0; i < POINTS; i++) {
            struct sums sums = {0};
            double n = (double)n_sequences *
                       hide(&r, n_tokens, out->level[i], seed, (uint32_t)k, (uint32_t)i);
            process_read(&r.view, r.hidden, n_tokens + 1);
            for (int32_t j = 1; j <= n_tokens; j++) {
                if (r.hidden[j] >= 0) continue;
                process_posterior(&r.view, j, r.p);
                add_token(&sums, r.p, r.p, p->n_symbols, r.tokens[j]);
            }
            out->entropy[i] += out->level[i] * sums.entropy / n;
            out->surprise[i] += sums.surprise / n;
        }
    }
    room_free(&r);
    return ERR_NONE;
}

/* ---- what curves come to ---- */

double corruption_level(const struct corruption_curve *c, double time)
{
    return c->width ? -2 * log(tan(PI * time / 2)) : time;
}

double corruption_at(const struct corruption_curve *c, const double *column, double level)
{
    double first = c->level[0], last = c->level[POINTS - 1];
    double x = (level - first) / (last - first) * (POINTS - 1);
    if (x <= 0) return column[0];
    if (x >= POINTS - 1) return column[POINTS - 1];
    int i = (int)x;
    return column[i] + (x - i) * (column[i + 1] - column[i]);
}

double corruption_useful_time(const struct corruption_curve *c)
{
    enum { TIMES = 4000 };
    double whole = c->entropy[POINTS - 1];
    int useful = 0;
    for (int i = 0; i < TIMES; i++) {
        double h = corruption_at(c, c->entropy, corruption_level(c, (i + 0.5) / TIMES));
        useful += h > 0.05 * whole && h < 0.95 * whole;
    }
    return (double)useful / TIMES;
}

static double mask_bound(const struct corruption_curve *c, int32_t steps)
{
    double sum = 0;
    for (int32_t k = 1; k <= steps; k++)
        sum += corruption_at(c, c->surprise, (double)k / steps) / steps;
    return sum;
}

/* KL from what is left of a token to noise, at log ratio g: a = g / (1 + g). */
static double prior(const struct corruption_curve *c, double log_g)
{
    return c->width / 2.0 * log1p(exp(log_g));
}

/* Of steps that end at log ratios level[0] (the last one taken) .. level[steps]. */
static double noise_bound(const struct corruption_curve *c, const double *level, int32_t steps)
{
    double bound = corruption_at(c, c->surprise, level[0]) + prior(c, level[steps]);
    for (int32_t k = 1; k <= steps; k++)
        bound += c->width * (exp(level[k - 1]) - exp(level[k])) / 2 *
                 corruption_at(c, c->mmse, level[k]);
    return bound;
}

enum { MAX_STEPS = 4096, STARTS = 400, ENDS = 48 };

/* Steps of equal time from `begin` to 1, or as near it as makes no difference to the prior. */
static double equal_times(const struct corruption_curve *c, double begin, int32_t steps)
{
    double level[MAX_STEPS + 1];
    for (int32_t k = 0; k <= steps; k++)
        level[k] = corruption_level(c, fmin(begin + (1 - begin) * k / steps, 1 - 1e-9));
    return noise_bound(c, level, steps);
}

/* Steps of equal log ratio between two of ENDS + 1 marks along the curve. */
static double equal_ratios(const struct corruption_curve *c, int first, int last, int32_t steps)
{
    double level[MAX_STEPS + 1], span = c->level[POINTS - 1] - c->level[0];
    for (int32_t k = 0; k <= steps; k++)
        level[k] = c->level[0] + span * (first + (double)(last - first) * k / steps) / ENDS;
    return noise_bound(c, level, steps);
}

double corruption_bound(const struct corruption_curve *c, int32_t steps)
{
    CHECK(steps >= 1 && steps <= MAX_STEPS);
    if (!c->width) return mask_bound(c, steps);
    return equal_times(c, 2 / PI * atan(exp(-c->level[0] / 2)), steps);
}

double corruption_limit(const struct corruption_curve *c)
{
    return c->width ? equal_ratios(c, 0, ENDS, MAX_STEPS) : mask_bound(c, MAX_STEPS);
}

double corruption_best_bound(const struct corruption_curve *c, int32_t steps)
{
    double least = INFINITY;
    CHECK(steps >= 1 && steps <= MAX_STEPS);
    if (!c->width) return mask_bound(c, steps);
    for (int i = 1; i < STARTS; i++) least = fmin(least, equal_times(c, (double)i / STARTS, steps));
    for (int i = 0; i < ENDS; i++)
        for (int j = i + 1; j <= ENDS; j++) least = fmin(least, equal_ratios(c, i, j, steps));
    return least;
}
