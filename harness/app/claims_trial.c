/* claims_trial.c - choose runs, ask questions of them, keep why others did not count. */
#include "harness/app/claims_trial.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *seen_text(const struct seen *s, char buf[RUN_TEXT_SIZE])
{
    char shape[64] = "";
    if (s->block)
        snprintf(shape, sizeof shape, ", block %d, %d steps%s", s->block, s->steps,
                 s->fused ? ", fused commits" : "");
    else if (s->steps)
        snprintf(shape, sizeof shape, ", %d steps", s->steps);
    else if (s->drafts)
        snprintf(shape, sizeof shape, ", %d drafts at %g", s->drafts, s->acceptance);
    snprintf(buf, RUN_TEXT_SIZE, "%s%s%s batch %d%s, %d + %d tokens, %s", s->decoder,
             s->cache[0] ? " with cache " : "", s->cache, s->batch, shape, s->n_prompt, s->n_gen,
             s->model);
    return buf;
}

/* ---- runs ---- */

const struct seen *trial_next(const struct trial *t, const char *decoder, int32_t *i)
{
    while (*i < t->n) {
        const struct seen *s = t->run[(*i)++];
        bool special = s->cache[0] || s->fused || s->memory_budget > 0;
        if (!special && strcmp(s->decoder, decoder) == 0) return s;
    }
    return NULL;
}

const struct seen *trial_next_cached(const struct trial *t, const char *cache, int32_t *i)
{
    while (*i < t->n) {
        const struct seen *s = t->run[(*i)++];
        if (strcmp(s->cache, cache) == 0 && s->memory_budget == 0) return s;
    }
    return NULL;
}

const struct seen *trial_uncached(struct trial *t, const struct seen *like)
{
    char text[RUN_TEXT_SIZE];
    struct seen same = *like;
    same.cache[0] = '\0';
    for (int32_t i = 0; i < t->n; i++)
        if (t->run[i]->batch == like->batch && seen_same_series(t->run[i], &same)) return t->run[i];
    trial_rule_out(t, RANK_PARTNER, "no run without a cache to compare with %s",
                   seen_text(like, text));
    return NULL;
}

const struct seen *trial_ar(struct trial *t, const struct seen *like, int32_t batch)
{
    int32_t i = 0;
    const struct seen *s;
    while ((s = trial_next(t, "ar", &i)))
        if (s->batch == batch && seen_same_request(s, like)) return s;
    char text[RUN_TEXT_SIZE];
    trial_rule_out(t, RANK_PARTNER, "no ar run of batch %d to compare with %s", batch,
                   seen_text(like, text));
    return NULL;
}

const struct seen *trial_batch(const struct trial *t, const struct seen *like, int32_t batch)
{
    for (int32_t i = 0; i < t->n; i++)
        if (t->run[i]->batch == batch && seen_same_series(t->run[i], like)) return t->run[i];
    return NULL;
}

int32_t trial_series(const struct trial *t, const struct seen *first,
                     const struct seen *series[SERIES_MAX])
{
    int32_t n = 0;
    for (int32_t i = 0; i < t->n && n < SERIES_MAX; i++) {
        const struct seen *s = t->run[i];
        if (!seen_same_series(s, first)) continue;
        if (s->batch < first->batch) return 0;
        int32_t at = n++;
        for (; at > 0 && series[at - 1]->batch > s->batch; at--) series[at] = series[at - 1];
        series[at] = s;
    }
    return n;
}

/* ---- reasons ---- */

void trial_rule_out(struct trial *t, int32_t rank, const char *fmt, ...)
{
    if (rank <= t->rank) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->ruled_out, sizeof t->ruled_out, fmt, ap);
    va_end(ap);
    t->rank = rank;
}

void trial_note(struct trial *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->note, sizeof t->note, fmt, ap);
    va_end(ap);
}

bool trial_knows_ridge(struct trial *t, const struct seen *s)
{
    char text[RUN_TEXT_SIZE];
    if (!s->timed) return true;
    seen_text(s, text);
    if (s->cache_resident) {
        trial_rule_out(t, RANK_QUALITY,
                       "%s: its weights stay in the cache, so its time is not DRAM's", text);
        return false;
    }
    if (s->crowding >= 0.25) {
        trial_rule_out(t, RANK_QUALITY, "%s: other processes took %.0f %% of its CPUs", text,
                       100.0 * s->crowding);
        return false;
    }
    if (s->roofs_moved >= 0.25) {
        trial_rule_out(t, RANK_QUALITY, "%s: the roofs before and after it differ by %.0f %%", text,
                       100.0 * s->roofs_moved);
        return false;
    }
    return true;
}

bool trial_can_time(struct trial *t, const struct seen *s)
{
    enum { FORWARDS_MIN = 20 };
    char text[RUN_TEXT_SIZE];
    const struct seen_phase *p = seen_step(s);
    if (!s->timed) return true;
    if (!trial_knows_ridge(t, s)) return false;
    seen_text(s, text);
    if (p->n_timed < FORWARDS_MIN) {
        trial_rule_out(t, RANK_QUALITY, "%s: %d forwards were timed, expected at least %d", text,
                       (int)p->n_timed, FORWARDS_MIN);
        return false;
    }
    if (p->calls * s->launch_ns >= 0.25 * p->ns.value) {
        trial_rule_out(t, RANK_QUALITY, "%s: starting its calls takes %.0f %% of its time", text,
                       100.0 * p->calls * s->launch_ns / p->ns.value);
        return false;
    }
    return true;
}

/* ---- questions ---- */

void trial_use(struct trial *t, const struct seen *s)
{
    for (int32_t i = 0; i < t->n; i++)
        if (t->run[i] == s) t->used[i] = true;
}

/* A number without limits, or whose limits reach across those allowed, decides nothing. */
static enum verdict decide(struct reading found, double least, double most)
{
    if (isnan(found.value) || isnan(found.lo) || isnan(found.hi)) return VERDICT_INCONCLUSIVE;
    if (found.lo >= least && found.hi <= most) return VERDICT_PASS;
    if (found.hi < least || found.lo > most) return VERDICT_FAIL;
    return VERDICT_INCONCLUSIVE;
}

static void add(struct trial *t, const struct asking *a, double least, double most, const char *fmt,
                va_list ap)
{
    if (a->of) trial_use(t, a->of);
    if (a->and_of) trial_use(t, a->and_of);
    if (t->n_questions == t->room) {
        int32_t room = t->room ? 2 * t->room : 16;
        struct question *grown = realloc(t->question, (size_t)room * sizeof *grown);
        if (!grown) {
            t->no_memory = true;
            return;
        }
        t->question = grown;
        t->room = room;
    }
    struct question *q = &t->question[t->n_questions++];
    *q = (struct question){.predicted = a->predicted,
                           .found = a->found,
                           .timed = t->timed && !a->counted,
                           .least = least,
                           .most = most,
                           .verdict = decide(a->found, least, most)};
    vsnprintf(q->what, sizeof q->what, fmt, ap);
}

void trial_ask(struct trial *t, const struct asking *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(t, a, a->least, a->most, fmt, ap);
    va_end(ap);
}

void trial_ask_ratio(struct trial *t, const struct asking *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(t, a, a->least * a->predicted, a->most * a->predicted, fmt, ap);
    va_end(ap);
}
