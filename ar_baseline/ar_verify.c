/* ar_verify.c - one causal prefill, then forwards over the last token and k drafted ones.
 *
 * Row j of a verify forward says what follows its position.  The drafted tokens are right one
 * by one with the stated probability; the first wrong one ends the run, and the forward's own
 * choice after that run is committed too: 1 .. k + 1 tokens per forward.  What is committed is
 * always the model's choice, so the tokens are those of plain AR at any acceptance.  A trace says
 * instead how many were right in each forward.
 *
 * Only keys and values up to the last right draft are kept; the next forward writes over the
 * others.  Nothing is drafted past the last token, which is never fed back.
 *
 * Drafting costs forwards, too, between the verify forwards; what they choose is thrown away,
 * because random weights would never be right, and the stated acceptance stands for it:
 *     model   k forwards of one row by a second model with a cache of its own, after a prefill of
 *             the same prompt; the first has two rows when the last k drafts were all right,
 *             because the k-th was never fed to it
 *     self    k forwards of one row by the first layers of the same model and its head, which see
 *             what those layers have in the model's own cache: no weights or cache beside it, and
 *             no prefill (self-speculation by early exit; the verify forward computes these layers
 *             again for its rows)
 *     self-denoise
 *             one forward of the whole model over the last token and k masks that all see each
 *             other, as diffusion models that draft for themselves do it
 *     ngram   no forward: the text is searched for its own end (lookup.h), inside the time of the
 *             verify forward
 *     none    drafts come from nowhere */
#include "ar_baseline/ar_verify.h"

#include <stdlib.h>
#include <string.h>

#include "ar_baseline/accept_trace.h"
#include "ar_baseline/ar.h"
#include "ar_baseline/lookup.h"
#include "harness/base/rng.h"

enum { DRAFT_MAX = 64, STREAM_ACCEPT = 4 };

enum drafter { DRAFTER_NONE, DRAFTER_NGRAM, DRAFTER_SELF, DRAFTER_DENOISE, DRAFTER_MODEL };

struct ar_verify {
    struct decoder base;
    struct decode_spec spec;
    const struct model_config *config;
    enum drafter drafter;
    int32_t *tokens; /* owned [batch, length]                                       */
    int32_t length;
    const int32_t *drafts;      /* borrowed [batch, length]: what the model would choose; NULL:
                                   nothing is computed, so any token will do                    */
    int32_t *input;             /* owned [batch, k + 1]: rows of a verify or draft forward      */
    int32_t *n_done;            /* owned [batch]: tokens generated                              */
    int32_t *traced;            /* owned [batch]: where each request is in the trace            */
    int32_t *n_cached;          /* owned [batch]: positions in the second model's cache         */
    int32_t *found;             /* owned [batch, k]: what the text's own past suggests          */
    struct pass_seq *seq;       /* owned [batch] */
    int32_t row[DRAFT_MAX + 1]; /* row[j] is j                                             */
    int32_t last_row;           /* of the prefill */
    int32_t n_draft_forwards;   /* since the last verify */
    bool prefilled, draft_prefilled;
};

static enum drafter drafter_of(const struct decode_spec *s)
{
    if (!s->draft[0] || strcmp(s->draft, "none") == 0 || s->draft_tokens == 0) return DRAFTER_NONE;
    if (strcmp(s->draft, "ngram") == 0) return DRAFTER_NGRAM;
    if (strcmp(s->draft, "self-denoise") == 0) return DRAFTER_DENOISE;
    return strcmp(s->draft, "self") == 0 ? DRAFTER_SELF : DRAFTER_MODEL;
}

/* The preset's body with the vocabulary of the model it drafts for. */
static enum err draft_config(const struct decode_spec *s, const struct model_config *c,
                             struct model_config *draft)
{
    TRY(model_preset(s->draft, s->draft_layers, draft));
    draft->n_vocab = c->n_vocab;
    draft->n_ids = c->n_ids;
    draft->mask_id = c->mask_id;
    return ERR_NONE;
}

