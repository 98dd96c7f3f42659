/* block.c - block diffusion with an exact KV cache.
 *
 * Blocks are aligned at position 0.  A block-causal prefill covers the prompt's complete
 * blocks; what is left of the prompt stands in the first block as given tokens.  Each
 * block takes its denoise forwards, whose keys and values see masks and are thrown away,
 * and then a commit forward over its clean tokens that the cache keeps: without it the
 * cache would hold what the block looked like half masked.
 *
 * A fused commit saves that forward: the next block's first denoise forward has the clean
 * rows before its masked ones.  Block-causal attention keeps the clean ones from seeing the
 * next block, so their keys and values, and every logit, are those of separate forwards.  The
 * last block has no next one and is committed by itself either way.
 *
 * With causal commits the cache holds what an AR model would have put there: prompt and finished
 * blocks run through the network as a text is read, and only the block being denoised looks both
 * ways (DiffusionGemma's encoder and decoder).  The prompt's incomplete block is no different.
 *
 * With a shifted head a position's token comes from the row before it, so a block's
 * first token is given by the last row of the previous commit (or of the prefill). */
#include "diffusion/block.h"

#include <stdlib.h>

#include "diffusion/denoise.h"

enum stage { STAGE_PREFILL, STAGE_DENOISE, STAGE_COMMIT, STAGE_FUSED, STAGE_DONE };

struct block {
    struct decoder base;
    struct denoise denoise;
    enum stage stage;
    int32_t begin;    /* of the current block */
    int32_t last_row; /* of a prefill or commit: the row that decides the next token */
};

/* Where the prompt's complete blocks end. */
static int32_t prefill_end(const struct decode_spec *s)
{
    return spec_prefix(s) / s->block_length * s->block_length;
}

static enum err block_check(const struct decode_spec *s, const struct model_config *c)
{
    TRY(spec_check(s, c));
    if (s->block_length < 1)
        return err_set(ERR_USAGE, "block: block-length %d: want 1 or more", s->block_length);
    if (s->n_depth % s->block_length)
        return err_set(ERR_USAGE, "block: n-depth %d is not a multiple of block-length %d",
                       s->n_depth, s->block_length);
    if ((s->n_prompt + s->n_gen) % s->block_length)
        return err_set(ERR_USAGE,
                       "block: n-prompt %d + n-gen %d is not a multiple of block-length %d",
                       s->n_prompt, s->n_gen, s->block_length);
    if (head_is_shifted(s, c) && s->n_prompt < 1)
        return err_set(ERR_USAGE, "block: a shifted head takes the first token from the row before "
                                  "it; want n-prompt 1 or more");
    if (head_is_shifted(s, c) && s->commit == COMMIT_FUSED)
        return err_set(ERR_USAGE, "block: a shifted head takes a block's first token from the "
                                  "commit before it, so that commit cannot wait for the block's "
                                  "first forward; want commit separate");
    TRY(strategy_check(s));
    const struct replay_blocks blocks = {
        .begin = prefill_end(s), .length = s->block_length, .given_first = head_is_shifted(s, c)};
    return s->trace ? replay_check(s, &blocks) : ERR_NONE;
}

static struct kv_cache_size block_size(const struct decode_spec *s, const struct model_config *c)
{
    int32_t end = prefill_end(s), length = spec_length(s), prefill = end - s->n_depth;
    bool fused = s->commit == COMMIT_FUSED && length - end > s->block_length;
    int32_t block = fused ? 2 * s->block_length : s->block_length;
    int32_t rows = prefill > block ? prefill : block;
    return (struct kv_cache_size){
        .n_slots = s->batch,
        .capacity = length,
        .max_rows = (int64_t)s->batch * rows,
        .max_logits = (int64_t)s->batch * s->block_length,
    };
}

/* Denoise the block at `begin`, or commit it at once when nothing in it is masked. */
static void start_block(struct block *d)
{
    int32_t b = d->denoise.spec.block_length;
    denoise_start_block(&d->denoise, d->begin / b, d->begin, d->begin + b);
    d->stage = denoise_block_done(&d->denoise) ? STAGE_COMMIT : STAGE_DENOISE;
}

/* Every token of the block is there. */
static void end_block(struct block *d)
{
    int32_t next = d->begin + d->denoise.spec.block_length;
    d->stage = STAGE_COMMIT;
    if (d->denoise.spec.commit != COMMIT_FUSED || denoise_all_ended(&d->denoise, next)) return;
    d->begin = next;
    start_block(d);
    CHECK(d->stage == STAGE_DENOISE); /* without a shifted head none of it is given */
    d->stage = STAGE_FUSED;
}

static enum err block_create(const struct decode_spec *s, const struct model_config *c,
                             struct decoder **out)
{
    struct block *d = calloc(1, sizeof *d);
    if (!d) return err_set(ERR_NOMEM, "block: out of memory");
    d->base.ops = &decoder_block;
    enum err e = denoise_init(&d->denoise, s, c);
    if (e != ERR_NONE) {
        free(d);
        return err_trace(e, __FILE__, __LINE__);
    }
    d->begin = prefill_end(s);
    d->stage = STAGE_PREFILL;
    if (d->begin == s->n_depth) start_block(d);
    *out = &d->base;
    return ERR_NONE;
}

