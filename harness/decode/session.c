/* session.c - the one loop body: pass, transformer, row statistics, choice. */
#include "harness/decode/session.h"

#include <stdlib.h>
#include <string.h>

#include "harness/decode/commit_log.h"
#include "harness/decode/guidance.h"

struct recording {
    struct recording *next;
    struct pass pass; /* owned copies throughout */
    int32_t *tokens, *positions, *logit_rows;
    int32_t *valid; /* [n_seqs]: cached positions it found */
    struct row_key *keys;
};

struct session {
    struct model *model; /* borrowed */
    struct model *draft; /* drafts; NULL: there is none, or the model itself does.  Borrowed ... */
    bool exits;          /* ... or owned, where it is the first layers of the model         */
    struct kv_cache *draft_cache; /* owned; NULL without draft */
    struct decode_spec spec;
    const struct decoder_ops *ops;
    struct decoder *decoder;
    struct kv_cache *cache;
    int32_t n_slots; /* of the cache                                             */
    struct choice_rule rule;
    int32_t copies;             /* sequences that one of the decoder's stands for           */
    struct pass_seq *copied;    /* owned [batch]; NULL when copies is 1                     */
    struct row_stat *stats;     /* owned [max_logits] */
    struct row_key *keys;       /* owned [max_logits] */
    struct guidance guidance;   /* where the spec asks for it */
    int32_t *valid;             /* owned [n_slots]: scratch of a replay */
    int32_t *drafts;            /* owned: tokens of the decoder's drafts_from; NULL: none   */
    int32_t *ends;              /* owned [batch]: spec.eos where it was found out; else NULL */
    struct recording *recorded; /* owned list */
    struct commit_log *log;     /* borrowed; NULL: none */
};

static struct kv_cache_size sized(const struct decoder_ops *ops, const struct decode_spec *s,
                                  const struct model_config *c, enum dtype kv)
{
    struct kv_cache_size size = ops->size(s, c);
    size.dtype = kv;
    if (s->guidance > 0) {
        size.n_slots *= 2;
        size.max_rows *= 2;
        size.max_logits *= 2;
    }
    return size;
}

bool session_draft_model(const struct decoder_ops *ops, const struct decode_spec *s,
                         const struct model_config *c, struct model_config *draft)
{
    return ops->draft_model && ops->draft_model(s, c, draft);
}

/* Layers of the model itself that draft; 0: it does not. */
static int32_t exit_of(const struct decoder_ops *ops, const struct decode_spec *s)
{
    return ops->draft_exit ? ops->draft_exit(s) : 0;
}

int64_t session_bytes(const struct kernels *k, const struct model_config *c,
                      const struct decoder_ops *ops, const struct decode_spec *s, enum dtype kv)
{
    struct kv_cache_size size = sized(ops, s, c, kv);
    struct model_config draft;
    int64_t bytes = kv_cache_bytes(k, c, &size);
    bool drafts = session_draft_model(ops, s, c, &draft);
    if (!drafts && !exit_of(ops, s)) return bytes;
    size = ops->draft_size(s);
    size.dtype = kv;
    return bytes + (drafts ? kv_cache_bytes(k, &draft, &size) : kv_cache_exit_bytes(k, c, &size));
}

struct kernels_extent session_extent(const struct model_config *c, const struct decoder_ops *ops,
                                     const struct decode_spec *s, enum dtype weights,
                                     enum dtype kv)
{
    enum { CALLS_OF_LAYER = 16, OTHER_CALLS = 8 }; /* with a bias, norms of heads, and merging */
    struct kv_cache_size size = sized(ops, s, c, kv);
    int64_t qkv = ((int64_t)c->n_head + 2 * c->n_kv_head) * c->d_head;
    int64_t widest = 2 * (int64_t)c->d_ff;
    if (widest < qkv) widest = qkv;
    if (widest < c->d_model) widest = c->d_model;
    return (struct kernels_extent){
        .rows = size.max_rows,
        .logit_rows = size.max_logits,
        .n_vocab = c->n_vocab,
        .widest = widest,
        .n_head = c->n_head,
        .d_head = c->d_head,
        .capacity = size.capacity,
        .weights = weights,
        .kv = kv,
        .calls = (int64_t)CALLS_OF_LAYER * c->n_layer + OTHER_CALLS,
        .n_graphs = 4 + (s->steps > 0 ? s->steps : 0), /* every step has other logit rows */
    };
}