static enum err verify_check(const struct decode_spec *s, const struct model_config *c)
{
    TRY(spec_check(s, c));
    if (s->n_prompt < 1)
        return err_set(ERR_USAGE, "ar-verify: an empty prompt gives the first token nothing to "
                                  "follow; want n-prompt 1 or more");
    if (s->draft_tokens < 0 || s->draft_tokens > DRAFT_MAX)
        return err_set(ERR_USAGE, "ar-verify: draft-tokens %d: want 0 to %d", s->draft_tokens,
                       DRAFT_MAX);
    if (!(s->acceptance >= 0 && s->acceptance <= 1))
        return err_set(ERR_USAGE, "ar-verify: acceptance %g: want 0 to 1", (double)s->acceptance);
    if (s->trace) TRY(accept_trace_check(s));
    if (drafter_of(s) == DRAFTER_SELF && (s->draft_layers < 1 || s->draft_layers >= c->n_layer))
        return err_set(ERR_USAGE,
                       "ar-verify: draft self drafts with the model's first draft-layers, here "
                       "%d: want 1 to %d (all of it in one forward: draft self-denoise)",
                       s->draft_layers, c->n_layer - 1);
    if (drafter_of(s) == DRAFTER_MODEL) {
        struct model_config draft;
        TRY(draft_config(s, c, &draft));
        if (spec_length(s) > draft.max_positions)
            return err_set(ERR_USAGE,
                           "ar-verify: %d positions are more than the %d of %s, which "
                           "drafts",
                           spec_length(s), draft.max_positions, draft.name);
    }
    return ERR_NONE;
}

static bool verify_draft_model(const struct decode_spec *s, const struct model_config *c,
                               struct model_config *draft)
{
    return drafter_of(s) == DRAFTER_MODEL && draft_config(s, c, draft) == ERR_NONE;
}

static int32_t verify_draft_exit(const struct decode_spec *s)
{
    return drafter_of(s) == DRAFTER_SELF ? s->draft_layers : 0;
}

static struct kv_cache_size verify_draft_size(const struct decode_spec *s)
{
    int32_t prefill = drafter_of(s) == DRAFTER_SELF ? 0 : s->n_prompt;
    return (struct kv_cache_size){
        .n_slots = s->batch,
        .capacity = spec_length(s),
        .max_rows = (int64_t)s->batch * (prefill > 2 ? prefill : 2),
        .max_logits = s->batch,
    };
}

static bool verify_differs(const struct decode_spec *s)
{
    return true;
}

static struct kv_cache_size verify_size(const struct decode_spec *s, const struct model_config *c)
{
    int32_t verified = s->draft_tokens + 1;
    return (struct kv_cache_size){
        .n_slots = s->batch,
        .capacity = spec_length(s),
        .max_rows = (int64_t)s->batch * (s->n_prompt > verified ? s->n_prompt : verified),
        .max_logits = (int64_t)s->batch * verified,
    };
}

static void verify_free(struct decoder *d)
{
    struct ar_verify *a = (struct ar_verify *)d;
    if (!a) return;
    free(a->tokens);
    free(a->input);
    free(a->n_done);
    free(a->traced);
    free(a->n_cached);
    free(a->found);
    free(a->seq);
    free(a);
}

static enum err verify_create(const struct decode_spec *s, const struct model_config *c,
                              struct decoder **out)
{
    enum err e = ERR_NONE;
    size_t batch = (size_t)s->batch, verified = (size_t)s->draft_tokens + 1;
    struct ar_verify *a = calloc(1, sizeof *a);
    if (!a) return err_set(ERR_NOMEM, "ar-verify: out of memory");
    a->base.ops = &decoder_ar_verify;
    a->spec = *s;
    a->config = c;
    a->drafter = drafter_of(s);
    a->length = spec_length(s);
    a->input = calloc(batch * verified, sizeof *a->input);
    a->n_done = calloc(batch, sizeof *a->n_done);
    a->traced = calloc(batch, sizeof *a->traced);
    a->n_cached = calloc(batch, sizeof *a->n_cached);
    a->found = calloc(batch * verified, sizeof *a->found);
    a->seq = calloc(batch, sizeof *a->seq);
    if (!a->input || !a->n_done || !a->traced || !a->n_cached || !a->found || !a->seq)
        TRY_OUT(err_set(ERR_NOMEM, "ar-verify: %d sequences: out of memory", s->batch));
    for (int32_t j = 0; j <= DRAFT_MAX; j++) a->row[j] = j;
    TRY_OUT(canvas_create(s, c, &a->tokens));
    *out = &a->base;
    return ERR_NONE;
out:
    verify_free(&a->base);
    return e;
}

static void verify_take_drafts(struct decoder *d, const int32_t *tokens)
{
    ((struct ar_verify *)d)->drafts = tokens;
}

static bool verify_done(const struct decoder *d)
{
    const struct ar_verify *a = (const struct ar_verify *)d;
    for (int32_t b = 0; b < a->spec.batch; b++)
        if (a->n_done[b] < spec_wanted(&a->spec, b)) return false;
    return true;
}

/* Position of a sequence's last token, which no forward has seen yet. */
static int32_t last_position(const struct ar_verify *a, int32_t b)
{
    return spec_prefix(&a->spec) + a->n_done[b] - 1;
}

