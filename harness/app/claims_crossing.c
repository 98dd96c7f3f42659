/* claims_crossing.c - from which batch on AR makes more tokens than block diffusion, and when
 * none is. */
#include <math.h>

#include "harness/app/claims_ask.h"

static double tpf_inf(const struct seen *s)
{
    return closed_block_tpf_inf(&s->form, s->roof, seen_context(s), s->block);
}

/* Speed of a block series over AR, batch by batch. */
struct speeds {
    const struct seen *block[SERIES_MAX], *ar[SERIES_MAX];
    struct reading ratio[SERIES_MAX];
    int32_t n;
};

static void speeds_of(struct trial *t, const struct seen *first, struct speeds *out)
{
    const struct seen *series[SERIES_MAX];
    int32_t n = trial_series(t, first, series);
    out->n = 0;
    for (int32_t i = 0; i < n; i++) {
        const struct seen *ar = trial_ar(t, series[i], series[i]->batch);
        if (!ar || !trial_can_time(t, series[i]) || !trial_can_time(t, ar)) continue;
        out->block[out->n] = series[i];
        out->ar[out->n] = ar;
        out->ratio[out->n++] = reading_ratio(seen_tokens_per_s(series[i]), seen_tokens_per_s(ar));
    }
}

/* Batch at which that end of the ratio falls below 1; *before: it is below at the
 * smallest batch; *after: at none.  Linear in logarithms. */
static double crossing(const struct speeds *v, enum reading_end end, bool *before, bool *after)
{
    *before = *after = false;
    for (int32_t i = 0; i < v->n; i++) {
        double ratio = reading_end(v->ratio[i], end);
        if (!(ratio < 1)) continue;
        if (i == 0) {
            *before = true;
            return v->block[0]->batch;
        }
        double above = reading_end(v->ratio[i - 1], end);
        double w = log(above) / log(above / ratio);
        return exp((1 - w) * log(v->block[i - 1]->batch) + w * log(v->block[i]->batch));
    }
    *after = true;
    return v->block[v->n - 1]->batch;
}

/* An end that lies beyond the batches tried is only known to lie there. */
static struct reading crossing_batch(const struct speeds *v)
{
    bool before, after;
    struct reading r;
    r.value = crossing(v, READING_VALUE, &before, &after);
    r.lo = crossing(v, READING_LO, &before, &after);
    if (before) r.lo = 0;
    r.hi = crossing(v, READING_HI, &before, &after);
    if (after) r.hi = INFINITY;
    return r;
}

/* Whether the batches tried end before the question is settled. */
static bool out_of_sight(const struct speeds *v, struct reading found, double predicted)
{
    bool unsettled = found.hi >= 0.5 * predicted && found.lo <= 2 * predicted;
    return unsettled && ((found.lo == 0 && v->block[0]->batch > 1) || isinf(found.hi));
}

/* "C18": AR overtakes at the predicted batch. */
void ask_ar_overtakes(struct trial *t)
{
    enum { CONTEXT_MAX = 1024 };
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "block", &i))) {
        struct speeds v;
        double c = seen_context(s), tpf = seen_tokens_per_forward(s);
        struct closed_value at = closed_block_crossover(&s->form, s->roof, c, s->block, tpf);
        if (c > CONTEXT_MAX || tpf >= 0.7 * tpf_inf(s) || !at.exists) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: wants at most %d cached positions and 1 to %.2f tokens per forward "
                           "(this has %.2f)",
                           seen_text(s, text), CONTEXT_MAX, 0.7 * tpf_inf(s), tpf);
            continue;
        }
        speeds_of(t, s, &v);
        if (v.n < 2) continue;
        struct reading found = crossing_batch(&v);
        if (out_of_sight(&v, found, at.value)) {
            trial_rule_out(t, RANK_PARTNER,
                           "batches %d to %d do not show the crossing predicted "
                           "at %.1f, %s",
                           v.block[0]->batch, v.block[v.n - 1]->batch, at.value,
                           seen_text(s, text));
            continue;
        }
        for (int32_t k = 0; k < v.n; k++) {
            trial_use(t, v.block[k]);
            trial_use(t, v.ar[k]);
        }
        trial_ask_ratio(
            t,
            &(struct asking){
                .of = s, .predicted = at.value, .found = found, .least = 0.5, .most = 2},
            "batch from which on AR is faster than %s", seen_text(s, text));
    }
}

/* "C19": with enough tokens per forward there is no such batch. */
void ask_block_never_loses(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "block", &i))) {
        double tpf = seen_tokens_per_forward(s);
        if (!(tpf > 1.3 * tpf_inf(s))) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: wants more than %.2f tokens per forward (this "
                           "has %.2f)",
                           seen_text(s, text), 1.3 * tpf_inf(s), tpf);
            continue;
        }
        const struct seen *ar = trial_ar(t, s, s->batch);
        if (!ar || !trial_can_time(t, s) || !trial_can_time(t, ar)) continue;
        trial_ask(
            t,
            &(struct asking){.of = s,
                             .and_of = ar,
                             .predicted = NAN,
                             .found = reading_ratio(seen_tokens_per_s(s), seen_tokens_per_s(ar)),
                             .least = 1,
                             .most = INFINITY},
            "speed over AR's, %s", seen_text(s, text));
    }
}

/* "C20": when both are compute-bound AR wins by the redundancy. */
void ask_redundancy(struct trial *t)
{
    enum { CONTEXT_MAX = 256 };
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "block", &i))) {
        double c = seen_context(s), rows = seen_ridge_rows(s), b = s->block;
        if (c > CONTEXT_MAX || s->batch < rows || s->batch * b < 4 * rows) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: wants at most %d cached positions, batch %.0f and %.0f rows",
                           seen_text(s, text), CONTEXT_MAX, rows, 4 * rows);
            continue;
        }
        const struct seen *ar = trial_ar(t, s, s->batch);
        if (!ar || !trial_can_time(t, s) || !trial_can_time(t, ar)) continue;
        double x = closed_block_x(&s->form, s->roof, c);
        trial_ask_ratio(
            t,
            &(struct asking){.of = s,
                             .and_of = ar,
                             .predicted = b / seen_tokens_per_forward(s) * (1 + x / b) / (1 + x),
                             .found = reading_ratio(seen_tokens_per_s(ar), seen_tokens_per_s(s)),
                             .least = 0.7,
                             .most = 1.2},
            "tokens per second of AR over those of %s", seen_text(s, text));
    }
}
