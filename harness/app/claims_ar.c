/* claims_ar.c - the machine's ridge, and where autoregressive decoding lies. */
#include <math.h>
#include <string.h>

#include "harness/app/claims_ask.h"
#include "roofline/device.h"

/* "C01": about one FLOP per byte. */
void ask_ar_one(struct trial *t)
{
    enum { CONTEXT_MAX = 512 };
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "ar", &i))) {
        double len = seen_context(s);
        if (s->batch != 1 || s->dtype != DTYPE_BF16 || len > CONTEXT_MAX) {
            trial_rule_out(t, RANK_CONDITION, "%s: wants batch 1, bf16 and at most %d positions",
                           seen_text(s, text), CONTEXT_MAX);
            continue;
        }
        struct asking a = {.of = s,
                           .predicted = closed_ar_intensity(&s->form, 1, len),
                           .found = seen_intensity(s),
                           .counted = true,
                           .least = 0.85,
                           .most = 1.15};
        trial_ask_ratio(t, &a, "FLOP per byte, %s", seen_text(s, text));
        a.least = 0.9;
        a.most = 1.2;
        trial_ask(t, &a, "FLOP per byte is about 1, %s", text);
    }
}

/* The ridges people quote, FLOP per byte. */
static double quoted_ridge(const char *device)
{
    static const struct {
        const char *device;
        double ridge;
    } quoted[] = {
        {"sim:a100-40gb", 200.6},
        {"sim:a100-80gb", 153.0},
        {"sim:h100-sxm", 295.2},
        {"sim:h200", 206.0},
    };
    for (size_t i = 0; i < sizeof quoted / sizeof quoted[0]; i++)
        if (strcmp(quoted[i].device, device) == 0) return quoted[i].ridge;
    return NAN;
}

/* "C02": a GPU wants more than 100 FLOP per byte. */
void ask_ridge_100(struct trial *t)
{
    for (int32_t i = 0; i < t->n; i++) {
        const struct seen *s = t->run[i];
        struct asking a = {.of = s,
                           .predicted = quoted_ridge(s->device),
                           .found = reading_exact(seen_ridge(s)),
                           .least = 100,
                           .most = INFINITY};
        if (strcmp(s->device, "cpu") == 0) {
            trial_rule_out(t, RANK_CONDITION,
                           "cpu is none of these GPUs; its ridge is %.3g FLOP "
                           "per byte",
                           a.found.value);
            return;
        }
        if (s->dtype != DTYPE_BF16 || isnan(a.found.value) || !trial_knows_ridge(t, s)) continue;
        trial_ask(t, &a, "ridge, FLOP per byte");
        a.least = 0.999;
        a.most = 1.001;
        if (!t->timed && !isnan(a.predicted))
            trial_ask_ratio(t, &a, "ridge as quoted, FLOP per byte");
        if (!t->timed)
            trial_note(t, "data sheet ridge; the one that can be reached needs the device");
        return; /* the same for every run of a device */
    }
}

/* "C03": at batch 1 the bandwidth is the limit. */
void ask_ar_memory(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "ar", &i))) {
        if (s->batch != 1) {
            trial_rule_out(t, RANK_CONDITION, "%s: wants batch 1", seen_text(s, text));
            continue;
        }
        if (!trial_can_time(t, s)) continue;
        const struct seen_phase *p = seen_step(s);
        double ridge = seen_ridge(s), predicted = closed_ar_intensity(&s->form, 1, seen_context(s));
        if (predicted >= ridge / 20 && predicted < ridge)
            trial_note(t, "below this machine's ridge of %.3g FLOP per byte, but not 20 times",
                       ridge);
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .predicted = predicted,
                                   .found = seen_intensity(s),
                                   .counted = true,
                                   .least = 0,
                                   .most = ridge / 20},
                  "FLOP per byte below a 20th of the ridge, %s", seen_text(s, text));
        struct reading bytes_per_s = reading_ratio(reading_exact(p->bytes * 1e9), p->ns);
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .predicted = 1,
                                   .found = reading_scaled(bytes_per_s, 1 / s->roof.bytes_per_s),
                                   .least = 0.6,
                                   .most = INFINITY},
                  "share of the read bandwidth, %s", text);
        trial_ask(
            t,
            &(struct asking){.of = s,
                             .predicted = predicted / ridge,
                             .found = reading_scaled(seen_flop_per_s(s), 1 / s->roof.flop_per_s),
                             .least = 0,
                             .most = 0.02},
            "share of the FLOP peak, %s", text);
    }
}

/* "C04": intensity grows with the batch. */
void ask_ar_linear(struct trial *t)
{
    enum { CONTEXT_MAX = 256, BATCH_MAX = 16 };
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "ar", &i))) {
        double len = seen_context(s), b = s->batch;
        if (len > CONTEXT_MAX || s->batch == 1 || s->batch > BATCH_MAX) {
            trial_rule_out(t, RANK_CONDITION, "%s: wants batches 2 to %d, at most %d positions",
                           seen_text(s, text), BATCH_MAX, CONTEXT_MAX);
            continue;
        }
        const struct seen *one = trial_batch(t, s, 1);
        if (!one) {
            trial_rule_out(t, RANK_PARTNER, "no run of batch 1 to compare with %s",
                           seen_text(s, text));
            continue;
        }
        const struct closed_model *m = &s->form;
        double kv = m->kappa * len / (m->s * m->p);
        trial_ask_ratio(
            t,
            &(struct asking){.of = s,
                             .and_of = one,
                             .predicted = b * (1 + kv) / (1 + b * kv),
                             .found = reading_ratio(seen_intensity(s), seen_intensity(one)),
                             .counted = true,
                             .least = 0.85,
                             .most = 1.1},
            "FLOP per byte over that of batch 1, %s", seen_text(s, text));
    }
}

