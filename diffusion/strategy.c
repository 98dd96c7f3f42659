/* strategy.c - the table of strategies: scores, counts, and ReMDM's rates. */
#include "diffusion/strategy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which first ---- */

static double by_reveal_time(const struct strategy_view *v, int32_t at)
{
    return schedule_reveal_time(v->spec->seed, v->request, (uint32_t)v->position[at]);
}

static double by_position(const struct strategy_view *v, int32_t at)
{
    return -v->position[at];
}

static double by_confidence(const struct strategy_view *v, int32_t at)
{
    return (double)v->stat[at].confidence;
}

static double by_margin(const struct strategy_view *v, int32_t at)
{
    return (double)v->stat[at].p_first - (double)v->stat[at].p_second;
}

static double by_entropy(const struct strategy_view *v, int32_t at)
{
    return -(double)v->stat[at].entropy_nats;
}

/* ---- how many ---- */

static int32_t as_scheduled(const struct strategy_view *v, const struct ranked *r)
{
    return v->quota;
}

static int32_t one(const struct strategy_view *v, const struct ranked *r)
{
    return 1;
}

static int32_t at_least(int32_t quota, int32_t n)
{
    return n > quota ? n : quota;
}

static int32_t above_threshold(const struct strategy_view *v, const struct ranked *r)
{
    int32_t n = 0;
    while (n < v->n && r[n].score >= (double)v->spec->threshold) n++;
    return at_least(v->quota, n);
}

/* With n positions of confidence c or more, picking each one's likeliest token picks the
 * likeliest n tokens if (n + 1)(1 - c) <= 1. */
static int32_t within_factor(const struct strategy_view *v, const struct ranked *r)
{
    int32_t n = 1;
    while (n < v->n && (n + 2) * (1 - r[n].score) <= (double)v->spec->factor) n++;
    return at_least(v->quota, n);
}

/* What the revealed tokens can share is at most the sum of their entropies without the largest,
 * which is the last's. */
static int32_t within_entropy(const struct strategy_view *v, const struct ranked *r)
{
    int32_t n = 1;
    double shared = -r[0].score;
    while (n < v->n && shared <= (double)v->spec->entropy_bound) shared -= r[n++].score;
    return at_least(v->quota, n);
}

/* All whose reveal times lie in the same step of time.  A step that reveals nothing changes
 * nothing, so it needs no forward: the next one that does is the next forward. */
static int32_t same_step(const struct strategy_view *v, const struct ranked *r)
{
    int32_t n = 1, step = schedule_step_of(v->spec->schedule, r[0].score, v->n_steps);
    while (n < v->n && schedule_step_of(v->spec->schedule, r[n].score, v->n_steps) == step) n++;
    return n;
}

/* ---- masking again ---- */

static struct remask_tick tick_from(double alpha_t, double alpha_s, double remask)
{
    return (struct remask_tick){
        .alpha_t = alpha_t,
        .alpha_s = alpha_s,
        .remask = remask,
        .reveal = (alpha_s - (1 - remask) * alpha_t) / (1 - alpha_t),
    };
}

/* The most that can be masked again when (1 - alpha_s) is to be masked at s. */
static double most(double alpha_t, double alpha_s)
{
    return alpha_t > 0 ? fmin(1, (1 - alpha_s) / alpha_t) : 1;
}

static void alphas(const struct decode_spec *s, int32_t tick, int32_t n_ticks, double *alpha_t,
                   double *alpha_s)
{
    *alpha_t = 1 - schedule_mask_rate(s->schedule, 1 - (double)tick / n_ticks);
    *alpha_s = 1 - schedule_mask_rate(s->schedule, 1 - (double)(tick + 1) / n_ticks);
}

static struct remask_tick tick_cap(const struct decode_spec *s, int32_t tick, int32_t n_ticks)
{
    double t, u;
    alphas(s, tick, n_ticks, &t, &u);
    return tick_from(t, u, fmin((double)s->eta, most(t, u)));
}

static struct remask_tick tick_rescale(const struct decode_spec *s, int32_t tick, int32_t n_ticks)
{
    double t, u;
    alphas(s, tick, n_ticks, &t, &u);
    return tick_from(t, u, (double)s->eta * most(t, u));
}

