/* diffusion.c - full-sequence masked diffusion.
 *
 * Without a block length the generation is one block.  With one, blocks are denoised
 * from left to right, but every forward still computes the whole sequence, later
 * masks included: that is semi-autoregressive decoding, not block diffusion.
 *
 * With an approximate cache only the first forward of a block does, the refresh, and the
 * cache keeps its keys and values.  The block's other forwards reuse them: they compute
 * the block (dual) or it and all after it (prefix), write their keys and values over the
 * old ones, and see every position.  What they do not compute is as it was at the
 * refresh, when more of the block was masked: exact until the first reveal, not after.
 *
 * The delayed cache (dkv) reuses those of tokens that have been through one forward since they
 * were revealed: a forward computes what was masked in the one before, in later blocks too.  A
 * block's first two forwards are refreshes, for in the second its first tokens are new.
 *
 * With --refresh k every k-th forward of a block is a refresh as well.
 *
 * With a shifted head a block's first token comes from the row before the block, which
 * only the refresh computes: so the refresh reveals it. */
#include "diffusion/diffusion.h"

#include <stdlib.h>

#include "diffusion/denoise.h"

struct diffusion {
    struct decoder base;
    struct denoise denoise;
    int32_t block_length, n_blocks, block; /* block: the current one */
    int32_t step;                          /* forwards of this block so far               */
    bool *masked; /* owned [batch, length]: masked in the forward before; NULL unless dkv */
};

static enum err diffusion_check(const struct decode_spec *s, const struct model_config *c)
{
    const struct replay_blocks blocks = {
        .begin = spec_prefix(s),
        .length = s->block_length ? s->block_length : s->n_gen,
        .reveals_first = s->cache != CACHE_NONE && head_is_shifted(s, c),
    };
    TRY(spec_check(s, c));
    if (s->n_depth)
        return err_set(ERR_USAGE, "diffusion: every forward computes every position, so none can "
                                  "be in the cache before; want n-depth 0");
    if (s->block_length < 0 || (s->block_length && s->n_gen % s->block_length))
        return err_set(ERR_USAGE, "diffusion: n-gen %d is not a multiple of block-length %d",
                       s->n_gen, s->block_length);
    if ((s->cache == CACHE_PREFIX || s->cache == CACHE_DUAL) && s->block_length < 1)
        return err_set(ERR_USAGE,
                       "diffusion: cache %s is renewed at each block: want a block-length",
                       s->cache == CACHE_DUAL ? "dual" : "prefix");
    if (s->cache == CACHE_DKV && head_is_shifted(s, c))
        return err_set(ERR_USAGE, "diffusion: cache dkv leaves out the rows before masked "
                                  "positions, which a shifted head asks; want head same");
    if (s->refresh < 0)
        return err_set(ERR_USAGE, "diffusion: refresh %d: want 0 or more", s->refresh);
    if (s->refresh > 0 && s->cache == CACHE_NONE)
        return err_set(ERR_USAGE,
                       "diffusion: refresh %d renews a cache: want cache prefix, dual "
                       "or dkv",
                       s->refresh);
    if (s->cache != CACHE_NONE && head_is_shifted(s, c) && strategy_of(s->strategy)->revises)
        return err_set(ERR_USAGE,
                       "diffusion: strategy %s may mask a block's first position again, and a "
                       "shifted head with a cache decides that only once",
                       strategy_of(s->strategy)->name);
    if (strategy_of(s->strategy)->noisy && s->cache != CACHE_NONE)
        return err_set(ERR_USAGE,
                       "diffusion: strategy %s changes every position in every forward, so no "
                       "cache holds; want cache none",
                       strategy_of(s->strategy)->name);
    if (strategy_of(s->strategy)->noisy && s->block_length && s->block_length != s->n_gen)
        return err_set(ERR_USAGE,
                       "diffusion: strategy %s has no masks for later blocks to wait in; want one "
                       "block (no block-length), or decoder block",
                       strategy_of(s->strategy)->name);
    TRY(strategy_check(s));
    return s->trace ? replay_check(s, &blocks) : ERR_NONE;
}

static struct kv_cache_size diffusion_size(const struct decode_spec *s,
                                           const struct model_config *c)
{
    int32_t length = s->n_prompt + s->n_gen;
    int32_t block = s->block_length ? s->block_length : s->n_gen;
    return (struct kv_cache_size){
        .n_slots = s->batch,
        .capacity = length,
        .max_rows = (int64_t)s->batch * length,
        .max_logits = (int64_t)s->batch * (s->logits == LOGITS_ALL ? s->n_gen : block),
        .scattered = s->cache == CACHE_DKV,
    };
}

