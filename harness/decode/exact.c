/* exact.c - passes answered by a process. */
#include "harness/decode/exact.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exact_cache {
    struct kernels *k;             /* borrowed */
    const struct process *process; /* borrowed */
    struct kv_cache_size size;
    int32_t *tokens;    /* owned [n_slots, capacity] */
    int32_t *valid;     /* owned [n_slots]           */
    float *noise;       /* owned [n_slots, capacity]: share of noise in each of the tokens */
    double *likelihood; /* owned [capacity, n_symbols]: scratch                      */
    struct process_view view;
    double *probability;  /* owned [max_logits, n_symbols]   */
    float *host;          /* owned [max_logits, n_symbols + 1] */
    struct tensor logits; /* owned, of k; data NULL before it is there */
};

struct model_config exact_config(const struct process *p)
{
    struct model_config c = {
        .source = "exact process",
        .n_vocab = p->n_symbols + 1,
        .n_ids = p->n_symbols,
        .mask_id = p->n_symbols,
        .max_positions = INT32_MAX,
    };
    snprintf(c.name, sizeof c.name, "%s", p->name);
    return c;
}

static size_t logits_bytes(const struct exact_cache *c)
{
    return (size_t)c->size.max_logits * ((size_t)c->process->n_symbols + 1) * sizeof *c->host;
}

enum err exact_cache_create(struct kernels *k, const struct process *p,
                            const struct kv_cache_size *size, struct exact_cache **out)
{
    enum err e = ERR_NONE;
    size_t n = (size_t)size->max_logits;
    *out = NULL;
    struct exact_cache *c = calloc(1, sizeof *c);
    if (!c) return err_set(ERR_NOMEM, "process %s: out of memory", p->name);
    c->k = k;
    c->process = p;
    c->size = *size;
    c->tokens = calloc((size_t)size->n_slots * (size_t)size->capacity, sizeof *c->tokens);
    c->valid = calloc((size_t)size->n_slots, sizeof *c->valid);
    c->noise = calloc((size_t)size->n_slots * (size_t)size->capacity, sizeof *c->noise);
    c->likelihood = calloc((size_t)size->capacity * (size_t)p->n_symbols, sizeof *c->likelihood);
    c->probability = calloc(n * (size_t)p->n_symbols + 1, sizeof *c->probability);
    c->host = calloc(1, logits_bytes(c) + 1);
    if (!c->tokens || !c->valid || !c->noise || !c->likelihood || !c->probability || !c->host)
        TRY_OUT(err_set(ERR_NOMEM, "process %s: %zu logit rows: out of memory", p->name, n));
    TRY_OUT(process_view_create(&c->view, p, size->capacity));
    if (n) {
        void *data;
        TRY_OUT(kernels_alloc(k, logits_bytes(c), &data));
        c->logits = tensor_2d(data, DTYPE_F32, ROLE_LOGITS, size->max_logits, p->n_symbols + 1);
    }
    *out = c;
    return ERR_NONE;
out:
    exact_cache_free(c);
    return e;
}

void exact_cache_free(struct exact_cache *c)
{
    if (!c) return;
    if (c->logits.data) kernels_free(c->k, c->logits.data, logits_bytes(c));
    process_view_free(&c->view);
    free(c->tokens);
    free(c->valid);
    free(c->noise);
    free(c->likelihood);
    free(c->probability);
    free(c->host);
    free(c);
}

void exact_cache_clear(struct exact_cache *c)
{
    memset(c->valid, 0, (size_t)c->size.n_slots * sizeof *c->valid);
}

const double *exact_probability(const struct exact_cache *c, int64_t i)
{
    return c->probability + (size_t)i * c->process->n_symbols;
}

static float rounded(double x)
{
    return (float)(rint(x * 0x1p20) * 0x1p-20);
}

struct row_stat exact_stat_of(const double *p, int32_t n, int32_t id)
{
    double first = 0, second = 0, entropy = 0;
    for (int32_t x = 0; x < n; x++) {
        if (p[x] > first) {
            second = first;
            first = p[x];
        } else if (p[x] > second) {
            second = p[x];
        }
        if (p[x] > 0) entropy -= p[x] * log(p[x]);
    }
    return (struct row_stat){
        .id = id,
        .confidence = rounded(p[id]),
        .p_first = rounded(first),
        .p_second = rounded(second),
        .entropy_nats = rounded(entropy),
    };
}

