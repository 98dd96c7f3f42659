/* claims_diffusion.c - full-sequence diffusion against the ridge and against AR. */
#include <math.h>
#include <string.h>

#include "harness/app/claims_ask.h"

/* All forwards of a decode: one block of n_gen positions unless it is semi-autoregressive. */
static double total_steps(const struct seen *s)
{
    return s->phase[PHASE_DENOISE].forwards;
}

/* Wants batch 1 and at least `ridges` times as many positions as the ridge has rows. */
static bool long_enough(struct trial *t, const struct seen *s, double ridges)
{
    char text[RUN_TEXT_SIZE];
    double rows = seen_ridge_rows(s);
    if (seen_context(s) >= ridges * rows) return true;
    trial_rule_out(t, RANK_CONDITION, "%s: fewer than %g x %.1f positions, the ridge's rows",
                   seen_text(s, text), ridges, rows);
    return false;
}

/* Beyond this length the bytes between kernels, left out of the closed form, are most of the
 * traffic, and intensity stops growing: the prediction is for sequences up to here. */
enum { CLOSED_FORM_MAX = 2048 };

/* "C07": compute-bound already at batch 1. */
void ask_full_compute(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "diffusion", &i))) {
        if (s->batch != 1) continue;
        if (!long_enough(t, s, 2) || !trial_can_time(t, s)) continue;
        const struct closed_model *m = &s->form;
        double len = seen_context(s);
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .predicted = seen_ridge(s),
                                   .found = seen_intensity_band(s),
                                   .counted = true,
                                   .least = seen_ridge(s),
                                   .most = INFINITY},
                  "FLOP per byte reaches the ridge, %s", seen_text(s, text));
        double predicted = 2 / m->s * len * (1 + m->a * len / (2 * m->p));
        double found = seen_intensity(s).value;
        if (len <= CLOSED_FORM_MAX)
            trial_ask_ratio(t,
                            &(struct asking){.of = s,
                                             .predicted = predicted,
                                             .found = reading_exact(found),
                                             .counted = true,
                                             .least = 0.35,
                                             .most = 1.05},
                            "FLOP per byte without activation traffic, %s", text);
        else
            trial_note(t,
                       "at %.0f positions traffic between kernels leaves %.2f of the closed "
                       "form's intensity",
                       len, found / predicted);
        if (t->timed)
            trial_ask(t,
                      &(struct asking){
                          .of = s,
                          .predicted = 1,
                          .found = reading_scaled(seen_flop_per_s(s), 1 / s->roof.flop_per_s),
                          .least = 0.4,
                          .most = INFINITY},
                      "share of the FLOP peak, %s", text);
    }
}

/* "C08": short sequences are not. */
void ask_full_short(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "diffusion", &i))) {
        if (s->batch != 1) continue;
        if (seen_context(s) > seen_ridge_rows(s) / 2) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: more than half of %.1f positions, the ridge's "
                           "rows",
                           seen_text(s, text), seen_ridge_rows(s));
            continue;
        }
        const struct seen *ar = trial_ar(t, s, 1);
        if (!ar || !trial_can_time(t, s) || !trial_can_time(t, ar)) continue;
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .predicted = seen_ridge(s),
                                   .found = seen_intensity_band(s),
                                   .counted = true,
                                   .least = 0,
                                   .most = seen_ridge(s)},
                  "FLOP per byte stays below the ridge, %s", seen_text(s, text));
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .and_of = ar,
                                   .predicted = 1,
                                   .found = reading_ratio(seen_step(s)->ns, seen_step(ar)->ns),
                                   .least = 0,
                                   .most = 1.3},
                  "time of a forward over that of AR, %s", text);
    }
}

/* What the closed form leaves out: the head only works for rows that get logits. */
static double flop_with_logit_rows(const struct seen *s)
{
    const struct closed_model *m = &s->form;
    double len = seen_context(s), rows = s->phase[PHASE_DENOISE].logit_rows / s->batch;
    return total_steps(s) * closed_flop(m, 1, len, len, rows) / s->n_gen;
}

