/* claims_block.c - block diffusion against the ridge, and at which batch it stops gaining. */
#include <math.h>

#include "harness/app/claims_ask.h"

/* Mean number of cached positions before a block. */
static double cached(const struct seen *s)
{
    return seen_context(s);
}

/* The run like s with about eight times the cached positions. */
static const struct seen *longer_context(const struct trial *t, const struct seen *s)
{
    int32_t i = 0;
    const struct seen *l;
    while ((l = trial_next(t, "block", &i))) {
        double ratio = cached(l) / cached(s);
        if (l->batch == s->batch && l->block == s->block && l->steps == s->steps &&
            seen_same_machine(l, s) && l->n_gen == s->n_gen && ratio > 7.5 && ratio < 8.5)
            return l;
    }
    return NULL;
}

/* "C14": the intensity of a block is its length, whatever the context. */
void ask_block_intensity(struct trial *t)
{
    enum { BLOCK_MAX = 64, CONTEXT_MIN = 450 };
    int32_t i = 0, n_grown = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "block", &i))) {
        double c = cached(s), b = s->block;
        if (s->batch != 1 || s->block > BLOCK_MAX || c < CONTEXT_MIN) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: wants batch 1, blocks of at most %d and at least %d cached "
                           "positions",
                           seen_text(s, text), BLOCK_MAX, CONTEXT_MIN);
            continue;
        }
        if (!trial_knows_ridge(t, s)) continue;
        trial_ask_ratio(t,
                        &(struct asking){.of = s,
                                         .predicted = closed_block_intensity(&s->form, 1, c, b),
                                         .found = seen_intensity(s),
                                         .counted = true,
                                         .least = 0.85,
                                         .most = 1.15},
                        "FLOP per byte of a denoise, %s", seen_text(s, text));
        if (b <= seen_ridge_rows(s) / 2)
            trial_ask(t,
                      &(struct asking){.of = s,
                                       .predicted = seen_ridge(s),
                                       .found = seen_intensity_band(s),
                                       .counted = true,
                                       .least = 0,
                                       .most = seen_ridge(s)},
                      "FLOP per byte stays below the ridge, %s", text);
        const struct seen *l = longer_context(t, s);
        if (!l || s->form.group < 4) continue;
        n_grown++;
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .and_of = l,
                                   .predicted = closed_block_intensity(&l->form, 1, cached(l), b) /
                                                closed_block_intensity(&s->form, 1, c, b),
                                   .found = reading_ratio(seen_intensity(l), seen_intensity(s)),
                                   .counted = true,
                                   .least = 0,
                                   .most = 1.15},
                  "FLOP per byte at %.0f cached positions over that at %.0f, block %d", cached(l),
                  c, s->block);
    }
    if (t->n_questions > 0 && n_grown == 0) {
        t->n_questions = 0;
        trial_rule_out(t, RANK_PARTNER,
                       "no two runs whose contexts are 8 times apart, with 4 "
                       "query heads per K/V head");
    }
}

/* ---- time against rows ---- */

enum { POINTS_MAX = 32 };
struct points {
    double rows[POINTS_MAX];
    struct reading ns[POINTS_MAX];
    const struct seen *of[POINTS_MAX];
    int32_t n;
};

static void points_add(struct points *p, double rows, const struct seen *s)
{
    if (p->n == POINTS_MAX) return;
    int32_t at = p->n++;
    for (; at > 0 && p->rows[at - 1] > rows; at--) {
        p->rows[at] = p->rows[at - 1];
        p->ns[at] = p->ns[at - 1];
        p->of[at] = p->of[at - 1];
    }
    p->rows[at] = rows;
    p->ns[at] = seen_step(s)->ns;
    p->of[at] = s;
}

/* Between two points a power law; the weight of the upper one.  False outside them, or where
 * they are more than a factor of four apart. */
static bool find_between(const struct points *p, double rows, int32_t *lower, double *weight)
{
    for (int32_t i = 0; i + 1 < p->n; i++) {
        if (rows < p->rows[i] || rows > p->rows[i + 1]) continue;
        if (p->rows[i + 1] > 4 * p->rows[i]) return false;
        *lower = i;
        *weight = log(rows / p->rows[i]) / log(p->rows[i + 1] / p->rows[i]);
        return true;
    }
    return false;
}

static double between(double a, double b, double weight)
{
    return exp((1 - weight) * log(a) + weight * log(b));
}

static bool time_at(const struct points *p, double rows, struct reading *out)
{
    int32_t i;
    double w;
    if (!find_between(p, rows, &i, &w)) return false;
    *out = (struct reading){between(p->ns[i].value, p->ns[i + 1].value, w),
                            between(p->ns[i].lo, p->ns[i + 1].lo, w),
                            between(p->ns[i].hi, p->ns[i + 1].hi, w)};
    return true;
}

