/* quality.c - decode, and compare the probabilities of what came out. */
#include "harness/app/quality.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/law.h"
#include "diffusion/together.h"
#include "harness/app/decoders.h"
#include "harness/app/tally.h"
#include "harness/base/hash.h"
#include "harness/base/rng.h"

enum { PROMPT_MAX = 1024, GEN_MAX = 4096 };

/* How the probability with which a generation is produced is known. */
enum knowledge {
    KNOWN_BY_PATH,  /* tokens alone decide which sets are revealed: the product along the way     */
    KNOWN_BY_LAW,   /* the sum over all ways (diffusion/law.h)                                    */
    KNOWN_FOR_SETS, /* given the sets, which nothing but chance decides: a bound on divergences   */
    KNOWN_BY_COUNT, /* how often each sequence came out (tally.h)                                 */
    UNKNOWN
};

struct measuring {
    struct kernels *k;
    const struct process *process;
    const struct decoder_ops *ops;
    struct decode_spec spec; /* of one batch: its seed and prompts change    */
    int32_t length;
    struct process_view view;
    enum knowledge knowledge;
    struct law *law;     /* owned; NULL: KNOWN_BY_LAW is not the case           */
    struct tally *tally; /* owned; NULL: KNOWN_BY_COUNT is not the case        */
    int32_t *truth;      /* owned [batch, length]: sequences of the process     */
    int32_t *prompts;    /* owned [batch, n_prompt]: how they begin             */
    struct mean kl, reverse, tv, surprise, entropy; /* of whole generations  */
    struct quality_row *out;
};

void process_sha256(const struct process *p, char out[65])
{
    struct strbuf text = {0};
    strbuf_addf(&text, "%d %d\n", p->n_states, p->n_symbols);
    for (int32_t s = 0; s < p->n_states; s++) {
        strbuf_addf(&text, "%.17g", p->initial[s]);
        for (int32_t t = 0; t < p->n_states; t++) strbuf_addf(&text, " %.17g", p->transition[s][t]);
        for (int32_t x = 0; x < p->n_symbols; x++) strbuf_addf(&text, " %.17g", p->emission[s][x]);
        strbuf_add_char(&text, '\n');
    }
    sha256_hex(strbuf_text(&text), text.len, out);
    strbuf_free(&text);
}

struct cell cell_on_process(const struct cell *cell, const struct process *p)
{
    struct cell c = *cell;
    snprintf(c.model, sizeof c.model, "%s", p->name);
    c.layers = 0;
    if (c.spec.head == HEAD_DEFAULT) c.spec.head = HEAD_SAME;
    if (!(c.spec.temperature > 0)) c.spec.temperature = 1;
    c.spec.informed = true;
    return c;
}

static struct law_spec law_spec_of(const struct cell *c)
{
    struct model_config config = {.head_shifted = false};
    return (struct law_spec){.decode = &c->spec,
                             .aligned = strcmp(c->decoder, "block") == 0,
                             .shifted = head_is_shifted(&c->spec, &config)};
}

static enum knowledge knowledge_of(const struct cell *c, const struct process *p)
{
    const struct decode_spec *s = &c->spec;
    const struct strategy_ops *ops = strategy_of(s->strategy);
    struct law_spec law = law_spec_of(c);
    int32_t block = s->block_length ? s->block_length : s->n_gen;
    bool confident = strstr(ops->reads, "confidence") != NULL;
    bool random = ops->reads[0] == '\0' && s->strategy != STRATEGY_SEQUENTIAL;
    bool counted = !ops->revises && !ops->differs && s->batch_policy == BATCH_LOCKSTEP;
    if (!cell_denoises(c)) return KNOWN_BY_PATH;
    if (ops->revises) return law_covers(&law, p) ? KNOWN_BY_LAW : UNKNOWN;
    if (counted && s->steps == 1) return KNOWN_BY_PATH; /* all at once, in any order */
    if (random && counted && (s->steps >= block || s->strategy == STRATEGY_FIRST_HITTING))
        return KNOWN_BY_PATH; /* the chain rule in any order */
    if (!random && !confident && counted) return KNOWN_BY_PATH;
    if (law_covers(&law, p)) return KNOWN_BY_LAW;
    return confident ? UNKNOWN : KNOWN_FOR_SETS;
}