/* The whole of the largest rate is shared out among the revealed positions; masked ones have no
 * part in it, so they are revealed as if nothing were masked again. */
static struct remask_tick tick_conf(const struct decode_spec *s, int32_t tick, int32_t n_ticks)
{
    double t, u;
    alphas(s, tick, n_ticks, &t, &u);
    struct remask_tick k = tick_from(t, u, 0);
    k.remask = most(t, u);
    return k;
}

/* Plain until 0.9 is unmasked, masking again at that level from time 0.55 to 0.05, then plain
 * to the end. */
static double alpha_loop(double t)
{
    const double on = 0.55, off = 0.05, level = 0.9;
    if (t > on) return level * (1 - t) / (1 - on);
    return t < off ? level + (1 - level) * (off - t) / off : level;
}

static struct remask_tick tick_loop(const struct decode_spec *s, int32_t tick, int32_t n_ticks)
{
    double t = 1 - (double)tick / n_ticks, u = 1 - (double)(tick + 1) / n_ticks;
    double alpha_t = alpha_loop(t), alpha_s = tick + 1 == n_ticks ? 1 : alpha_loop(u);
    bool loops = alpha_t == alpha_s; /* only between the two times */
    return tick_from(alpha_t, alpha_s, loops ? fmin((double)s->eta, most(alpha_t, alpha_s)) : 0);
}

/* ---- the table ---- */

static const struct strategy_ops table[STRATEGY_COUNT] = {
    [STRATEGY_RANDOM] = {.name = "random",
                         .takes = "steps schedule ",
                         .help = "as many as scheduled, in random order",
                         .reads = "",
                         .score = by_reveal_time,
                         .count = as_scheduled},
    [STRATEGY_SEQUENTIAL] = {.name = "sequential",
                             .takes = "steps schedule ",
                             .help = "as many as scheduled, from left to right",
                             .reads = "",
                             .score = by_position,
                             .count = as_scheduled},
    [STRATEGY_LOW_CONFIDENCE] = {.name = "low-confidence",
                                 .takes = "steps schedule ",
                                 .help = "as many as scheduled, the most probable tokens first; "
                                         "those of low confidence stay masked",
                                 .reads = "confidence",
                                 .score = by_confidence,
                                 .count = as_scheduled},
    [STRATEGY_MARGIN] = {.name = "topk-margin",
                         .takes = "steps schedule ",
                         .help = "as many as scheduled, the largest margin over the second "
                                 "likeliest token first",
                         .reads = "p_first p_second",
                         .score = by_margin,
                         .count = as_scheduled},
    [STRATEGY_ENTROPY] = {.name = "entropy",
                          .takes = "steps schedule ",
                          .help = "as many as scheduled, the least entropy first",
                          .reads = "entropy",
                          .score = by_entropy,
                          .count = as_scheduled},
    [STRATEGY_THRESHOLD] = {.name = "threshold",
                            .takes = "steps schedule threshold ",
                            .help = "all of probability --threshold or more, and no fewer than "
                                    "scheduled",
                            .reads = "confidence",
                            .adaptive = true,
                            .score = by_confidence,
                            .count = above_threshold},
    [STRATEGY_FACTOR] = {.name = "factor",
                         .takes = "steps schedule factor ",
                         .help = "the most n with (n + 1)(1 - probability of the n-th) <= "
                                 "--factor, and no fewer than scheduled",
                         .reads = "confidence",
                         .adaptive = true,
                         .score = by_confidence,
                         .count = within_factor},
    [STRATEGY_ENTROPY_BOUND] = {.name = "entropy-bound",
                                .takes = "steps schedule entropy-bound ",
                                .help = "the least entropies whose sum without the largest is at "
                                        "most --entropy-bound nats, and no fewer than scheduled",
                                .reads = "entropy",
                                .adaptive = true,
                                .score = by_entropy,
                                .count = within_entropy},
    [STRATEGY_ANCESTRAL] = {.name = "ancestral",
                            .takes = "steps schedule ",
                            .help = "each position at a time of its own in --steps steps of the "
                                    "schedule; a step that reveals none needs no forward",
                            .reads = "",
                            .differs = true,
                            .score = by_reveal_time,
                            .count = same_step},
    [STRATEGY_FIRST_HITTING] = {.name = "first-hitting",
                                .takes = "",
                                .help = "the same in continuous time: one per forward",
                                .reads = "",
                                .score = by_reveal_time,
                                .count = one},
    [STRATEGY_REMDM_CAP] = {.name = "remdm-cap",
                            .takes = "steps schedule eta ",
                            .help = "ancestral, revealed positions masked again at rate --eta",
                            .reads = "",
                            .differs = true,
                            .revises = true,
                            .tick = tick_cap},
    [STRATEGY_REMDM_RESCALE] = {.name = "remdm-rescale",
                                .takes = "steps schedule eta ",
                                .help = "ancestral, revealed positions masked again at --eta "
                                        "times the largest rate",
                                .reads = "",
                                .differs = true,
                                .revises = true,
                                .tick = tick_rescale},
    [STRATEGY_REMDM_CONF] = {.name = "remdm-conf",
                             .takes = "steps schedule ",
                             .help = "ancestral, the largest rate of masking again shared out to "
                                     "tokens that were improbable when revealed",
                             .reads = "confidence",
                             .adaptive = true,
                             .differs = true,
                             .revises = true,
                             .tick = tick_conf},
    [STRATEGY_REMDM_LOOP] = {.name = "remdm-loop",
                             .takes = "steps eta ",
                             .help = "plain until 0.9 is revealed, then masking again at rate "
                                     "--eta, plain to the end",
                             .reads = "",
                             .differs = true,
                             .revises = true,
                             .tick = tick_loop},
    [STRATEGY_UNIFORM] = {.name = "uniform",
                          .takes = "steps schedule ",
                          .help = "random tokens for masks; every forward moves all of them by the "
                                  "exact reverse of uniform noise",
                          .reads = "",
                          .revises = true,
                          .noisy = true},
    [STRATEGY_RENOISE] = {.name = "renoise",
                          .takes = "steps schedule entropy-bound ",
                          .help =
                              "random tokens for masks; every forward decides all of them, keeps "
                              "the least entropies (--entropy-bound, and no fewer than "
                              "scheduled) and draws the rest at random again",
                          .reads = "entropy",
                          .revises = true,
                          .noisy = true,
                          .score = by_entropy,
                          .count = within_entropy},
};