/* Linear maps alone: their FLOPs over the weights' bytes. */
static void ask_gemm(struct trial *t, const struct seen *s)
{
    char text[RUN_TEXT_SIZE];
    const struct seen_phase *p = seen_step(s);
    if (s->batch < seen_ridge_rows(s)) return;
    trial_ask(t,
              &(struct asking){.of = s,
                               .predicted = seen_ridge(s),
                               .found = reading_exact(p->flop_matmul / p->bytes_weight),
                               .counted = true,
                               .least = seen_ridge(s),
                               .most = INFINITY},
              "FLOP per weight byte of the linear maps reaches the ridge, %s", seen_text(s, text));
}

/* "C05": a batch that crosses the ridge, no more than half above the predicted one. */
void ask_ar_compute(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "ar", &i))) {
        const struct seen *series[SERIES_MAX], *best = NULL;
        int32_t n = trial_series(t, s, series);
        double len = seen_context(s);
        struct closed_value at = closed_ar_ridge_batch(&s->form, s->roof, len);
        struct closed_value max_len = closed_ar_max_len(&s->form, s->roof);
        if (n == 0) continue;
        if (!at.exists || (max_len.exists && len >= max_len.value / 2)) {
            trial_rule_out(t, RANK_CONDITION, "%s: %g positions are not below half of L_max = %.0f",
                           seen_text(s, text), len, max_len.value);
            continue;
        }
        for (int32_t k = 0; k < n; k++)
            if (series[k]->batch <= 1.5 * at.value) best = series[k];
        if (!best || best->batch < at.value) {
            trial_rule_out(t, RANK_PARTNER, "no batch between %.0f and %.0f like %s", at.value,
                           1.5 * at.value, seen_text(s, text));
            continue;
        }
        if (!trial_knows_ridge(t, best)) continue;
        trial_ask(t,
                  &(struct asking){.of = best,
                                   .predicted = seen_ridge(s),
                                   .found = seen_intensity_band(best),
                                   .counted = true,
                                   .least = seen_ridge(s),
                                   .most = INFINITY},
                  "FLOP per byte reaches the ridge (at batch %.0f, predicted), %s", at.value,
                  seen_text(best, text));
        for (int32_t k = 0; k < n; k++) ask_gemm(t, series[k]);
    }
}

/* At batch 1: between 2/s, where nothing but weights is read, and that times the group size,
 * where nothing but the cache is.  Without groups both are one point, which the written position
 * and the norms' gains, left out there, miss by a hair; the closed form is asked instead. */
static void ask_ar_long_one(struct trial *t, const struct seen *s)
{
    char text[RUN_TEXT_SIZE];
    struct asking a = {.of = s,
                       .predicted = closed_ar_intensity(&s->form, 1, seen_context(s)),
                       .found = seen_intensity(s),
                       .counted = true};
    if (s->form.group > 1) {
        a.least = 2 / s->form.s;
        a.most = 2 / s->form.s * s->form.group;
        trial_ask(t, &a, "FLOP per byte at batch 1 between 2/s and 2/s times the group size, %s",
                  seen_text(s, text));
    } else {
        a.least = 0.85;
        a.most = 1.15;
        trial_ask_ratio(t, &a, "FLOP per byte at batch 1, %s", seen_text(s, text));
    }
}

/* "C06": no batch crosses the ridge when the context is long. */
void ask_ar_long(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "ar", &i))) {
        double len = seen_context(s);
        struct closed_value max_len = closed_ar_max_len(&s->form, s->roof);
        if (!max_len.exists) {
            trial_rule_out(t, RANK_CONDITION, "%s: there is no L_max, %s", seen_text(s, text),
                           max_len.why);
            continue;
        }
        if (len < 1.5 * max_len.value) {
            trial_rule_out(t, RANK_CONDITION, "%s: %g positions are not 1.5 times L_max = %.0f",
                           seen_text(s, text), len, max_len.value);
            continue;
        }
        if (!trial_knows_ridge(t, s)) continue;
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .predicted = seen_ridge(s),
                                   .found = seen_intensity_band(s),
                                   .counted = true,
                                   .least = 0,
                                   .most = seen_ridge(s)},
                  "FLOP per byte stays below the ridge, %s", seen_text(s, text));
        double limit = closed_ar_intensity_limit(&s->form, len);
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .predicted = limit,
                                   .found = seen_intensity(s),
                                   .counted = true,
                                   .least = 0,
                                   .most = limit},
                  "FLOP per byte stays below its limit for large batches, %s", text);
        if (s->batch == 1) ask_ar_long_one(t, s);
    }
}