/* The first `count` tokens of a decode that nobody times. */
static enum err decode_all(struct model *m, const struct decoder_ops *ops,
                           const struct decode_spec *s, enum dtype kv, size_t count, int32_t *out)
{
    struct session *n;
    struct step_work work;
    enum err e = ERR_NONE;
    TRY(session_create(m, ops, s, kv, &n));
    while (e == ERR_NONE && !session_done(n)) e = session_step(n, &work);
    if (e == ERR_NONE) memcpy(out, session_tokens(n), count * sizeof *out);
    session_free(n);
    return e;
}

/* Before the session has a cache of its own, so that there is one at a time. */
static enum err make_drafts(struct session *n, enum dtype kv)
{
    const struct decode_spec *s = &n->spec;
    size_t count = (size_t)s->batch * (size_t)spec_length(s);
    if (!n->ops->drafts_from || !kernels_computes(model_kernels(n->model))) return ERR_NONE;
    n->drafts = calloc(count, sizeof *n->drafts);
    if (!n->drafts) return err_set(ERR_NOMEM, "drafts of %d sequences: out of memory", s->batch);
    return decode_all(n->model, n->ops->drafts_from, s, kv, count, n->drafts);
}

/* The first of the generated tokens that ends a sequence; n_gen: none does. */
static int32_t first_end(const struct model_config *c, const int32_t *tokens, int32_t n_gen)
{
    for (int32_t i = 0; i < n_gen; i++)
        for (int32_t e = 0; e < c->n_eos; e++)
            if (tokens[i] == c->eos[e]) return i;
    return n_gen;
}

/* Where a trained model's sequences end is known once they have been decoded: that is done first,
 * by nobody's clock, so that every forward is the same whether or not it is timed.  What is drafted
 * and verified ends where its own decoder does. */
static enum err find_ends(struct session *n, enum dtype kv)
{
    struct decode_spec *s = &n->spec, whole = *s;
    const struct model_config *c = model_config_of(n->model);
    const struct decoder_ops *ops = n->ops->drafts_from ? n->ops->drafts_from : n->ops;
    size_t length = (size_t)spec_length(s), count = (size_t)s->batch * length;
    enum err e = ERR_NONE;
    if (spec_knows_eos(s) || s->trace || !s->informed || c->n_eos == 0 ||
        !kernels_computes(model_kernels(n->model)))
        return ERR_NONE;
    int32_t *tokens = calloc(count, sizeof *tokens);
    n->ends = calloc((size_t)s->batch, sizeof *n->ends);
    if (!tokens || !n->ends)
        TRY_OUT(err_set(ERR_NOMEM, "ends of %d sequences: out of memory", s->batch));
    for (int32_t b = 0; b < s->batch; b++) n->ends[b] = s->n_gen; /* as far as this decode knows */
    whole.eos = n->ends;
    whole.on_eos = EOS_GO_ON;
    TRY_OUT(decode_all(n->model, ops, &whole, kv, count, tokens));
    for (int32_t b = 0; b < s->batch; b++)
        n->ends[b] = first_end(c, tokens + (size_t)b * length + spec_prefix(s), s->n_gen);
    s->eos = n->ends;
out:
    free(tokens);
    return e;
}

static enum err make_decoder(const struct session *n, struct decoder **out)
{
    TRY(n->ops->create(&n->spec, model_config_of(n->model), out));
    if (n->drafts) n->ops->take_drafts(*out, n->drafts);
    return ERR_NONE;
}