struct row_stat exact_stat(const struct exact_cache *c, int64_t i, int32_t id)
{
    return exact_stat_of(exact_probability(c, i), c->process->n_symbols, id);
}

void exact_temper(const double *p, int32_t n, double temperature, double *out)
{
    double sum = 0;
    for (int32_t x = 0; x < n; x++) sum += out[x] = pow(p[x], 1 / temperature);
    for (int32_t x = 0; x < n; x++) out[x] /= sum;
}

/* The span's tokens into the cache, under the conditions of model_forward. */
static size_t write_tokens(struct exact_cache *c, const struct pass_seq *s)
{
    const struct span *span = &s->span;
    CHECK(span->slot >= 0 && span->slot < c->size.n_slots && span->n_rows >= 1);
    size_t first = (size_t)span->slot * (size_t)c->size.capacity;
    int32_t valid = c->valid[span->slot], own_end = span->pos0 + span->n_rows;
    CHECK(span->pos0 <= valid && own_end <= c->size.capacity);
    CHECK(span_keys(span) <= (own_end > valid ? own_end : valid));
    CHECK(s->n_kept >= 0 && s->n_kept <= span->n_rows);
    CHECK(s->n_kept == span->n_rows || span->pos0 + s->n_kept >= valid);
    for (int32_t r = 0; r < span->n_rows; r++) {
        size_t at = first + (size_t)(s->positions ? s->positions[r] : span->pos0 + r);
        c->tokens[at] = s->tokens[r];
        c->noise[at] = s->noise ? s->noise[r] : 0;
    }
    if (s->n_kept > 0 && valid < span->pos0 + s->n_kept)
        c->valid[span->slot] = span->pos0 + s->n_kept;
    return first;
}

/* Read n positions from token `first` of the cache on.  A token with a share b of noise in it is
 * seen with probability (1 - b) [it is x] + b / V if x is beneath it. */
static void read_tokens(struct exact_cache *c, size_t first, int32_t n)
{
    const int32_t *tokens = c->tokens + first;
    const float *noise = c->noise + first;
    int32_t v = c->process->n_symbols, at = 0;
    while (at < n && noise[at] <= 0) at++;
    if (at == n) {
        process_read(&c->view, tokens, n);
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        double *row = c->likelihood + (size_t)i * v, b = (double)noise[i];
        bool hidden = tokens[i] < 0 || tokens[i] >= v;
        for (int32_t x = 0; x < v; x++) row[x] = hidden ? 1 : (1 - b) * (x == tokens[i]) + b / v;
    }
    process_read_noisy(&c->view, c->likelihood, n);
}

static void answer_row(struct exact_cache *c, int64_t i, int32_t position)
{
    int32_t n = c->process->n_symbols;
    double *p = c->probability + (size_t)i * n;
    float *row = c->host + (size_t)i * (n + 1);
    process_posterior(&c->view, position, p);
    /* What cannot be gets a logit that no noise of the sampler lifts, and not minus infinity,
     * which would meet a zero in the entropy. */
    for (int32_t x = 0; x < n; x++) row[x] = p[x] > 0 ? (float)log(p[x]) : -1e4f;
    row[n] = -1e4f;
}

enum err exact_forward(struct exact_cache *c, const struct pass *p, const struct row_key *keys,
                       struct tensor *logits)
{
    int64_t n = 0;
    CHECK(p->n_seqs >= 1 && p->n_seqs <= c->size.n_slots);
    CHECK(pass_logit_rows(p) <= c->size.max_logits);
    for (int32_t i = 0; i < p->n_seqs; i++) {
        const struct pass_seq *s = &p->seq[i];
        size_t first = write_tokens(c, s);
        int64_t read = -1;
        for (int32_t j = 0; j < s->n_logits; j++, n++) {
            int64_t seen = span_visible(&s->span, s->logit_row[j]);
            if (seen != read) read_tokens(c, first, (int32_t)seen);
            read = seen;
            answer_row(c, n, (int32_t)keys[n].position);
        }
    }
    *logits = (struct tensor){0};
    if (n == 0) return ERR_NONE;
    *logits = c->logits;
    logits->dim[0] = n;
    return kernels_upload(c->k, *logits, c->host);
}