const struct strategy_ops *strategy_of(enum strategy s)
{
    CHECK((int)s >= 0 && s < STRATEGY_COUNT);
    return &table[s];
}

/* qsort moves indexes about, so equal scores are told apart by them. */
static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

int32_t strategy_choose(const struct strategy_ops *s, const struct strategy_view *v,
                        struct ranked *r)
{
    for (int32_t i = 0; i < v->n; i++) r[i] = (struct ranked){s->score(v, i), i};
    qsort(r, (size_t)v->n, sizeof *r, by_rank);
    int32_t n = s->count(v, r);
    CHECK(n >= 1 && n <= v->n);
    return n;
}

bool strategy_takes(enum strategy s, const char *option)
{
    size_t n = strlen(option);
    for (const char *p = strategy_of(s)->takes; *p; p = strchr(p, ' ') + 1)
        if (strncmp(p, option, n) == 0 && p[n] == ' ') return true;
    return false;
}

enum err strategy_check(const struct decode_spec *s)
{
    const struct strategy_ops *row = strategy_of(s->strategy);
    if (s->trace && row->revises)
        return err_set(
            ERR_USAGE,
            "strategy %s takes revealed positions back, and a commit trace has each once",
            row->name);
    if (s->guidance > 0 && row->noisy)
        return err_set(ERR_USAGE,
                       "strategy %s has no masks, and guidance takes a prompt away by masking it; "
                       "want guidance 0",
                       row->name);
    if (s->steps < 1 && strategy_takes(s->strategy, "steps") && !s->trace)
        return err_set(ERR_USAGE, "steps %d: want 1 or more", s->steps);
    if (row->adaptive && !s->informed && !s->trace)
        return err_set(ERR_USAGE,
                       "strategy %s decides from probabilities that mean nothing on seeded random "
                       "weights; want a commit trace (--trace) or an exact process to decide",
                       row->name);
    return ERR_NONE;
}
