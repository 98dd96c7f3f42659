/* claims_cache.c - full-sequence diffusion with a dual approximate cache: what it saves. */
#include <math.h>
#include <string.h>

#include "harness/app/claims_ask.h"

/* The cached run like s with the next smaller number of steps per block. */
static const struct seen *next_fewer_steps(const struct trial *t, const struct seen *s)
{
    int32_t i = 0;
    const struct seen *other, *best = NULL;
    while ((other = trial_next_cached(t, "dual", &i))) {
        if (!seen_same_request(other, s) || other->batch != s->batch || other->block != s->block ||
            other->steps >= s->steps)
            continue;
        if (!best || other->steps > best->steps) best = other;
    }
    return best;
}

static double gain(const struct seen *uncached, const struct seen *s)
{
    return seen_flop(uncached) / seen_flop(s);
}

static void ask_gain(struct trial *t, const struct seen *s, const struct seen *uncached)
{
    char text[RUN_TEXT_SIZE];
    double len = seen_context(s), bound = closed_dual_gain_bound(len, s->block, s->steps);
    const struct seen_phase *refresh = &s->phase[PHASE_REFRESH];
    struct asking a = {.of = s,
                       .and_of = uncached,
                       .counted = true,
                       .predicted = closed_dual_gain(len, s->block, s->steps),
                       .found = reading_exact(gain(uncached, s)),
                       .least = 0.9,
                       .most = 1.1};
    trial_ask_ratio(t, &a, "FLOPs without the cache over those with it, %s", seen_text(s, text));
    a.predicted = bound;
    a.least = 0;
    a.most = bound;
    trial_ask(t, &a, "FLOPs without the cache over those with it, at most, %s", text);
    a.and_of = NULL;
    a.predicted = closed_dual_refresh_share(len, s->block, s->steps);
    a.found = reading_exact(refresh->forwards * refresh->flop / seen_flop(s));
    a.least = 0.9;
    a.most = 1.1;
    trial_ask_ratio(t, &a, "FLOPs of refreshes over all, %s", text);
}

/* "C21": the saving, its bound, and that it falls with the steps per block. */
void ask_dual_bound(struct trial *t)
{
    enum { STEPS_MIN = 4, STEPS_MAX = 32 };
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next_cached(t, "dual", &i))) {
        if (s->steps < STEPS_MIN || s->steps > STEPS_MAX) {
            trial_rule_out(t, RANK_CONDITION, "%s: wants %d to %d steps per block",
                           seen_text(s, text), STEPS_MIN, STEPS_MAX);
            continue;
        }
        const struct seen *uncached = trial_uncached(t, s);
        if (!uncached) continue;
        ask_gain(t, s, uncached);
        const struct seen *fewer = next_fewer_steps(t, s);
        const struct seen *fewer_uncached = fewer ? trial_uncached(t, fewer) : NULL;
        if (!fewer_uncached) continue;
        trial_ask(t,
                  &(struct asking){
                      .of = fewer,
                      .and_of = fewer_uncached,
                      .counted = true,
                      .predicted = NAN,
                      .found = reading_exact(gain(fewer_uncached, fewer) / gain(uncached, s)),
                      .least = 0,
                      .most = nextafter(1, 0)},
                  "FLOPs saved with %d steps over those with %d, %s", fewer->steps, s->steps,
                  seen_text(s, text));
    }
}

/* "C22 a": on either side of the ridge. */
void ask_refresh_reuse(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next_cached(t, "dual", &i))) {
        double rows = seen_ridge_rows(s);
        if (s->batch != 1 || seen_context(s) < 2 * rows || s->block > rows / 4) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: wants batch 1, at least %.1f positions and blocks of at most %.1f",
                           seen_text(s, text), 2 * rows, rows / 4);
            continue;
        }
        if (!trial_can_time(t, s)) continue;
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .counted = true,
                                   .predicted = seen_ridge(s),
                                   .found = seen_phase_band(&s->phase[PHASE_REFRESH]),
                                   .least = seen_ridge(s),
                                   .most = INFINITY},
                  "FLOP per byte of a refresh reaches the ridge, %s", seen_text(s, text));
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .counted = true,
                                   .predicted = seen_ridge(s),
                                   .found = seen_phase_band(&s->phase[PHASE_REUSE]),
                                   .least = 0,
                                   .most = seen_ridge(s)},
                  "FLOP per byte of a reuse stays below the ridge, %s", text);
    }
}

/* "C22 b": no gain from a cache. */
void ask_cache_short(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next_cached(t, "dual", &i))) {
        if (s->batch != 1 || seen_context(s) > seen_ridge_rows(s) / 2) {
            trial_rule_out(t, RANK_CONDITION, "%s: wants batch 1 and at most %.1f positions",
                           seen_text(s, text), seen_ridge_rows(s) / 2);
            continue;
        }
        const struct seen *uncached = trial_uncached(t, s);
        if (!uncached || !trial_can_time(t, s) || !trial_can_time(t, uncached)) continue;
        trial_ask(t,
                  &(struct asking){
                      .of = s,
                      .and_of = uncached,
                      .predicted = 1,
                      .found = reading_ratio(seen_tokens_per_s(s), seen_tokens_per_s(uncached)),
                      .least = 0,
                      .most = 1.25},
                  "tokens per second over those without the cache, %s", seen_text(s, text));
    }
}
