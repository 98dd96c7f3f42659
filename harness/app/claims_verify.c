/* claims_verify.c - verified drafts, fused commits, and equal memory. */
#include <math.h>
#include <string.h>

#include "harness/app/claims_ask.h"

/* The next run that verifies drafts, right at a stated rate and not as a trace has it. */
static const struct seen *next_verified(const struct trial *t, int32_t *i)
{
    while (*i < t->n) {
        const struct seen *s = t->run[(*i)++];
        if (strcmp(s->decoder, "ar-verify") == 0 && s->drafts > 0 && s->acceptance >= 0) return s;
    }
    return NULL;
}

static bool drafts_are_free(const struct seen *s)
{
    return !s->draft[0] || strcmp(s->draft, "ngram") == 0;
}

static struct reading speed(const struct seen *s, const struct seen *over)
{
    return reading_ratio(seen_tokens_per_s(s), seen_tokens_per_s(over));
}

/* "C31": speed per token of a forward. */
void ask_verify_wins(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = next_verified(t, &i))) {
        double tpf = seen_tokens_per_forward(s), rows = seen_ridge_rows(s);
        if (s->batch != 1 || !drafts_are_free(s)) continue;
        if (s->drafts + 1 > rows / 4 || tpf <= 1) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: wants at most %.1f rows, a quarter of the ridge's, and more than "
                           "one token per forward",
                           seen_text(s, text), rows / 4);
            continue;
        }
        const struct seen *ar = trial_ar(t, s, 1);
        if (!ar || !trial_can_time(t, s) || !trial_can_time(t, ar)) continue;
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .and_of = ar,
                                   .predicted = 1,
                                   .found = reading_scaled(speed(s, ar), 1 / tpf),
                                   .least = 0.75,
                                   .most = 1.05},
                  "speed over AR's, per token of a forward, %s", seen_text(s, text));
    }
}

/* ---- how many drafts ---- */

/* The runs equal to `first` but for the number of drafts, ascending; none unless first has the
 * fewest. */
static int32_t draft_series(const struct trial *t, const struct seen *first,
                            const struct seen *series[SERIES_MAX])
{
    int32_t n = 0;
    for (int32_t i = 0; i < t->n && n < SERIES_MAX; i++) {
        const struct seen *s = t->run[i];
        struct seen like = *s;
        like.drafts = first->drafts;
        if (!seen_same_series(&like, first) || s->batch != first->batch) continue;
        if (s->drafts < first->drafts) return 0;
        int32_t at = n++;
        for (; at > 0 && series[at - 1]->drafts > s->drafts; at--) series[at] = series[at - 1];
        series[at] = s;
    }
    return n;
}

/* Seconds that one drafted token of a second model takes on this machine. */
static double draft_seconds(const struct seen *s)
{
    struct model_config c, d;
    if (model_named(s->model, s->layers, &c) != ERR_NONE ||
        model_named(strcmp(s->draft, "self") == 0 ? s->model : s->draft, s->draft_layers, &d) !=
            ERR_NONE)
        return NAN;
    d.n_vocab = c.n_vocab;
    struct closed_model m = closed_model_of(&d, s->dtype, s->kv_dtype);
    return closed_draft_time(&m, s->roof, s->batch, s->n_prompt + s->n_gen / 2.0, 1);
}

/* "C32": the number of drafts with which it is fastest, among those that were run. */
void ask_draft_turning(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s, *run[SERIES_MAX];
    char text[RUN_TEXT_SIZE];
    while ((s = next_verified(t, &i))) {
        if (drafts_are_free(s) || strcmp(s->draft, "self-denoise") == 0) continue;
        int32_t n = draft_series(t, s, run), best = 0, lo = 0, hi;
        double seconds = draft_seconds(s);
        if (n == 0 || !isfinite(seconds)) continue;
        if (n < 4) {
            trial_rule_out(t, RANK_PARTNER, "%s: wants four numbers of drafts", seen_text(s, text));
            continue;
        }
        bool timed = true;
        for (int32_t k = 0; k < n; k++) timed = timed && trial_can_time(t, run[k]);
        if (!timed) continue;
        int32_t want =
            closed_verify_best_drafts(&s->form, s->roof, s->batch, s->n_prompt + s->n_gen / 2.0,
                                      s->acceptance, seconds, run[n - 1]->drafts);
        for (int32_t k = 1; k < n; k++)
            if (seen_tokens_per_s(run[k]).value > seen_tokens_per_s(run[best]).value) best = k;
        while (lo + 1 < n && run[lo + 1]->drafts <= want) lo++;
        hi = run[lo]->drafts < want && lo + 1 < n ? lo + 1 : lo;
        trial_ask(t,
                  &(struct asking){.of = run[0],
                                   .and_of = run[best],
                                   .predicted = want,
                                   .found = reading_exact(run[best]->drafts),
                                   .least = run[lo]->drafts,
                                   .most = run[hi]->drafts},
                  "drafts per forward when fastest, %s", seen_text(run[best], text));
    }
}

