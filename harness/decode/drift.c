/* drift.c - a decode, and beside each of its forwards one without a cache. */
#include "harness/decode/drift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/decode/session.h"

struct beside {
    struct model *model;
    struct kv_cache *cache, *fresh; /* the decoder's, and one that is emptied each time */
    int32_t length;
    int32_t *tokens, *logit_row; /* [batch, length]: of the forward without a cache */
    struct pass_seq *seq;        /* [batch] */
    float *got, *want;           /* [logit rows, V] */
    struct row_stat *stats;
    struct row_key *keys;
};

static int32_t position(const struct pass_seq *s, int32_t row)
{
    return s->positions ? s->positions[row] : s->span.pos0 + row;
}

/* The same rows' logits with every visible position computed: the canvas, over which the pass's own
 * tokens are laid (drafts are not on the canvas). */
static void anew(struct beside *b, const struct pass *p, const int32_t *canvas, enum mask mask,
                 int32_t block, struct pass *out)
{
    for (int32_t i = 0; i < p->n_seqs; i++) {
        const struct pass_seq *s = &p->seq[i];
        size_t at = (size_t)s->span.slot * (size_t)b->length;
        memcpy(b->tokens + at, canvas + at, (size_t)b->length * sizeof *b->tokens);
        for (int32_t r = 0; r < s->span.n_rows; r++)
            b->tokens[at + (size_t)position(s, r)] = s->tokens[r];
        for (int32_t j = 0; j < s->n_logits; j++)
            b->logit_row[at + (size_t)j] = position(s, s->logit_row[j]);
        b->seq[i] = (struct pass_seq){
            .span = {.slot = s->span.slot,
                     .n_rows = s->span.n_visible,
                     .n_visible = s->span.n_visible,
                     .block = block,
                     .mask = mask},
            .tokens = b->tokens + at,
            .logit_row = b->logit_row + at,
            .n_logits = s->n_logits,
            .n_kept = s->span.n_visible,
        };
    }
    *out = (struct pass){p->phase, p->n_seqs, b->seq};
}

static int64_t best(const float *row, const struct model_config *c)
{
    int64_t at = -1;
    for (int64_t i = 0; i < c->n_ids; i++)
        if (i != c->mask_id && (at < 0 || row[i] > row[at])) at = i;
    return at;
}

static void compare(const struct beside *b, int64_t rows, struct drift *d)
{
    const struct model_config *c = model_config_of(b->model);
    int64_t v = c->n_vocab;
    d->forwards++;
    d->rows += rows;
    for (int64_t r = 0; r < rows; r++) {
        const float *x = b->got + r * v, *y = b->want + r * v;
        d->differing += best(x, c) != best(y, c);
        d->unequal += memcmp(x, y, (size_t)v * sizeof *x) != 0;
        for (int64_t i = 0; i < v; i++) {
            d->largest = fmax(d->largest, fabs((double)x[i] - (double)y[i]));
            d->sum += (double)y[i];
            d->square += (double)y[i] * (double)y[i];
        }
        d->n += (double)v;
    }
}

static enum err forward(struct beside *b, struct decoder *decoder, const struct choice_rule *rule,
                        enum mask mask, int32_t block, struct drift out[PHASE_COUNT])
{
    const struct decoder_ops *ops = decoder->ops;
    struct kernels *k = model_kernels(b->model);
    struct pass p, q;
    struct tensor logits, other;
    struct step_work work = {0};
    ops->next(decoder, &p);
    int64_t rows = pass_logit_rows(&p);
    ops->keys(decoder, &p, b->keys);
    TRY(model_forward(b->model, b->cache, &p, &logits));
    if (rows > 0) {
        TRY(kn_rowstat(k, b->stats, logits, b->keys, rule));
        TRY(kernels_download(k, b->got, logits));
        anew(b, &p, ops->tokens(decoder), mask, block, &q);
        kv_cache_clear(b->fresh);
        TRY(model_forward(b->model, b->fresh, &q, &other));
        TRY(kernels_download(k, b->want, other));
        compare(b, rows, &out[p.phase]);
    }
    ops->accept(decoder, &p, b->stats, &work);
    return ERR_NONE;
}

