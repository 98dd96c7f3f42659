/* commit_log.c - what a forward committed is where a mask was before it and is not after it. */
#include "harness/decode/commit_log.h"

#include <stdlib.h>
#include <string.h>

static size_t length_of(const struct commit_log *l)
{
    return (size_t)spec_length(&l->spec);
}

enum err commit_log_init(struct commit_log *l, const struct decode_spec *s,
                         const struct model_config *c)
{
    *l = (struct commit_log){.spec = *s, .mask_id = c->mask_id};
    l->n_forwards = calloc((size_t)s->batch, sizeof *l->n_forwards);
    l->before = calloc((size_t)s->batch * length_of(l), sizeof *l->before);
    l->position = calloc((size_t)s->n_gen, sizeof *l->position);
    if (l->n_forwards && l->before && l->position) return ERR_NONE;
    commit_log_free(l);
    return err_set(ERR_NOMEM, "log of %d sequences: out of memory", s->batch);
}

void commit_log_free(struct commit_log *l)
{
    strbuf_free(&l->text);
    free(l->n_forwards);
    free(l->before);
    free(l->position);
    *l = (struct commit_log){0};
}

void commit_log_before(struct commit_log *l, const int32_t *tokens)
{
    memcpy(l->before, tokens, (size_t)l->spec.batch * length_of(l) * sizeof *tokens);
}

void commit_log_after(struct commit_log *l, const struct pass *p, const int32_t *tokens)
{
    for (int32_t i = 0; i < p->n_seqs; i++) {
        int32_t b = p->seq[i].span.slot;
        size_t first = (size_t)b * length_of(l) + (size_t)spec_prefix(&l->spec);
        struct trace_line line = {
            .request = b, .forward = l->n_forwards[b]++, .block = -1, .phase = p->phase};
        for (int32_t k = 0; k < l->spec.n_gen; k++)
            if (l->before[first + (size_t)k] == l->mask_id &&
                tokens[first + (size_t)k] != l->mask_id)
                l->position[line.n++] = k;
        line.position = l->position;
        commit_trace_write(&l->text, &line);
    }
}