static enum err make_caches(struct session *n, const struct kv_cache_size *size)
{
    const struct decode_spec *s = &n->spec;
    TRY(kv_cache_create(n->model, size, &n->cache));
    TRY(kv_cache_make_up(n->cache, s->n_depth, s->seed));
    if (!n->draft) return ERR_NONE;
    struct kv_cache_size draft = n->ops->draft_size(s);
    draft.dtype = size->dtype;
    if (n->exits) return kv_cache_create_exit(n->draft, n->cache, &draft, &n->draft_cache);
    TRY(kv_cache_create(n->draft, &draft, &n->draft_cache));
    return kv_cache_make_up(n->draft_cache, s->n_depth, s->seed);
}

enum err session_create(struct model *m, const struct decoder_ops *ops, const struct decode_spec *s,
                        enum dtype kv, struct session **out)
{
    return session_create_drafted(m, NULL, ops, s, kv, out);
}

enum err session_create_drafted(struct model *m, struct model *draft, const struct decoder_ops *ops,
                                const struct decode_spec *s, enum dtype kv, struct session **out)
{
    const struct model_config *c = model_config_of(m);
    struct kv_cache_size size = sized(ops, s, c, kv);
    struct model_config shape;
    enum err e = ERR_NONE;
    *out = NULL;
    CHECK(session_draft_model(ops, s, c, &shape) == (draft != NULL));
    struct session *n = calloc(1, sizeof *n);
    if (!n) return err_set(ERR_NOMEM, "session: out of memory");
    n->model = m;
    n->draft = draft;
    n->spec = *s;
    n->ops = ops;
    n->copies = 1;
    n->n_slots = size.n_slots;
    if (!kernels_computes(model_kernels(m)) &&
        !(ops->sequences_differ && ops->sequences_differ(s))) {
        /* All sequences do the same, and nobody asks for their tokens: decode one
         * and count it as many times. */
        n->copies = s->batch;
        n->spec.batch = 1;
        n->copied = calloc((size_t)s->batch, sizeof *n->copied);
        if (!n->copied) TRY_OUT(err_set(ERR_NOMEM, "session of %d: out of memory", s->batch));
    }
    n->rule = (struct choice_rule){s->temperature, s->seed, c->n_ids, c->mask_id, s->top_p};
    n->stats = calloc((size_t)size.max_logits + 1, sizeof *n->stats);
    n->keys = calloc((size_t)size.max_logits + 1, sizeof *n->keys);
    n->valid = calloc((size_t)size.n_slots, sizeof *n->valid);
    if (!n->stats || !n->keys || !n->valid)
        TRY_OUT(err_set(ERR_NOMEM, "session: %lld logit rows: out of memory",
                        (long long)size.max_logits));
    if (s->guidance > 0)
        TRY_OUT(guidance_init(&n->guidance, s, c, size.n_slots / 2, size.max_rows / 2));
    TRY_OUT(find_ends(n, kv));
    TRY_OUT(make_drafts(n, kv));
    if (exit_of(ops, s)) {
        TRY_OUT(model_create_exit(m, exit_of(ops, s), &n->draft));
        n->exits = true;
    }
    TRY_OUT(make_decoder(n, &n->decoder));
    TRY_OUT(make_caches(n, &size));
    *out = n;
    return ERR_NONE;
out:
    session_free(n);
    return e;
}

static void recording_free(struct recording *r)
{
    free(r->pass.seq);
    free(r->tokens);
    free(r->positions);
    free(r->logit_rows);
    free(r->valid);
    free(r->keys);
    free(r);
}

void session_free(struct session *s)
{
    if (!s) return;
    for (struct recording *r = s->recorded; r;) {
        struct recording *next = r->next;
        recording_free(r);
        r = next;
    }
    if (s->decoder) s->ops->free(s->decoder);
    kv_cache_free(s->draft_cache);
    kv_cache_free(s->cache);
    if (s->exits) model_free(s->draft);
    free(s->stats);
    free(s->keys);
    guidance_free(&s->guidance);
    free(s->valid);
    free(s->drafts);
    free(s->ends);
    free(s->copied);
    free(s);
}