/* Rows from which on that end is above the limit; NaN: nowhere. */
static double rows_above(const struct points *p, enum reading_end end, double limit)
{
    for (int32_t i = 1; i < p->n; i++) {
        const double a = reading_end(p->ns[i - 1], end), b = reading_end(p->ns[i], end);
        if (!(b > limit)) continue;
        if (a > limit) return p->rows[i - 1];
        return between(p->rows[i - 1], p->rows[i], log(limit / a) / log(b / a));
    }
    return NAN;
}

static void collect_points(struct trial *t, const struct seen *ar, struct points *p)
{
    int32_t i = 0;
    const struct seen *s;
    *p = (struct points){.n = 0};
    points_add(p, 1, ar);
    while ((s = trial_next(t, "block", &i))) {
        bool seen_before = false;
        if (s->batch != 1 || !seen_same_request(s, ar) || !trial_can_time(t, s)) continue;
        for (int32_t k = 0; k < p->n; k++) seen_before |= p->rows[k] == s->block;
        if (!seen_before) points_add(p, s->block, s);
    }
}

/* "C15": rows are free up to the ridge. */
void ask_free_slots(struct trial *t)
{
    int32_t i = 0;
    const struct seen *ar;
    char text[RUN_TEXT_SIZE];
    while ((ar = trial_next(t, "ar", &i))) {
        struct points p;
        struct reading quarter, ridge, four;
        double rows = seen_ridge_rows(ar);
        if (ar->batch != 1 || !trial_can_time(t, ar)) continue;
        collect_points(t, ar, &p);
        if (!time_at(&p, fmax(1, rows / 4), &quarter) || !time_at(&p, rows, &ridge) ||
            !time_at(&p, 4 * rows, &four)) {
            trial_rule_out(t, RANK_CONDITION,
                           "the blocks run beside %s do not span %.1f to %.1f rows, a quarter of "
                           "the ridge to four times",
                           seen_text(ar, text), rows / 4, 4 * rows);
            continue;
        }
        for (int32_t k = 0; k < p.n; k++) trial_use(t, p.of[k]);
        trial_ask(t,
                  &(struct asking){.of = ar,
                                   .predicted = 1,
                                   .found = reading_ratio(quarter, p.ns[0]),
                                   .least = 0,
                                   .most = 1.25},
                  "time of %.3g rows over that of one", rows / 4);
        trial_ask(t,
                  &(struct asking){.of = ar,
                                   .predicted = 4,
                                   .found = reading_ratio(four, ridge),
                                   .least = 2.5,
                                   .most = INFINITY},
                  "time of %.3g rows over that of %.3g", 4 * rows, rows);
        double limit = 1.5 * p.ns[0].value;
        struct reading knee = {rows_above(&p, READING_VALUE, limit),
                               rows_above(&p, READING_HI, limit),
                               rows_above(&p, READING_LO, limit)};
        trial_ask(
            t,
            &(struct asking){
                .of = ar, .predicted = rows, .found = knee, .least = 0.5 * rows, .most = 2 * rows},
            "rows at which a forward takes 1.5 times as long as with one");
    }
}

/* "C16": at batch 1 a block is as many times faster as it commits tokens per forward. */
void ask_block_wins(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "block", &i))) {
        double tpf = seen_tokens_per_forward(s), rows = seen_ridge_rows(s);
        if (s->batch != 1) continue;
        if (s->block > rows / 4 || tpf <= 1) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: wants blocks of at most %.1f, a quarter of the ridge's rows, and "
                           "more than one token per forward (this has %.2f)",
                           seen_text(s, text), rows / 4, tpf);
            continue;
        }
        const struct seen *ar = trial_ar(t, s, 1);
        if (!ar || !trial_can_time(t, s) || !trial_can_time(t, ar)) continue;
        struct reading ratio = reading_ratio(seen_tokens_per_s(s), seen_tokens_per_s(ar));
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .and_of = ar,
                                   .predicted = 1,
                                   .found = reading_scaled(ratio, 1 / tpf),
                                   .least = 0.75,
                                   .most = 1.05},
                  "speed over AR's, per token of a forward, %s", seen_text(s, text));
    }
}

/* ---- throughput against batch ---- */

struct curve {
    double tokens_per_s[SERIES_MAX]; /* one end of each */
    double most;
};

static void curve_of(const struct seen *const *series, int32_t n, enum reading_end end,
                     struct curve *c)
{
    c->most = 0;
    for (int32_t i = 0; i < n; i++) {
        c->tokens_per_s[i] = reading_end(seen_tokens_per_s(series[i]), end);
        c->most = fmax(c->most, c->tokens_per_s[i]);
    }
}

