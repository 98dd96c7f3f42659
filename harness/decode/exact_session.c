/* exact_session.c - the loop of session.c around a process: pass, answer, choice. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/decode/commit_log.h"
#include "harness/decode/exact.h"

struct exact_session {
    struct kernels *k;             /* borrowed */
    const struct process *process; /* borrowed */
    struct model_config config;
    struct decode_spec spec;
    const struct decoder_ops *ops;
    struct decoder *decoder;
    struct exact_cache *cache;
    struct row_stat *stats; /* owned [max_logits] */
    struct row_key *keys;   /* owned [max_logits] */
    bool *was_masked;       /* owned [max_logits]: the position that a row decides */
    double *log_drawn;      /* owned [batch]      */
    int32_t *drafts;        /* owned: tokens of the decoder's drafts_from; NULL: none */
    struct commit_log *log;        /* borrowed; NULL: none                              */
    const int32_t *forced;  /* borrowed [batch, length]; NULL: rows choose            */
};

/* The tokens of the decoder that drafts, by the same seed. */
static enum err make_drafts(struct exact_session *n)
{
    struct exact_session *other;
    struct step_work work;
    enum err e = ERR_NONE;
    size_t count = (size_t)n->spec.batch * ((size_t)n->spec.n_prompt + (size_t)n->spec.n_gen);
    if (!n->ops->drafts_from) return ERR_NONE;
    n->drafts = calloc(count, sizeof *n->drafts);
    if (!n->drafts) return err_set(ERR_NOMEM, "drafts: out of memory");
    TRY(exact_session_create(n->k, n->process, n->ops->drafts_from, &n->spec, &other));
    while (e == ERR_NONE && !exact_session_done(other)) e = exact_session_step(other, &work);
    if (e == ERR_NONE) memcpy(n->drafts, exact_session_tokens(other), count * sizeof *n->drafts);
    exact_session_free(other);
    return e;
}

enum err exact_session_create(struct kernels *k, const struct process *p,
                              const struct decoder_ops *ops, const struct decode_spec *s,
                              struct exact_session **out)
{
    enum err e = ERR_NONE;
    *out = NULL;
    struct exact_session *n = calloc(1, sizeof *n);
    if (!n) return err_set(ERR_NOMEM, "session on %s: out of memory", p->name);
    n->k = k;
    n->process = p;
    n->config = exact_config(p);
    n->spec = *s;
    n->ops = ops;
    struct kv_cache_size size = ops->size(s, &n->config);
    size_t rows = (size_t)size.max_logits + 1;
    n->stats = calloc(rows, sizeof *n->stats);
    n->keys = calloc(rows, sizeof *n->keys);
    n->was_masked = calloc(rows, sizeof *n->was_masked);
    n->log_drawn = calloc((size_t)s->batch, sizeof *n->log_drawn);
    if (!n->stats || !n->keys || !n->was_masked || !n->log_drawn)
        TRY_OUT(err_set(ERR_NOMEM, "session on %s: out of memory", p->name));
    TRY_OUT(make_drafts(n));
    TRY_OUT(ops->create(&n->spec, &n->config, &n->decoder));
    if (n->drafts) ops->take_drafts(n->decoder, n->drafts);
    TRY_OUT(exact_cache_create(k, p, &size, &n->cache));
    *out = n;
    return ERR_NONE;
out:
    exact_session_free(n);
    return e;
}

void exact_session_free(struct exact_session *s)
{
    if (!s) return;
    if (s->decoder) s->ops->free(s->decoder);
    exact_cache_free(s->cache);
    free(s->stats);
    free(s->keys);
    free(s->was_masked);
    free(s->log_drawn);
    free(s->drafts);
    free(s);
}

bool exact_session_done(const struct exact_session *s)
{
    return s->ops->done(s->decoder);
}

const int32_t *exact_session_tokens(const struct exact_session *s)
{
    return s->ops->tokens(s->decoder);
}

double exact_log_drawn(const struct exact_session *s, int32_t b)
{
    return s->log_drawn[b];
}

/* log of the probability that a row's distribution, at the session's temperature, gives id. */
static double log_probability(const struct exact_session *s, int64_t row, int32_t id)
{
    const double *p = exact_probability(s->cache, row);
    double t = (double)s->spec.temperature, sum = 0;
    for (int32_t x = 0; x < s->process->n_symbols; x++) sum += pow(p[x], 1 / t);
    return log(p[id]) / t - log(sum);
}

/* The token of the position that a row decides, or -1: it may ask what follows the last one. */
static int32_t token_at(const struct exact_session *s, const int32_t *tokens,
                        const struct row_key *key)
{
    size_t length = (size_t)s->spec.n_prompt + (size_t)s->spec.n_gen;
    return key->position >= length ? -1 : tokens[key->request * length + key->position];
}

void exact_session_log_commits(struct exact_session *s, struct commit_log *log)
{
    s->log = log;
}

void exact_session_force(struct exact_session *s, const int32_t *tokens)
{
    CHECK(!s->ops->drafts_from);
    s->forced = tokens;
}

/* The row's choice, unless a token is forced on its position, and what else it says. */
static void finish_stats(struct exact_session *s, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t id = s->forced ? token_at(s, s->forced, &s->keys[i]) : -1;
        if (id < 0 || id >= s->config.n_ids) id = s->stats[i].id;
        s->stats[i] = exact_stat(s->cache, i, id);
    }
}

static void note_drawn(struct exact_session *s, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t id = token_at(s, exact_session_tokens(s), &s->keys[i]);
        if (s->was_masked[i] && id != s->config.mask_id)
            s->log_drawn[s->keys[i].request] += log_probability(s, i, id);
    }
}

enum err exact_session_step(struct exact_session *s, struct step_work *work)
{
    struct choice_rule rule = {s->spec.temperature, s->spec.seed, s->config.n_ids,
                               s->config.mask_id, s->spec.top_p};
    struct tensor logits;
    struct pass p;
    s->ops->next(s->decoder, &p);
    s->ops->keys(s->decoder, &p, s->keys);
    *work = (struct step_work){.phase = p.phase,
                               .seqs = p.n_seqs,
                               .tokens_past_eos = spec_knows_eos(&s->spec) ? 0 : -1,
                               .rows = pass_rows(&p),
                               .logit_rows = pass_logit_rows(&p)};
    TRY(exact_forward(s->cache, &p, s->keys, &logits));
    if (logits.n_dim) TRY(kn_rowstat(s->k, s->stats, logits, s->keys, &rule));
    int64_t n = work->logit_rows;
    finish_stats(s, n);
    for (int64_t i = 0; i < n; i++)
        s->was_masked[i] = token_at(s, exact_session_tokens(s), &s->keys[i]) == s->config.mask_id;
    if (s->log) commit_log_before(s->log, exact_session_tokens(s));
    s->ops->accept(s->decoder, &p, s->stats, work);
    if (s->log) commit_log_after(s->log, &p, exact_session_tokens(s));
    note_drawn(s, n);
    return ERR_NONE;
}