enum err session_restart(struct session *s)
{
    struct decoder *fresh;
    TRY(make_decoder(s, &fresh));
    s->ops->free(s->decoder);
    s->decoder = fresh;
    for (int32_t slot = 0; slot < s->n_slots; slot++) {
        kv_cache_set_valid(s->cache, slot, s->spec.n_depth);
        if (s->draft) kv_cache_set_valid(s->draft_cache, slot, s->spec.n_depth);
    }
    return ERR_NONE;
}

bool session_done(const struct session *s)
{
    return s->ops->done(s->decoder);
}

/* Whether the second model runs this pass. */
static bool is_drafted(const struct session *s, const struct pass *p)
{
    return s->draft && (p->phase == PHASE_DRAFT || p->phase == PHASE_PREFILL_DRAFT);
}

static struct kv_cache *cache_of(const struct session *s, const struct pass *p)
{
    return is_drafted(s, p) ? s->draft_cache : s->cache;
}

/* What the model has kept and its first layers have drafted since is there for them to see: all
 * that is before the pass. */
static void set_exit_valid(struct session *s, const struct pass *p)
{
    if (!s->exits || !is_drafted(s, p)) return;
    for (int32_t i = 0; i < p->n_seqs; i++)
        kv_cache_set_valid(s->draft_cache, p->seq[i].span.slot, p->seq[i].span.pos0);
}

/* The forward and what is read from its logits: everything a step computes. */
static enum err compute(struct session *s, const struct pass *asked, const struct row_key *keys,
                        struct step_work *work)
{
    struct tensor logits;
    struct kernels *k = model_kernels(s->model);
    bool guided = s->guidance.seq != NULL;
    struct pass twins = guided ? guidance_pass(&s->guidance, asked) : *asked;
    const struct pass *p = &twins;
    *work = (struct step_work){.phase = p->phase,
                               .seqs = asked->n_seqs,
                               .tokens_past_eos = spec_knows_eos(&s->spec) ? 0 : -1,
                               .rows = pass_rows(p),
                               .logit_rows = pass_logit_rows(p)};
    set_exit_valid(s, p);
    TRY(model_forward(is_drafted(s, p) ? s->draft : s->model, cache_of(s, p), p, &logits));
    if (logits.n_dim == 0) return kernels_sync(k);
    if (guided) TRY(guidance_apply(&s->guidance, k, &logits));
    return kn_rowstat(k, s->stats, logits, keys, &s->rule);
}

/* The pass of all the sequences that the decoder's one stands for. */
static struct pass copy_pass(const struct session *s, const struct pass *one)
{
    CHECK(one->n_seqs == 1);
    for (int32_t i = 0; i < s->copies; i++) {
        s->copied[i] = one->seq[0];
        s->copied[i].span.slot = i;
    }
    return (struct pass){one->phase, s->copies, s->copied};
}

enum err session_step(struct session *s, struct step_work *work)
{
    struct pass p;
    s->ops->next(s->decoder, &p);
    if (s->copied) {
        struct pass all = copy_pass(s, &p);
        TRY(compute(s, &all, s->keys, work)); /* keys are not read where nothing is computed */
        s->ops->accept(s->decoder, &p, s->stats, work);
        work->tokens_committed *= s->copies;
        if (__builtin_mul_overflow(work->flop_useful, s->copies, &work->flop_useful))
            kernels_ledger(model_kernels(s->model))->overflow = true;
        return ERR_NONE;
    }
    s->ops->keys(s->decoder, &p, s->keys);
    TRY(compute(s, &p, s->keys, work));
    if (s->log) commit_log_before(s->log, s->ops->tokens(s->decoder));
    s->ops->accept(s->decoder, &p, s->stats, work);
    if (s->log) commit_log_after(s->log, &p, s->ops->tokens(s->decoder));
    return ERR_NONE;
}

