/* guidance.c - twins without a prompt, and the logits of both put together. */
#include "harness/decode/guidance.h"

#include <stdlib.h>

enum err guidance_init(struct guidance *g, const struct decode_spec *s,
                       const struct model_config *c, int32_t n_slots, int64_t max_rows)
{
    *g = (struct guidance){.scale = s->guidance + 1,
                           .prefix = spec_prefix(s),
                           .mask_id = c->mask_id,
                           .first_twin = n_slots};
    g->seq = calloc(2 * (size_t)n_slots, sizeof *g->seq);
    g->tokens = calloc((size_t)max_rows, sizeof *g->tokens);
    if (g->seq && g->tokens) return ERR_NONE;
    guidance_free(g);
    return err_set(ERR_NOMEM, "guidance of %d sequences: out of memory", n_slots);
}

void guidance_free(struct guidance *g)
{
    free(g->seq);
    free(g->tokens);
    *g = (struct guidance){0};
}

struct pass guidance_pass(struct guidance *g, const struct pass *p)
{
    int32_t *token = g->tokens;
    for (int32_t i = 0; i < p->n_seqs; i++) {
        struct pass_seq *one = &g->seq[i], *twin = &g->seq[p->n_seqs + i];
        *one = *twin = p->seq[i];
        twin->span.slot += g->first_twin;
        twin->tokens = token;
        for (int32_t r = 0; r < one->span.n_rows; r++) {
            int32_t position = one->positions ? one->positions[r] : one->span.pos0 + r;
            *token++ = position < g->prefix ? g->mask_id : one->tokens[r];
        }
    }
    return (struct pass){p->phase, 2 * p->n_seqs, g->seq};
}

enum err guidance_apply(const struct guidance *g, struct kernels *k, struct tensor *logits)
{
    CHECK(logits->dim[0] % 2 == 0);
    logits->dim[0] /= 2;
    struct tensor unprompted = *logits;
    unprompted.data =
        (char *)logits->data + logits->dim[0] * logits->row_stride * dtype_bytes(logits->dtype);
    return kn_guide(k, *logits, unprompted, g->scale);
}