/* Whether s is slower than AR; nothing is predicted of by how much. */
static struct asking slower_than(const struct seen *s, const struct seen *ar)
{
    return (struct asking){.of = s,
                           .and_of = ar,
                           .predicted = NAN,
                           .found = speed(s, ar),
                           .least = 0,
                           .most = nextafter(1, 0)};
}

/* "C33": at a batch whose rows are compute-bound. */
void ask_verify_large(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = next_verified(t, &i))) {
        double rows = seen_ridge_rows(s);
        if (s->batch < rows || s->batch * (s->drafts + 1.0) < 4 * rows || s->acceptance > 0.9) {
            trial_rule_out(t, RANK_CONDITION,
                           "%s: wants a batch of %.0f, %.0f rows and an acceptance up to 0.9",
                           seen_text(s, text), rows, 4 * rows);
            continue;
        }
        const struct seen *ar = trial_ar(t, s, s->batch);
        if (!ar || !trial_can_time(t, s) || !trial_can_time(t, ar)) continue;
        const struct asking slower = slower_than(s, ar);
        trial_ask(t, &slower, "speed over AR's, %s", seen_text(s, text));
    }
}

/* ---- commits ---- */

static const struct seen *separate(const struct trial *t, const struct seen *fused)
{
    struct seen like = *fused;
    like.fused = false;
    return trial_batch(t, &like, fused->batch);
}

static void ask_fused(struct trial *t, bool large)
{
    char text[RUN_TEXT_SIZE];
    for (int32_t i = 0; i < t->n; i++) {
        const struct seen *s = t->run[i], *apart;
        double rows = seen_ridge_rows(s);
        if (!s->fused) continue;
        bool fits = large ? s->batch * (double)s->block >= 4 * rows
                          : s->batch == 1 && 2 * s->block <= rows / 2;
        if (!fits) {
            trial_rule_out(t, RANK_CONDITION, "%s: wants %s %.0f rows", seen_text(s, text),
                           large ? "at least" : "batch 1 and blocks of at most",
                           large ? 4 * rows : rows / 4);
            continue;
        }
        apart = separate(t, s);
        if (!apart || !trial_can_time(t, s) || !trial_can_time(t, apart)) continue;
        double gain = closed_block_fused_gain(&s->form, s->roof, s->batch, seen_context(s),
                                              s->block, s->steps);
        struct asking a = {.of = s,
                           .and_of = apart,
                           .predicted = large ? 1 : gain,
                           .found = speed(s, apart),
                           .least = large ? 0 : 0.95,
                           .most = 1.05};
        if (large)
            trial_ask(t, &a, "speed over separate commits', %s", seen_text(s, text));
        else
            trial_ask_ratio(t, &a, "speed over separate commits', %s", seen_text(s, text));
    }
}

/* "C34 a" and "C34 b". */
void ask_fused_small(struct trial *t)
{
    ask_fused(t, false);
}

void ask_fused_large(struct trial *t)
{
    ask_fused(t, true);
}

/* ---- memory ---- */

/* "C35": full-sequence diffusion beside the AR run whose batch fills the same bytes. */
void ask_same_memory(struct trial *t)
{
    char text[RUN_TEXT_SIZE];
    for (int32_t i = 0; i < t->n; i++) {
        const struct seen *s = t->run[i], *ar = NULL;
        if (s->memory_budget == 0 || strcmp(s->decoder, "diffusion") != 0) continue;
        for (int32_t k = 0; k < t->n && !ar; k++)
            if (strcmp(t->run[k]->decoder, "ar") == 0 && seen_same_request(t->run[k], s) &&
                t->run[k]->memory_budget == s->memory_budget)
                ar = t->run[k];
        if (!ar) {
            trial_rule_out(t, RANK_PARTNER, "%s: no ar run in the same memory", seen_text(s, text));
            continue;
        }
        if (!trial_can_time(t, s) || !trial_can_time(t, ar)) continue;
        const struct asking slower = slower_than(s, ar);
        trial_ask(t, &slower, "tokens per second over those of AR with batch %d, %s", ar->batch,
                  seen_text(s, text));
    }
}