enum err quality_check(const struct process *p, const struct cell *c)
{
    struct model_config config = exact_config(p);
    const struct decoder_ops *ops = decoder_find(c->decoder);
    if (!(c->spec.temperature > 0))
        return err_set(ERR_USAGE,
                       "temperature 0 produces one sequence for each prompt, which is no "
                       "distribution to compare; want above 0");
    if (c->spec.guidance > 0)
        return err_set(ERR_USAGE,
                       "guidance %g: a process has one truth to be held against, and "
                       "guided tokens are not meant to have it; want 0",
                       (double)c->spec.guidance);
    if (c->prompts[0])
        return err_set(ERR_USAGE,
                       "prompts %s: a process draws its own beginnings; want no --prompts",
                       c->prompts);
    if (c->spec.top_p > 0)
        return err_set(ERR_USAGE,
                       "top-p %g: what is cut off is no part of the process that the "
                       "tokens are held against; want 0",
                       (double)c->spec.top_p);
    if (c->spec.cache != CACHE_NONE)
        return err_set(ERR_USAGE,
                       "cache %s: a process has no stale keys and values, so what an "
                       "approximate cache costs cannot be seen on it",
                       cache_policy_name(c->spec.cache));
    if (cell_verifies(c) && *c->spec.draft && strcmp(c->spec.draft, "none") != 0)
        return err_set(ERR_USAGE,
                       "draft %s: who drafts changes what tokens cost, not which come "
                       "out; want draft none on a process",
                       c->spec.draft);
    if (c->spec.n_depth > 0)
        return err_set(ERR_USAGE, "n-depth %d: made-up positions are no sequence of the process",
                       c->spec.n_depth);
    if (c->spec.n_prompt > PROMPT_MAX || c->spec.n_gen > GEN_MAX)
        return err_set(ERR_USAGE, "n-prompt %d, n-gen %d: want at most %d and %d on a process",
                       c->spec.n_prompt, c->spec.n_gen, PROMPT_MAX, GEN_MAX);
    return ops->check(&c->spec, &config);
}

static double log_generation(struct measuring *m, const int32_t *tokens)
{
    double all = process_log_seen(&m->view, tokens, m->length);
    return all - process_log_seen(&m->view, tokens, m->spec.n_prompt);
}

/* log (q / p); equal up to the rounding of some hundred additions is equal. */
static double log_ratio(double q, double p)
{
    return fabs(q - p) < 1e-10 ? 0 : q - p;
}

static void draw_truth(struct measuring *m)
{
    for (int32_t b = 0; b < m->spec.batch; b++) {
        int32_t *row = m->truth + (size_t)b * m->length;
        process_sample(&m->view, m->spec.seed, (uint32_t)b, 0, row, m->length);
        memcpy(m->prompts + (size_t)b * m->spec.n_prompt, row,
               (size_t)m->spec.n_prompt * sizeof *row);
    }
}

static enum err open_session(struct measuring *m, struct exact_session **out)
{
    return exact_session_create(m->k, m->process, m->ops, &m->spec, out);
}

/* log of the probability with which the policy produces sequence b of tokens[batch, length], which
 * is what the session has. */
static double log_produced(struct measuring *m, const struct exact_session *n, int32_t b,
                           const int32_t *tokens)
{
    if (m->law) return law_log(m->law, tokens + (size_t)b * m->length);
    return exact_log_drawn(n, b);
}

/* What the policy makes of the prompts. */
static enum err produce(struct measuring *m)
{
    struct exact_session *n;
    struct step_work w;
    enum err e = ERR_NONE;
    TRY(open_session(m, &n));
    while (e == ERR_NONE && !exact_session_done(n)) {
        e = exact_session_step(n, &w);
        m->out->forwards[w.phase]++;
        m->out->tokens[w.phase] += w.tokens_committed;
    }
    for (int32_t b = 0; e == ERR_NONE && b < m->spec.batch; b++) {
        double p = log_generation(m, exact_session_tokens(n) + (size_t)b * m->length);
        mean_add(&m->surprise, -p);
        if (m->tally) tally_add(m->tally, exact_session_tokens(n) + (size_t)b * m->length);
        if (m->tally || m->knowledge == UNKNOWN) continue;
        double ratio = log_ratio(log_produced(m, n, b, exact_session_tokens(n)), p);
        mean_add(&m->kl, ratio);
        /* |q - p| / 2 summed is the sum over q > p of q (1 - p / q). */
        mean_add(&m->tv, ratio > 0 ? -expm1(-ratio) : 0);
    }
    exact_session_free(n);
    return e;
}

/* How probable the policy makes true sequences: with their tokens forced on it. */
static enum err replay_truth(struct measuring *m)
{
    struct exact_session *n;
    struct step_work w;
    enum err e = ERR_NONE;
    for (int32_t b = 0; b < m->spec.batch; b++)
        mean_add(&m->entropy, -log_generation(m, m->truth + (size_t)b * m->length));
    if (m->ops->drafts_from) { /* what it commits is what that one does */
        m->reverse.n += m->spec.batch;
        return ERR_NONE;
    }
    if (m->knowledge == UNKNOWN || m->knowledge == KNOWN_BY_COUNT) return ERR_NONE;
    TRY(open_session(m, &n));
    exact_session_force(n, m->truth);
    while (e == ERR_NONE && !exact_session_done(n)) e = exact_session_step(n, &w);
    for (int32_t b = 0; e == ERR_NONE && b < m->spec.batch; b++)
        mean_add(&m->reverse, log_ratio(log_generation(m, m->truth + (size_t)b * m->length),
                                        log_produced(m, n, b, m->truth)));
    exact_session_free(n);
    return e;
}