/* Whether the token drafted for a position is the model's choice. */
static bool draft_is_right(const struct ar_verify *a, int32_t b, int32_t position)
{
    if (a->spec.trace)
        return position - last_position(a, b) <=
               accept_trace_peek(a->spec.trace, (uint32_t)b, &a->traced[b]);
    uint32_t counter[4] = {(uint32_t)position, 0, STREAM_ACCEPT, (uint32_t)b};
    return (double)philox4x32(counter, a->spec.seed).word[0] < (double)a->spec.acceptance * 0x1p32;
}

static int32_t draft_token(const struct ar_verify *a, int32_t b, int32_t position)
{
    if (!a->drafts) return 0;
    int32_t id = a->drafts[(size_t)b * a->length + position];
    if (draft_is_right(a, b, position)) return id;
    do id = (id + 1) % a->config->n_ids;
    while (id == a->config->mask_id);
    return id;
}

/* Tokens drafted for the next verify forward: none past the last one wanted. */
static int32_t n_drafted(const struct ar_verify *a, int32_t b)
{
    int32_t k = a->spec.draft_tokens, left = spec_wanted(&a->spec, b) - a->n_done[b];
    return k < left - 1 ? k : left > 0 ? left - 1 : 0;
}

/* Draft forwards that the next verify forward wants. */
static int32_t draft_forwards(const struct ar_verify *a)
{
    int32_t most = 0;
    if (a->drafter == DRAFTER_NONE || a->drafter == DRAFTER_NGRAM) return 0;
    for (int32_t b = 0; b < a->spec.batch; b++)
        if (n_drafted(a, b) > most) most = n_drafted(a, b);
    return a->drafter == DRAFTER_DENOISE && most > 1 ? 1 : most;
}

static struct pass_seq prefill_of(struct ar_verify *a, int32_t b, int32_t n_logits)
{
    a->last_row = a->spec.n_prompt - 1;
    return (struct pass_seq){
        .span = {.slot = b,
                 .n_rows = a->spec.n_prompt,
                 .pos0 = a->spec.n_depth,
                 .n_visible = spec_prefix(&a->spec),
                 .mask = MASK_CAUSAL},
        .tokens = a->tokens + (size_t)b * a->length + a->spec.n_depth,
        .logit_row = &a->last_row,
        .n_logits = n_logits,
        .n_kept = a->spec.n_prompt,
    };
}

/* The second model goes on from what its cache has, the first layers from what the whole has. */
static struct pass_seq draft_of(struct ar_verify *a, int32_t b)
{
    int32_t at = last_position(a, b) + a->n_draft_forwards;
    int32_t pos0 = a->drafter == DRAFTER_SELF ? at : a->n_cached[b];
    int32_t *input = a->input + (size_t)b * ((size_t)a->spec.draft_tokens + 1);
    const int32_t *tokens = a->tokens + (size_t)b * a->length + pos0;
    if (a->n_draft_forwards > 0) {
        CHECK(at == pos0);
        *input = draft_token(a, b, at);
        tokens = input;
    }
    return (struct pass_seq){
        .span = {.slot = b,
                 .n_rows = at - pos0 + 1,
                 .pos0 = pos0,
                 .n_visible = at + 1,
                 .mask = MASK_CAUSAL},
        .tokens = tokens,
        .logit_row = a->row + (at - pos0),
        .n_logits = 1,
        .n_kept = at - pos0 + 1,
    };
}

/* The last token and a mask for each draft; nothing of it stays. */
static struct pass_seq denoise_draft_of(struct ar_verify *a, int32_t b)
{
    int32_t n = n_drafted(a, b), pos0 = last_position(a, b);
    int32_t *input = a->input + (size_t)b * ((size_t)a->spec.draft_tokens + 1);
    input[0] = a->tokens[(size_t)b * a->length + pos0];
    for (int32_t j = 1; j <= n; j++) input[j] = a->config->mask_id;
    return (struct pass_seq){
        .span = {.slot = b,
                 .n_rows = n + 1,
                 .pos0 = pos0,
                 .n_visible = pos0 + n + 1,
                 .mask = MASK_FULL},
        .tokens = input,
        .logit_row = a->row + !a->config->head_shifted,
        .n_logits = n,
    };
}

static struct pass_seq verify_of(struct ar_verify *a, int32_t b)
{
    int32_t n = n_drafted(a, b), n_right = 0, pos0 = last_position(a, b);
    int32_t *input = a->input + (size_t)b * ((size_t)a->spec.draft_tokens + 1);
    input[0] = a->tokens[(size_t)b * a->length + pos0];
    if (a->drafter == DRAFTER_NGRAM && a->drafts)
        lookup(a->tokens + (size_t)b * a->length + a->spec.n_depth, pos0 + 1 - a->spec.n_depth,
               a->found + (size_t)b * ((size_t)a->spec.draft_tokens + 1), n);
    for (int32_t j = 1; j <= n; j++) input[j] = draft_token(a, b, pos0 + j);
    while (n_right < n && draft_is_right(a, b, pos0 + 1 + n_right)) n_right++;
    return (struct pass_seq){
        .span = {.slot = b,
                 .n_rows = n + 1,
                 .pos0 = pos0,
                 .n_visible = pos0 + n + 1,
                 .mask = MASK_CAUSAL},
        .tokens = input,
        .logit_row = a->row,
        .n_logits = n + 1,
        .n_kept = n_right + 1,
    };
}

