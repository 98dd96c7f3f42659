/* ar.c - one causal prefill over the prompt, then one forward per token.
 *
 * The prefill's last row gives the first token, so n_gen tokens take one prefill and
 * n_gen - 1 decode forwards; the last token is never fed back. */
#include "ar_baseline/ar.h"

#include <stdlib.h>

struct ar {
    struct decoder base;
    struct decode_spec spec;
    const struct model_config *config;
    int32_t *tokens; /* owned [batch, length] */
    int32_t length;
    int32_t n_done;       /* tokens generated so far, by sequences that have not ended */
    int32_t n_wanted;     /* by the longest of them                                     */
    struct pass_seq *seq; /* owned [batch] */
    int32_t last_row;     /* the one logit row of every span */
};

static enum err ar_check(const struct decode_spec *s, const struct model_config *c)
{
    TRY(spec_check(s, c));
    if (s->n_prompt < 1)
        return err_set(ERR_USAGE, "ar: an empty prompt gives the first token nothing to follow; "
                                  "want n-prompt 1 or more");
    return ERR_NONE;
}

static struct kv_cache_size ar_size(const struct decode_spec *s, const struct model_config *c)
{
    return (struct kv_cache_size){
        .n_slots = s->batch,
        .capacity = spec_length(s),
        .max_rows = (int64_t)s->batch * s->n_prompt,
        .max_logits = s->batch,
    };
}

static void ar_free(struct decoder *d)
{
    struct ar *a = (struct ar *)d;
    if (!a) return;
    free(a->tokens);
    free(a->seq);
    free(a);
}

static enum err ar_create(const struct decode_spec *s, const struct model_config *c,
                          struct decoder **out)
{
    enum err e = ERR_NONE;
    struct ar *a = calloc(1, sizeof *a);
    if (!a) return err_set(ERR_NOMEM, "ar: out of memory");
    a->base.ops = &decoder_ar;
    a->spec = *s;
    a->config = c;
    a->length = spec_length(s);
    a->seq = calloc((size_t)s->batch, sizeof *a->seq);
    if (!a->seq) TRY_OUT(err_set(ERR_NOMEM, "ar: %d sequences: out of memory", s->batch));
    for (int32_t b = 0; b < s->batch; b++)
        if (spec_wanted(s, b) > a->n_wanted) a->n_wanted = spec_wanted(s, b);
    TRY_OUT(canvas_create(s, c, &a->tokens));
    *out = &a->base;
    return ERR_NONE;
out:
    ar_free(&a->base);
    return e;
}

static bool ar_done(const struct decoder *d)
{
    const struct ar *a = (const struct ar *)d;
    return a->n_done == a->n_wanted;
}

static void ar_next(struct decoder *d, struct pass *p)
{
    struct ar *a = (struct ar *)d;
    bool prefill = a->n_done == 0;
    int32_t pos0 = prefill ? a->spec.n_depth : spec_prefix(&a->spec) + a->n_done - 1;
    int32_t n_rows = prefill ? a->spec.n_prompt : 1, n_seqs = 0;
    a->last_row = n_rows - 1;
    for (int32_t b = 0; b < a->spec.batch; b++) {
        if (a->n_done >= spec_wanted(&a->spec, b)) continue;
        a->seq[n_seqs++] = (struct pass_seq){
            .span = {.slot = b,
                     .n_rows = n_rows,
                     .pos0 = pos0,
                     .n_visible = pos0 + n_rows,
                     .mask = MASK_CAUSAL},
            .tokens = a->tokens + (size_t)b * a->length + pos0,
            .logit_row = &a->last_row,
            .n_logits = 1,
            .n_kept = n_rows,
        };
    }
    *p = (struct pass){prefill ? PHASE_PREFILL : PHASE_DECODE, n_seqs, a->seq};
}

static void ar_keys(const struct decoder *d, const struct pass *p, struct row_key *keys)
{
    const struct ar *a = (const struct ar *)d;
    uint32_t position = (uint32_t)(spec_prefix(&a->spec) + a->n_done);
    for (int32_t i = 0; i < p->n_seqs; i++)
        keys[i] = (struct row_key){(uint32_t)p->seq[i].span.slot, position, 0};
}

static void ar_accept(struct decoder *d, const struct pass *p, const struct row_stat *stats,
                      struct step_work *work)
{
    struct ar *a = (struct ar *)d;
    int32_t position = spec_prefix(&a->spec) + a->n_done;
    for (int32_t i = 0; i < p->n_seqs; i++) {
        int32_t b = p->seq[i].span.slot;
        a->tokens[(size_t)b * a->length + position] = stats[i].id;
        work_add_token(work, &a->spec, a->config, b, position);
    }
    a->n_done++;
}

static const int32_t *ar_tokens(const struct decoder *d)
{
    return ((const struct ar *)d)->tokens;
}

static bool ar_differs(const struct decode_spec *s)
{
    return s->eos != NULL;
}

const struct decoder_ops decoder_ar = {
    .name = "ar",
    .help = "causal prefill, then one token per sequence per forward, KV cache",
    .sequences_differ = ar_differs,
    .check = ar_check,
    .size = ar_size,
    .create = ar_create,
    .done = ar_done,
    .next = ar_next,
    .keys = ar_keys,
    .accept = ar_accept,
    .tokens = ar_tokens,
    .free = ar_free,
};