/* Drafts are those of a decode nobody looks at. */
static enum err give_drafts(struct model *m, struct decoder *d, const struct decode_spec *s,
                            enum dtype kv, int32_t **drafts)
{
    size_t count = (size_t)s->batch * (size_t)spec_length(s);
    struct session *n;
    struct step_work w;
    enum err e = ERR_NONE;
    if (!d->ops->drafts_from) return ERR_NONE;
    *drafts = calloc(count, sizeof **drafts);
    if (!*drafts) return err_set(ERR_NOMEM, "drift: drafts: out of memory");
    TRY(session_create(m, d->ops->drafts_from, s, kv, &n));
    while (e == ERR_NONE && !session_done(n)) e = session_step(n, &w);
    if (e == ERR_NONE) memcpy(*drafts, session_tokens(n), count * sizeof **drafts);
    session_free(n);
    TRY(e);
    d->ops->take_drafts(d, *drafts);
    return ERR_NONE;
}

static enum err beside_open(struct beside *b, struct model *m, const struct decoder_ops *ops,
                            const struct decode_spec *s, enum dtype kv)
{
    const struct model_config *c = model_config_of(m);
    struct kv_cache_size size = ops->size(s, c), all;
    size_t batch = (size_t)s->batch, length = (size_t)spec_length(s);
    size_t rows = (size_t)size.max_logits + 1, logits = rows * (size_t)c->n_vocab;
    size.dtype = kv;
    all = (struct kv_cache_size){.n_slots = s->batch,
                                 .capacity = spec_length(s),
                                 .max_rows = (int64_t)(batch * length),
                                 .max_logits = size.max_logits,
                                 .dtype = kv};
    *b = (struct beside){.model = m, .length = spec_length(s)};
    b->tokens = calloc(batch * length, sizeof *b->tokens);
    b->logit_row = calloc(batch * length, sizeof *b->logit_row);
    b->seq = calloc(batch, sizeof *b->seq);
    b->got = calloc(logits, sizeof *b->got);
    b->want = calloc(logits, sizeof *b->want);
    b->stats = calloc(rows, sizeof *b->stats);
    b->keys = calloc(rows, sizeof *b->keys);
    if (!b->tokens || !b->logit_row || !b->seq || !b->got || !b->want || !b->stats || !b->keys)
        return err_set(ERR_NOMEM, "drift: %zu logit rows: out of memory", rows);
    TRY(kv_cache_create(m, &size, &b->cache));
    return kv_cache_create(m, &all, &b->fresh);
}

static void beside_close(struct beside *b)
{
    kv_cache_free(b->cache);
    kv_cache_free(b->fresh);
    free(b->tokens);
    free(b->logit_row);
    free(b->seq);
    free(b->got);
    free(b->want);
    free(b->stats);
    free(b->keys);
}

enum err drift_measure(struct model *m, const struct decoder_ops *ops, const struct decode_spec *s,
                       enum dtype kv, enum mask mask, struct drift out[PHASE_COUNT])
{
    const struct model_config *c = model_config_of(m);
    struct choice_rule rule = {s->temperature, s->seed, c->n_ids, c->mask_id, s->top_p};
    struct decoder *decoder = NULL;
    struct beside b = {0};
    int32_t *drafts = NULL;
    enum err e = ERR_NONE;
    CHECK(s->n_depth == 0 && kernels_computes(model_kernels(m)));
    memset(out, 0, PHASE_COUNT * sizeof *out);
    TRY(ops->check(s, c));
    if (s->guidance > 0)
        return err_set(ERR_USAGE, "drift looks at one pass and its cache; want guidance 0, not %g",
                       (double)s->guidance);
    TRY_OUT(beside_open(&b, m, ops, s, kv));
    TRY_OUT(ops->create(s, c, &decoder));
    TRY_OUT(give_drafts(m, decoder, s, kv, &drafts));
    while (!ops->done(decoder)) TRY_OUT(forward(&b, decoder, &rule, mask, s->block_length, out));
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        struct drift *d = &out[ph];
        double mean = d->n > 0 ? d->sum / d->n : 0;
        if (d->n > 0) d->spread = sqrt(fmax(0, d->square / d->n - mean * mean));
    }
out:
    if (decoder) ops->free(decoder);
    free(drafts);
    beside_close(&b);
    return e;
}