/* "C09": FLOPs per generated token. */
void ask_full_flop(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    double worst = 1;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "diffusion", &i))) {
        const struct seen *ar = trial_ar(t, s, s->batch);
        if (!ar) continue;
        const struct closed_model *m = &s->form;
        double len = seen_context(s), ar_flop = 2 * m->p + m->a * seen_context(ar);
        double predicted = total_steps(s) * len / s->n_gen * (2 * m->p + m->a * len) / ar_flop;
        double found = seen_flop(s) / seen_tokens(s) / (seen_flop(ar) / seen_tokens(ar));
        trial_ask_ratio(t,
                        &(struct asking){.of = s,
                                         .and_of = ar,
                                         .predicted = predicted,
                                         .found = reading_exact(found),
                                         .counted = true,
                                         .least = 0.9,
                                         .most = 1.1},
                        "FLOPs per token over those of AR, %s", seen_text(s, text));
        if (found / predicted > worst) continue;
        worst = found / predicted;
        trial_note(t,
                   "the prediction lets the head work for every row; for the rows that get "
                   "logits it is %.4g, %s",
                   flop_with_logit_rows(s) / ar_flop, text);
    }
}

/* Forwards at which diffusion is as fast as AR, from the times of both. */
static struct reading equal_steps(const struct seen *s, const struct seen *ar)
{
    struct reading ar_ns = reading_ratio(reading_exact(1e9 * s->batch), seen_tokens_per_s(ar));
    return reading_scaled(reading_ratio(ar_ns, seen_step(s)->ns), s->n_gen);
}

/* Whether s is, of the runs that differ only in steps, the one nearest to those predicted: a
 * forward's logit rows, and so its time, depend a little on how many there are. */
static bool nearest_steps(const struct trial *t, const struct seen *s, double predicted)
{
    int32_t i = 0;
    const struct seen *other;
    while ((other = trial_next(t, "diffusion", &i))) {
        if (!seen_same_request(s, other) || other->batch != s->batch) continue;
        double mine = fabs(log(total_steps(s) / predicted));
        double theirs = fabs(log(total_steps(other) / predicted));
        if (theirs < mine || (theirs == mine && other < s)) return false;
    }
    return true;
}

/* The AR run that makes s one of C10's: at batch 1, long, its steps the nearest to those
 * predicted, and both of them timed well. */
static const struct seen *equal_steps_partner(struct trial *t, const struct seen *s)
{
    if (s->batch != 1 || !long_enough(t, s, 1.5)) return NULL;
    if (!nearest_steps(t, s, seen_ridge_rows(s) * s->n_gen / seen_context(s))) return NULL;
    const struct seen *ar = trial_ar(t, s, 1);
    return ar && trial_can_time(t, s) && trial_can_time(t, ar) ? ar : NULL;
}

/* Other models, later in the list, on the same request: the same number of steps. */
static int32_t ask_spread(struct trial *t, const struct seen *s, struct reading steps, int32_t from)
{
    int32_t n = 0;
    const struct seen *other;
    while ((other = trial_next(t, "diffusion", &from))) {
        if (other->n_prompt != s->n_prompt || other->n_gen != s->n_gen ||
            strcmp(other->model, s->model) == 0)
            continue;
        const struct seen *ar = equal_steps_partner(t, other);
        if (!ar) continue;
        struct reading theirs = equal_steps(other, ar);
        bool more = theirs.value > steps.value;
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .and_of = other,
                                   .predicted = 1,
                                   .found = more ? reading_ratio(theirs, steps)
                                                 : reading_ratio(steps, theirs),
                                   .least = 0,
                                   .most = 1.25},
                  "larger over smaller such number, %s and %s, %d + %d tokens", s->model,
                  other->model, s->n_prompt, s->n_gen);
        n++;
    }
    return n;
}

/* "C10": the number of steps at which both are as fast. */
void ask_full_equal_steps(struct trial *t)
{
    int32_t i = 0, n_pairs = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "diffusion", &i))) {
        const struct seen *ar = equal_steps_partner(t, s);
        if (!ar) continue;
        struct reading found = equal_steps(s, ar);
        trial_ask_ratio(
            t,
            &(struct asking){.of = s,
                             .and_of = ar,
                             .predicted = seen_ridge_rows(s) * s->n_gen / seen_context(s),
                             .found = found,
                             .least = 0.7,
                             .most = 1.3},
            "steps at which both are as fast, from %s", seen_text(s, text));
        n_pairs += ask_spread(t, s, found, i);
    }
    if (t->n_questions == 0 || n_pairs > 0) return;
    t->n_questions = 0;
    trial_rule_out(t, RANK_QUALITY, "runs of one model only; independence of its size wants two");
}