static void start_block(struct diffusion *d)
{
    int32_t begin = d->denoise.spec.n_prompt + d->block * d->block_length;
    denoise_start_block(&d->denoise, d->block, begin, begin + d->block_length);
    if (d->denoise.shifted && d->denoise.spec.cache != CACHE_NONE)
        denoise_reveal_first(&d->denoise);
    d->step = 0;
}

static void diffusion_free(struct decoder *base)
{
    struct diffusion *d = (struct diffusion *)base;
    if (!d) return;
    denoise_free(&d->denoise);
    free(d->masked);
    free(d);
}

static enum err diffusion_create(const struct decode_spec *s, const struct model_config *c,
                                 struct decoder **out)
{
    struct diffusion *d = calloc(1, sizeof *d);
    if (!d) return err_set(ERR_NOMEM, "diffusion: out of memory");
    d->base.ops = &decoder_diffusion;
    d->block_length = s->block_length ? s->block_length : s->n_gen;
    d->n_blocks = s->n_gen / d->block_length;
    enum err e = denoise_init(&d->denoise, s, c);
    if (e != ERR_NONE) {
        free(d);
        return err_trace(e, __FILE__, __LINE__);
    }
    if (s->cache == CACHE_DKV) {
        d->masked = calloc((size_t)s->batch * (size_t)d->denoise.length, sizeof *d->masked);
        if (!d->masked) {
            diffusion_free(&d->base);
            return err_set(ERR_NOMEM, "diffusion: out of memory");
        }
    }
    start_block(d);
    *out = &d->base;
    return ERR_NONE;
}

static bool diffusion_done(const struct decoder *base)
{
    const struct diffusion *d = (const struct diffusion *)base;
    return d->block == d->n_blocks;
}

static bool is_refresh(const struct diffusion *d)
{
    const struct decode_spec *s = &d->denoise.spec;
    if (d->step == 0 || (s->cache == CACHE_DKV && d->step == 1)) return true;
    return s->refresh > 0 && d->step % s->refresh == 0;
}

static void diffusion_next(struct decoder *base, struct pass *p)
{
    struct diffusion *d = (struct diffusion *)base;
    enum cache_policy cache = d->denoise.spec.cache;
    int32_t length = d->denoise.length,
            begin = d->denoise.spec.n_prompt + d->block * d->block_length;
    struct denoise_rows r = {PHASE_DENOISE, .n_rows = length, .n_visible = length};
    if (cache != CACHE_NONE) r.phase = is_refresh(d) ? PHASE_REFRESH : PHASE_REUSE;
    if (r.phase == PHASE_REUSE && cache == CACHE_DKV) {
        r.computed = d->masked;
    } else if (r.phase == PHASE_REUSE) {
        r.pos0 = begin;
        r.n_rows = cache == CACHE_DUAL ? d->block_length : length - begin;
    }
    if (cache != CACHE_NONE) r.n_kept = r.n_rows;
    denoise_pass(&d->denoise, p, r);
}

static void diffusion_keys(const struct decoder *base, const struct pass *p, struct row_key *keys)
{
    denoise_keys(&((const struct diffusion *)base)->denoise, p, keys);
}

/* Mark what is masked now, beside what is marked already or instead of it. */
static void note_masked(struct diffusion *d, bool beside)
{
    size_t n = d->masked ? (size_t)d->denoise.spec.batch * (size_t)d->denoise.length : 0;
    for (size_t i = 0; i < n; i++)
        d->masked[i] =
            (beside && d->masked[i]) || d->denoise.tokens[i] == d->denoise.config->mask_id;
}

static void diffusion_accept(struct decoder *base, const struct pass *p,
                             const struct row_stat *stats, struct step_work *work)
{
    struct diffusion *d = (struct diffusion *)base;
    note_masked(d, false);
    denoise_accept(&d->denoise, p, stats, work);
    note_masked(d, true); /* a strategy may have masked some again */
    d->step++;
    if (!denoise_block_done(&d->denoise)) return;
    d->block++;
    if (denoise_all_ended(&d->denoise, d->denoise.spec.n_prompt + d->block * d->block_length))
        d->block = d->n_blocks;
    else
        start_block(d);
}

static const int32_t *diffusion_tokens(const struct decoder *base)
{
    return ((const struct diffusion *)base)->denoise.tokens;
}

const struct decoder_ops decoder_diffusion = {
    .name = "diffusion",
    .help = "full-sequence masked diffusion: all positions every forward, or approximate caches",
    .sequences_differ = denoise_sequences_differ,
    .check = diffusion_check,
    .size = diffusion_size,
    .create = diffusion_create,
    .done = diffusion_done,
    .next = diffusion_next,
    .keys = diffusion_keys,
    .accept = diffusion_accept,
    .tokens = diffusion_tokens,
    .free = diffusion_free,
};