enum err session_record_next(struct session *s, struct recording **out)
{
    struct pass p;
    CHECK(s->copies == 1);
    s->ops->next(s->decoder, &p);
    size_t n_rows = (size_t)pass_rows(&p), n_logits = (size_t)pass_logit_rows(&p);
    struct recording *r = calloc(1, sizeof *r);
    if (!r) return err_set(ERR_NOMEM, "recording a forward: out of memory");
    r->pass = p;
    r->pass.seq = malloc((size_t)p.n_seqs * sizeof *p.seq);
    r->tokens = malloc(n_rows * sizeof *r->tokens);
    r->positions = malloc(n_rows * sizeof *r->positions);
    r->logit_rows = malloc((n_logits + 1) * sizeof *r->logit_rows);
    r->valid = malloc((size_t)p.n_seqs * sizeof *r->valid);
    r->keys = malloc((n_logits + 1) * sizeof *r->keys);
    if (!r->pass.seq || !r->tokens || !r->positions || !r->logit_rows || !r->valid || !r->keys) {
        recording_free(r);
        return err_set(ERR_NOMEM, "recording a forward of %zu rows: out of memory", n_rows);
    }
    s->ops->keys(s->decoder, &p, r->keys);
    int32_t *token = r->tokens, *position = r->positions, *row = r->logit_rows;
    for (int32_t i = 0; i < p.n_seqs; i++) {
        struct pass_seq *q = &r->pass.seq[i];
        *q = p.seq[i];
        r->valid[i] = kv_cache_valid(cache_of(s, &p), q->span.slot);
        memcpy(token, q->tokens, (size_t)q->span.n_rows * sizeof *token);
        memcpy(row, q->logit_row, (size_t)q->n_logits * sizeof *row);
        if (q->positions) {
            memcpy(position, q->positions, (size_t)q->span.n_rows * sizeof *position);
            q->positions = position;
        }
        q->tokens = token;
        q->logit_row = row;
        q->noise = NULL; /* a network is not told */
        token += q->span.n_rows;
        position += q->span.n_rows;
        row += q->n_logits;
    }
    r->next = s->recorded;
    s->recorded = r;
    *out = r;
    return ERR_NONE;
}

/* Swap the cached positions of the pass's slots, twins included, with those in s->valid. */
static void swap_valid(struct session *s, const struct pass *p)
{
    struct kv_cache *cache = cache_of(s, p);
    int32_t twin = s->guidance.first_twin;
    for (int32_t i = 0; i < p->n_seqs; i++)
        for (int32_t slot = p->seq[i].span.slot, n = twin ? 2 : 1; n > 0; n--, slot += twin) {
            int32_t now = kv_cache_valid(cache, slot);
            kv_cache_set_valid(cache, slot, s->valid[slot]);
            s->valid[slot] = now;
        }
}

enum err session_replay(struct session *s, const struct recording *r, struct step_work *work)
{
    int32_t twin = s->guidance.first_twin;
    for (int32_t i = 0; i < r->pass.n_seqs; i++)
        s->valid[r->pass.seq[i].span.slot] = s->valid[r->pass.seq[i].span.slot + twin] =
            r->valid[i];
    swap_valid(s, &r->pass);
    enum err e = compute(s, &r->pass, r->keys, work);
    swap_valid(s, &r->pass);
    return e;
}

void session_log_commits(struct session *s, struct commit_log *log)
{
    CHECK(kernels_computes(session_kernels(s)));
    s->log = log;
}

const int32_t *session_tokens(const struct session *s)
{
    return s->ops->tokens(s->decoder);
}

const int32_t *session_eos(const struct session *s)
{
    return s->spec.eos;
}

struct kernels *session_kernels(const struct session *s)
{
    return model_kernels(s->model);
}