static enum phase phase_now(const struct ar_verify *a)
{
    if (!a->prefilled) return PHASE_PREFILL;
    if (a->drafter == DRAFTER_MODEL && !a->draft_prefilled) return PHASE_PREFILL_DRAFT;
    return a->n_draft_forwards < draft_forwards(a) ? PHASE_DRAFT : PHASE_VERIFY;
}

static void verify_next(struct decoder *d, struct pass *p)
{
    struct ar_verify *a = (struct ar_verify *)d;
    enum phase phase = phase_now(a);
    int32_t n = 0;
    for (int32_t b = 0; b < a->spec.batch; b++) {
        if (phase_is_prefill(phase))
            a->seq[n++] = prefill_of(a, b, phase == PHASE_PREFILL);
        else if (phase == PHASE_VERIFY && a->n_done[b] < spec_wanted(&a->spec, b))
            a->seq[n++] = verify_of(a, b);
        else if (phase == PHASE_DRAFT && a->n_draft_forwards < n_drafted(a, b))
            a->seq[n++] = a->drafter == DRAFTER_DENOISE ? denoise_draft_of(a, b) : draft_of(a, b);
    }
    *p = (struct pass){phase, n, a->seq};
}

static void verify_keys(const struct decoder *d, const struct pass *p, struct row_key *keys)
{
    for (int32_t i = 0; i < p->n_seqs; i++) {
        const struct pass_seq *s = &p->seq[i];
        for (int32_t j = 0; j < s->n_logits; j++)
            *keys++ = (struct row_key){(uint32_t)s->span.slot,
                                       (uint32_t)(s->span.pos0 + s->logit_row[j] + 1), 0};
    }
}

/* What a prefill or verify forward chose, up to the first wrong draft. */
static void commit(struct ar_verify *a, const struct pass *p, const struct row_stat *stats,
                   struct step_work *work)
{
    for (int32_t i = 0; i < p->n_seqs; i++) {
        const struct pass_seq *s = &p->seq[i];
        int32_t b = s->span.slot, n = p->phase == PHASE_VERIFY ? s->n_kept : 1;
        for (int32_t j = 0; j < n; j++) {
            int32_t position = spec_prefix(&a->spec) + a->n_done[b]++;
            a->tokens[(size_t)b * a->length + position] = stats[j].id;
            work_add_token(work, &a->spec, a->config, b, position);
        }
        a->traced[b] += p->phase == PHASE_VERIFY;
        stats += s->n_logits;
        /* Of what the second model has seen, right drafts stay. */
        if (a->n_cached[b] > last_position(a, b)) a->n_cached[b] = last_position(a, b);
    }
}

static void verify_accept(struct decoder *d, const struct pass *p, const struct row_stat *stats,
                          struct step_work *work)
{
    struct ar_verify *a = (struct ar_verify *)d;
    switch (p->phase) {
    case PHASE_PREFILL_DRAFT:
        a->draft_prefilled = true;
        break;
    case PHASE_DRAFT:
        a->n_draft_forwards++;
        break;
    default:
        commit(a, p, stats, work);
        a->prefilled = true;
        a->n_draft_forwards = 0;
        return;
    }
    for (int32_t i = 0; i < p->n_seqs; i++) {
        const struct span *s = &p->seq[i].span;
        a->n_cached[s->slot] = s->pos0 + s->n_rows;
    }
}

static const int32_t *verify_tokens(const struct decoder *d)
{
    return ((const struct ar_verify *)d)->tokens;
}

const struct decoder_ops decoder_ar_verify = {
    .name = "ar-verify",
    .help = "causal prefill, then k drafted tokens verified per forward with a stated acceptance",
    .sequences_differ = verify_differs,
    .drafts_from = &decoder_ar,
    .check = verify_check,
    .size = verify_size,
    .draft_model = verify_draft_model,
    .draft_size = verify_draft_size,
    .draft_exit = verify_draft_exit,
    .create = verify_create,
    .done = verify_done,
    .take_drafts = verify_take_drafts,
    .next = verify_next,
    .keys = verify_keys,
    .accept = verify_accept,
    .tokens = verify_tokens,
    .free = verify_free,
};