static void block_free(struct decoder *base)
{
    struct block *d = (struct block *)base;
    if (!d) return;
    denoise_free(&d->denoise);
    free(d);
}

static bool block_done(const struct decoder *base)
{
    return ((const struct block *)base)->stage == STAGE_DONE;
}

/* The position that the last row of a prefill or commit decides, or -1: none. */
static int32_t position_after(const struct block *d, int32_t end)
{
    if (!d->denoise.shifted || end >= d->denoise.length || end < spec_prefix(&d->denoise.spec))
        return -1;
    return end;
}

/* Clean tokens [pos0, pos0 + n_rows) of every sequence that had not ended before them, to be kept.
 */
static void clean_pass(struct block *d, struct pass *p, enum phase phase, int32_t pos0,
                       int32_t n_rows, enum mask mask)
{
    int32_t n_seqs = 0, end = pos0 + n_rows;
    d->last_row = n_rows - 1;
    for (int32_t b = 0; b < d->denoise.spec.batch; b++) {
        if (denoise_ended(&d->denoise, b, pos0)) continue;
        d->denoise.seq[n_seqs++] = (struct pass_seq){
            .span = {.slot = b,
                     .n_rows = n_rows,
                     .pos0 = pos0,
                     .n_visible = end,
                     .block = d->denoise.spec.block_length,
                     .mask = mask},
            .tokens = denoise_row(&d->denoise, b) + pos0,
            .logit_row = &d->last_row,
            .n_logits = position_after(d, end) >= 0 && !denoise_ended(&d->denoise, b, end),
            .n_kept = n_rows,
        };
    }
    *p = (struct pass){phase, n_seqs, d->denoise.seq};
}

static void block_next(struct decoder *base, struct pass *p)
{
    struct block *d = (struct block *)base;
    int32_t b = d->denoise.spec.block_length;
    int32_t depth = d->denoise.spec.n_depth;
    bool causal = d->denoise.spec.commit == COMMIT_CAUSAL;
    if (d->stage == STAGE_PREFILL)
        clean_pass(d, p, PHASE_PREFILL, depth, d->begin - depth, causal ? MASK_CAUSAL : MASK_BLOCK);
    else if (d->stage == STAGE_COMMIT)
        clean_pass(d, p, PHASE_COMMIT, d->begin, b, causal ? MASK_CAUSAL : MASK_FULL);
    else if (d->stage == STAGE_FUSED)
        denoise_pass(&d->denoise, p,
                     (struct denoise_rows){.phase = PHASE_FUSED,
                                           .pos0 = d->begin - b,
                                           .n_rows = 2 * b,
                                           .n_visible = d->begin + b,
                                           .n_kept = b,
                                           .n_clean = b});
    else
        denoise_pass(
            &d->denoise, p,
            (struct denoise_rows){
                .phase = PHASE_DENOISE, .pos0 = d->begin, .n_rows = b, .n_visible = d->begin + b});
}

static void block_keys(const struct decoder *base, const struct pass *p, struct row_key *keys)
{
    const struct block *d = (const struct block *)base;
    if (d->stage == STAGE_DENOISE || d->stage == STAGE_FUSED) {
        denoise_keys(&d->denoise, p, keys);
        return;
    }
    for (int32_t i = 0; i < p->n_seqs; i++) {
        const struct span *s = &p->seq[i].span;
        if (p->seq[i].n_logits)
            *keys++ = (struct row_key){(uint32_t)s->slot, (uint32_t)(s->pos0 + s->n_rows), 0};
    }
}

/* A prefill or commit is done: take the token its last row decides, go to the next block. */
static void accept_clean(struct block *d, const struct pass *p, const struct row_stat *stats,
                         struct step_work *work)
{
    const struct span *s = &p->seq[0].span;
    int32_t end = s->pos0 + s->n_rows, position = position_after(d, end);
    for (int32_t i = 0; i < p->n_seqs; i++) {
        int32_t b = p->seq[i].span.slot;
        if (p->seq[i].n_logits == 0) continue;
        denoise_row(&d->denoise, b)[position] = stats++->id;
        work_add_token(work, &d->denoise.spec, d->denoise.config, b, position);
    }
    d->begin = end;
    if (denoise_all_ended(&d->denoise, end))
        d->stage = STAGE_DONE;
    else
        start_block(d);
}

static void block_accept(struct decoder *base, const struct pass *p, const struct row_stat *stats,
                         struct step_work *work)
{
    struct block *d = (struct block *)base;
    if (d->stage == STAGE_PREFILL || d->stage == STAGE_COMMIT) {
        accept_clean(d, p, stats, work);
        return;
    }
    denoise_accept(&d->denoise, p, stats, work);
    d->stage = STAGE_DENOISE;
    if (denoise_block_done(&d->denoise)) end_block(d);
}

static const int32_t *block_tokens(const struct decoder *base)
{
    return ((const struct block *)base)->denoise.tokens;
}

const struct decoder_ops decoder_block = {
    .name = "block",
    .help = "block diffusion: block-causal, exact KV cache, a commit forward per block",
    .sequences_differ = denoise_sequences_differ,
    .check = block_check,
    .size = block_size,
    .create = block_create,
    .done = block_done,
    .next = block_next,
    .keys = block_keys,
    .accept = block_accept,
    .tokens = block_tokens,
    .free = block_free,
};