/* Batch at which the curve reaches a rate; linear in the logarithm of the batch. */
static double batch_reaching(const struct seen *const *series, int32_t n, const struct curve *c,
                             double rate)
{
    for (int32_t i = 0; i < n; i++) {
        if (!(c->tokens_per_s[i] >= rate)) continue;
        if (i == 0) return series[0]->batch;
        double w = (rate - c->tokens_per_s[i - 1]) / (c->tokens_per_s[i] - c->tokens_per_s[i - 1]);
        return between(series[i - 1]->batch, series[i]->batch, w);
    }
    return NAN;
}

static double rate_at(const struct seen *const *series, int32_t n, const struct curve *c,
                      double batch)
{
    for (int32_t i = 0; i + 1 < n; i++) {
        double a = series[i]->batch, b = series[i + 1]->batch;
        if (batch < a || batch > b) continue;
        double w = log(batch / a) / log(b / a);
        return (1 - w) * c->tokens_per_s[i] + w * c->tokens_per_s[i + 1];
    }
    return NAN;
}

/* Whether the last doubling brought less than a tenth, so that there is a plateau to speak of. */
static bool has_plateau(const struct seen *const *series, int32_t n, const struct curve *c)
{
    for (int32_t i = 0; i < n - 1; i++)
        if (2 * series[i]->batch >= series[n - 1]->batch)
            return c->tokens_per_s[n - 1] < 1.1 * c->tokens_per_s[i];
    return false;
}

static int32_t ar_series(struct trial *t, const struct seen *like,
                         const struct seen *series[SERIES_MAX])
{
    int32_t i = 0, n;
    const struct seen *ar;
    while ((ar = trial_next(t, "ar", &i)))
        if (seen_same_request(ar, like) && (n = trial_series(t, ar, series)) > 0) return n;
    return 0;
}

/* "C17": block diffusion has its plateau at a batch where AR is still far from its own. */
void ask_block_saturates(struct trial *t)
{
    enum { CONTEXT_MAX = 512, BLOCK_MIN = 16, BATCHES_MIN = 4 };
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "block", &i))) {
        const struct seen *series[SERIES_MAX], *ar[SERIES_MAX];
        struct curve c[3], a[3];
        if (s->block < BLOCK_MIN || cached(s) > CONTEXT_MAX) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: wants blocks of at least %d and at most %d cached positions",
                           seen_text(s, text), BLOCK_MIN, CONTEXT_MAX);
            continue;
        }
        int32_t n = trial_series(t, s, series), n_ar = ar_series(t, s, ar), usable = 0;
        if (n == 0) continue;
        for (int32_t k = 0; k < n; k++) usable += trial_can_time(t, series[k]);
        for (int32_t k = 0; k < n_ar; k++) usable += trial_can_time(t, ar[k]);
        if (usable < n + n_ar) continue;
        for (int k = 0; k < 3; k++) curve_of(series, n, k, &c[k]);
        if (n < BATCHES_MIN || n_ar < BATCHES_MIN || series[0]->batch != 1 ||
            !has_plateau(series, n, &c[0])) {
            trial_rule_out(t, RANK_PARTNER,
                           "no %d batches from 1 to a plateau, and as many of ar, like %s",
                           BATCHES_MIN, seen_text(s, text));
            continue;
        }
        double predicted = seen_ridge_rows(s) / s->block, rate = 0.8 * c[0].most;
        struct reading at = {batch_reaching(series, n, &c[READING_VALUE], rate),
                             batch_reaching(series, n, &c[READING_HI], rate),
                             batch_reaching(series, n, &c[READING_LO], rate)};
        for (int32_t k = 0; k < n; k++) trial_use(t, series[k]);
        for (int32_t k = 0; k < n_ar; k++) trial_use(t, ar[k]);
        trial_ask_ratio(
            t,
            &(struct asking){.of = s, .predicted = predicted, .found = at, .least = 0.5, .most = 8},
            "batch at four fifths of the plateau, %s", seen_text(s, text));
        for (int k = 0; k < 3; k++) curve_of(ar, n_ar, k, &a[k]);
        struct reading share = {
            rate_at(ar, n_ar, &a[READING_VALUE], at.value) / a[READING_VALUE].most,
            rate_at(ar, n_ar, &a[READING_LO], at.lo) / a[READING_HI].most,
            rate_at(ar, n_ar, &a[READING_HI], at.hi) / a[READING_LO].most,
        };
        trial_ask(t,
                  &(struct asking){
                      .of = ar[0], .predicted = NAN, .found = share, .least = 0, .most = 0.5},
                  "share of AR's best at that batch, %s", text);
    }
}
