/* diffusion.c - full-sequence masked diffusion.
 *
 * Without a block length the generation is one block.  With one, blocks are denoised
 * from left to right, but every forward still computes the whole sequence, later
 * masks included: that is semi-autoregressive decoding, not block diffusion. */
#include "diffusion/diffusion.h"

#include <stdlib.h>

#include "diffusion/denoise.h"

struct diffusion {
    struct decoder base;
    struct denoise denoise;
    int32_t block_length, n_blocks, block; /* block: the current one */
};

static enum err diffusion_check(const struct decode_spec *s, const struct model_config *c)
{
    TRY(spec_check(s, c));
    if (s->steps < 1) return err_set(ERR_USAGE, "diffusion: steps %d: want 1 or more", s->steps);
    if (s->block_length < 0 || (s->block_length && s->n_gen % s->block_length))
        return err_set(ERR_USAGE, "diffusion: n-gen %d is not a multiple of block-length %d",
                       s->n_gen, s->block_length);
    if (s->cache != CACHE_NONE)
        return err_set(ERR_USAGE, "diffusion: this build has no approximate caches");
    return ERR_NONE;
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
    };
}

static void start_block(struct diffusion *d)
{
    int32_t begin = d->denoise.spec.n_prompt + d->block * d->block_length;
    denoise_start_block(&d->denoise, d->block, begin, begin + d->block_length);
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
    start_block(d);
    *out = &d->base;
    return ERR_NONE;
}

static void diffusion_free(struct decoder *base)
{
    struct diffusion *d = (struct diffusion *)base;
    if (!d) return;
    denoise_free(&d->denoise);
    free(d);
}

static bool diffusion_done(const struct decoder *base)
{
    const struct diffusion *d = (const struct diffusion *)base;
    return d->block == d->n_blocks;
}

static void diffusion_next(struct decoder *base, struct pass *p)
{
    struct diffusion *d = (struct diffusion *)base;
    denoise_pass(&d->denoise, p, 0, d->denoise.length);
}

static void diffusion_keys(const struct decoder *base, const struct pass *p, struct row_key *keys)
{
    denoise_keys(&((const struct diffusion *)base)->denoise, p, keys);
}

static void diffusion_accept(struct decoder *base, const struct pass *p,
                             const struct row_stat *stats, struct step_work *work)
{
    struct diffusion *d = (struct diffusion *)base;
    denoise_accept(&d->denoise, p, stats, work);
    if (!denoise_block_done(&d->denoise)) return;
    d->block++;
    if (d->block < d->n_blocks) start_block(d);
}

static const int32_t *diffusion_tokens(const struct decoder *base)
{
    return ((const struct diffusion *)base)->denoise.tokens;
}

const struct decoder_ops decoder_diffusion = {
    .name = "diffusion",
    .help = "full-sequence masked diffusion: all positions every forward, no cache",
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