/* "C11": slower at one token per step. */
void ask_full_one_token(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "diffusion", &i))) {
        if (s->batch != 1) continue;
        if ((int32_t)total_steps(s) != s->n_gen) {
            trial_rule_out(t, RANK_CONDITION, "%s: wants one step per token", seen_text(s, text));
            continue;
        }
        if (!long_enough(t, s, 1.5)) continue;
        const struct seen *ar = trial_ar(t, s, 1);
        if (!ar || !trial_can_time(t, s) || !trial_can_time(t, ar)) continue;
        double predicted = seen_context(s) / seen_ridge_rows(s);
        trial_ask(
            t,
            &(struct asking){.of = s,
                             .and_of = ar,
                             .predicted = predicted,
                             .found = reading_ratio(seen_tokens_per_s(ar), seen_tokens_per_s(s)),
                             .least = fmax(1, 0.7 * predicted),
                             .most = INFINITY},
            "tokens per second of AR over those of %s", seen_text(s, text));
    }
}

/* "C12": batching helps AR, not diffusion. */
void ask_full_batch(struct trial *t)
{
    enum { BATCH = 8 };
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "diffusion", &i))) {
        if (s->batch != 1 || !long_enough(t, s, 2)) continue;
        const struct seen *more = trial_batch(t, s, BATCH);
        if (!more) {
            trial_rule_out(t, RANK_PARTNER, "no batch of %d like %s", BATCH, seen_text(s, text));
            continue;
        }
        const struct seen *ar = trial_ar(t, s, 1), *ar_more = trial_ar(t, s, BATCH);
        if (!ar || !ar_more || !trial_can_time(t, s) || !trial_can_time(t, more) ||
            !trial_can_time(t, ar) || !trial_can_time(t, ar_more))
            continue;
        trial_ask(
            t,
            &(struct asking){.of = s,
                             .and_of = more,
                             .predicted = 1,
                             .found = reading_ratio(seen_tokens_per_s(more), seen_tokens_per_s(s)),
                             .least = 0,
                             .most = 1.25},
            "tokens per second of batch %d over batch 1, %s", BATCH, seen_text(s, text));
        trial_ask(t,
                  &(struct asking){
                      .of = ar,
                      .and_of = ar_more,
                      .predicted = BATCH,
                      .found = reading_ratio(seen_tokens_per_s(ar_more), seen_tokens_per_s(ar)),
                      .least = 0.7 * BATCH,
                      .most = INFINITY},
                  "tokens per second of batch %d over batch 1, %s", BATCH, seen_text(ar, text));
    }
}

/* The run like s with eight times as many positions. */
static const struct seen *eight_times_as_long(struct trial *t, const struct seen *s)
{
    char text[RUN_TEXT_SIZE];
    for (int32_t i = 0; i < t->n; i++) {
        const struct seen *l = t->run[i];
        struct seen like = *l;
        like.n_prompt = s->n_prompt;
        if (seen_same_series(&like, s) && l->batch == s->batch &&
            l->n_prompt + l->n_gen == 8 * (s->n_prompt + s->n_gen))
            return l;
    }
    trial_rule_out(t, RANK_PARTNER, "no run eight times as long as %s", seen_text(s, text));
    return NULL;
}

/* "C13": length costs diffusion its speed. */
void ask_full_length(struct trial *t)
{
    enum { SHORT = 256 };
    static const struct {
        const char *decoder;
        double least, most;
    } held[] = {{"diffusion", 0, 0.2}, {"ar", 0.8, INFINITY}, {"block", 0.75, INFINITY}};
    char text[RUN_TEXT_SIZE];
    for (size_t d = 0; d < sizeof held / sizeof held[0]; d++) {
        int32_t i = 0, n_before = t->n_questions;
        const struct seen *s;
        while ((s = trial_next(t, held[d].decoder, &i))) {
            if (s->batch != 1 || s->n_prompt + s->n_gen != SHORT || s->form.group <= 1) {
                trial_rule_out(t, RANK_CONDITION,
                               "%s: wants batch 1, %d positions and grouped K/V heads",
                               seen_text(s, text), SHORT);
                continue;
            }
            bool one_token = s->block ? s->steps == s->block : (int32_t)total_steps(s) == s->n_gen;
            if (d != 1 && !one_token) continue;
            const struct seen *l = eight_times_as_long(t, s);
            if (!l || !trial_can_time(t, s) || !trial_can_time(t, l)) continue;
            trial_ask(
                t,
                &(struct asking){.of = s,
                                 .and_of = l,
                                 .predicted = NAN,
                                 .found = reading_ratio(seen_tokens_per_s(l), seen_tokens_per_s(s)),
                                 .least = held[d].least,
                                 .most = held[d].most},
                "tokens per second at %d positions over those at %d, %s", 8 * SHORT, SHORT,
                seen_text(s, text));
        }
        if (t->n_questions > n_before) continue;
        /* The claim is about all three. */
        trial_rule_out(t, RANK_CONDITION, "no %s runs of both lengths", held[d].decoder);
        t->n_questions = 0;
        return;
    }
}