/* What nothing that fixes beforehand which positions go together, in as many forwards, can be
 * below; NaN where that is not known: of an adaptive count, a long block, another process. */
static double least_reverse(const struct cell *c, const struct process *p)
{
    const struct decode_spec *s = &c->spec;
    const struct strategy_ops *ops = strategy_of(s->strategy);
    struct law_spec law = law_spec_of(c);
    int32_t b = s->block_length ? s->block_length : s->n_gen, length = s->n_prompt + s->n_gen;
    bool fixed = !ops->adaptive && !ops->differs && !ops->revises &&
                 s->strategy != STRATEGY_FIRST_HITTING && s->batch_policy == BATCH_LOCKSTEP;
    if (!cell_denoises(c) || !fixed || !process_is_markov(p) || s->n_prompt < 1 || b > TOGETHER_MAX)
        return NAN;
    double nats = 0;
    for (int32_t begin = law.aligned ? s->n_prompt / b * b : s->n_prompt; begin < length;
         begin += b) {
        int32_t first = begin > s->n_prompt ? begin : s->n_prompt, n = begin + b - first;
        if (law.aligned && law.shifted && begin == first) n--; /* the commit before decides one */
        if (n > 0) nats += together_least(p, n, s->steps < n ? s->steps : n, NULL);
    }
    return nats / s->n_gen;
}

static const char *law_name(enum knowledge k)
{
    switch (k) {
    case KNOWN_BY_PATH:
    case KNOWN_BY_LAW:
        return "exact";
    case KNOWN_FOR_SETS:
        return "bound";
    case KNOWN_BY_COUNT:
        return "counted";
    case UNKNOWN:
        break;
    }
    return NULL;
}

static struct estimate estimate_per(struct estimate e, double scale)
{
    return (struct estimate){e.value / scale, e.lo / scale, e.hi / scale};
}

static void summarize(const struct measuring *m)
{
    struct quality_row *q = m->out;
    double scale = m->spec.n_gen;
    struct estimate unknown = {NAN, NAN, NAN};
    q->samples = m->surprise.n;
    q->law = law_name(m->knowledge);
    q->kl = q->law ? mean_estimate(&m->kl, scale) : unknown;
    q->reverse = q->law ? mean_estimate(&m->reverse, scale) : unknown;
    q->tv = q->law ? mean_estimate(&m->tv, 1) : unknown;
    q->surprise = mean_estimate(&m->surprise, scale);
    q->entropy = mean_estimate(&m->entropy, scale);
    if (!m->tally) return;
    tally_divergences(m->tally, &q->kl, &q->reverse);
    q->kl = estimate_per(q->kl, scale);
    q->reverse = estimate_per(q->reverse, scale);
}

static void free_all(struct measuring *m)
{
    process_view_free(&m->view);
    law_free(m->law);
    tally_free(m->tally);
    free(m->truth);
    free(m->prompts);
}

enum err quality_measure(struct kernels *k, const struct process *p, const struct cell *c,
                         int64_t n_samples, struct quality_row *out)
{
    enum err e = ERR_NONE;
    size_t batch = (size_t)c->spec.batch;
    struct measuring m = {.k = k,
                          .process = p,
                          .ops = decoder_find(c->decoder),
                          .spec = c->spec,
                          .length = c->spec.n_prompt + c->spec.n_gen,
                          .out = out};
    struct law_spec law = law_spec_of(c);
    *out = (struct quality_row){0};
    TRY(quality_check(p, c));
    m.knowledge = knowledge_of(c, p);
    m.truth = calloc(batch * (size_t)m.length, sizeof *m.truth);
    m.prompts = calloc(batch * (size_t)c->spec.n_prompt + 1, sizeof *m.prompts);
    m.spec.prompts = m.prompts;
    if (!m.truth || !m.prompts)
        TRY_OUT(err_set(ERR_NOMEM, "quality of %d sequences: out of memory", c->spec.batch));
    TRY_OUT(process_view_create(&m.view, p, m.length));
    if (m.knowledge == UNKNOWN && tally_covers(p, m.length, n_samples))
        m.knowledge = KNOWN_BY_COUNT;
    if (m.knowledge == KNOWN_BY_LAW) TRY_OUT(law_create(&law, p, &m.law));
    if (m.knowledge == KNOWN_BY_COUNT) TRY_OUT(tally_create(p, m.length, &m.tally));
    for (uint64_t round = 0; m.surprise.n < n_samples; round++) {
        m.spec.seed = mix64(c->spec.seed + round * 0x9e3779b97f4a7c15u);
        draw_truth(&m);
        TRY_OUT(produce(&m));
        TRY_OUT(replay_truth(&m));
    }
    summarize(&m);
    out->reverse_least = least_reverse(c, p);
out:
    free_all(&m);
    return e;
}
