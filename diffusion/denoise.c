/* denoise.c - choosing rows, revealing tokens. */
#include "diffusion/denoise.h"

#include <stdlib.h>
#include <string.h>

enum err denoise_init(struct denoise *d, const struct decode_spec *s, const struct model_config *c)
{
    enum err e = ERR_NONE;
    size_t batch = (size_t)s->batch, length = (size_t)spec_length(s);
    memset(d, 0, sizeof *d);
    d->spec = *s;
    d->config = c;
    d->shifted = head_is_shifted(s, c);
    d->length = (int32_t)length;
    d->unmask = calloc(batch, sizeof *d->unmask);
    d->seq = calloc(batch, sizeof *d->seq);
    d->logit_row = calloc(batch * length, sizeof *d->logit_row);
    d->logit_pos = calloc(batch * length, sizeof *d->logit_pos);
    d->logit_of = calloc(batch * length, sizeof *d->logit_of);
    d->scattered = calloc(batch * length, sizeof *d->scattered);
    d->ids = calloc(batch * length, sizeof *d->ids);
    d->stat = calloc(length, sizeof *d->stat);
    d->noise = calloc(batch * length, sizeof *d->noise);
    if (!d->unmask || !d->seq || !d->logit_row || !d->logit_pos || !d->logit_of || !d->scattered ||
        !d->ids || !d->stat || !d->noise)
        TRY_OUT(err_set(ERR_NOMEM, "denoise: %d sequences: out of memory", s->batch));
    for (size_t b = 0; b < batch; b++) TRY_OUT(unmask_create(&d->unmask[b], d->length));
    TRY_OUT(canvas_create(s, c, &d->tokens));
    return ERR_NONE;
out:
    denoise_free(d);
    return e;
}

void denoise_free(struct denoise *d)
{
    for (int32_t b = 0; d->unmask && b < d->spec.batch; b++) unmask_free(&d->unmask[b]);
    free(d->unmask);
    free(d->seq);
    free(d->logit_row);
    free(d->logit_pos);
    free(d->logit_of);
    free(d->scattered);
    free(d->ids);
    free(d->stat);
    free(d->noise);
    free(d->tokens);
}

int32_t *denoise_row(const struct denoise *d, int32_t b)
{
    return d->tokens + (size_t)b * d->length;
}

void denoise_start_block(struct denoise *d, int32_t block, int32_t begin, int32_t end)
{
    for (int32_t b = 0; b < d->spec.batch; b++)
        unmask_start(&d->unmask[b], &d->spec, (uint32_t)b, (uint32_t)block, denoise_row(d, b),
                     begin, denoise_ended(d, b, begin) ? begin : end, d->config);
}

bool denoise_ended(const struct denoise *d, int32_t b, int32_t position)
{
    return position >= spec_prefix(&d->spec) + spec_wanted(&d->spec, b);
}

bool denoise_all_ended(const struct denoise *d, int32_t position)
{
    for (int32_t b = 0; b < d->spec.batch; b++)
        if (!denoise_ended(d, b, position)) return false;
    return true;
}

void denoise_reveal_first(struct denoise *d)
{
    for (int32_t b = 0; b < d->spec.batch; b++) unmask_first(&d->unmask[b], d->unmask[b].begin);
}

bool denoise_block_done(const struct denoise *d)
{
    for (int32_t b = 0; b < d->spec.batch; b++)
        if (!unmask_done(&d->unmask[b])) return false;
    return true;
}

/* The positions whose logits are wanted, ascending. */
static int32_t wanted(const struct denoise *d, int32_t b, const struct denoise_rows *r,
                      int32_t *pos)
{
    const struct unmask *u = &d->unmask[b];
    int32_t n = 0, pos0 = r->pos0 + r->n_clean;
    if (d->spec.logits == LOGITS_MASKED) {
        memcpy(pos, u->open, (size_t)u->n_open * sizeof *pos);
        return u->n_open;
    }
    int32_t first = spec_prefix(&d->spec) > pos0 ? spec_prefix(&d->spec) : pos0;
    /* The row before the first computed one is not there to ask. */
    if (d->shifted && first == pos0 && pos0 > 0) first++;
    for (int32_t p = first; p < r->pos0 + r->n_rows; p++)
        if (!r->computed || r->computed[(size_t)b * d->length + p]) pos[n++] = p;
    return n;
}

/* Rows at the marked positions.  row_of[position]: the row there. */
static void scatter(struct denoise *d, int32_t b, const bool *computed, struct pass_seq *s,
                    int32_t *row_of)
{
    int32_t *at = d->scattered + (size_t)b * d->length, n = 0;
    int32_t *ids = d->ids + (size_t)b * d->length;
    const int32_t *tokens = denoise_row(d, b);
    for (int32_t p = 0; p < d->length; p++) {
        if (!computed[(size_t)b * d->length + p]) continue;
        row_of[p] = n;
        ids[n] = tokens[p];
        at[n++] = p;
    }
    s->span.pos0 = 0;
    s->span.n_rows = s->n_kept = n;
    s->tokens = ids;
    s->positions = at;
}

/* Say how noisy the tokens of a sequence are, by position. */
static float *note_noise(struct denoise *d, int32_t b)
{
    const struct unmask *u = &d->unmask[b];
    float *noise = d->noise + (size_t)b * d->length;
    memset(noise, 0, (size_t)d->length * sizeof *noise);
    for (int32_t i = 0; i < u->n_masks; i++) noise[u->mask[i]] = (float)u->noise;
    return noise;
}

void denoise_pass(struct denoise *d, struct pass *p, struct denoise_rows r)
{
    int32_t n_seqs = 0;
    for (int32_t b = 0; b < d->spec.batch; b++) {
        if (unmask_done(&d->unmask[b])) continue;
        int32_t *pos = d->logit_pos + (size_t)b * d->length;
        int32_t *row = d->logit_row + (size_t)b * d->length;
        int32_t *logit_of = d->logit_of + (size_t)b * d->length;
        int32_t n = wanted(d, b, &r, pos);
        struct pass_seq *s = &d->seq[n_seqs++];
        *s = (struct pass_seq){
            .span = {.slot = b,
                     .n_rows = r.n_rows,
                     .pos0 = r.pos0,
                     .n_visible = r.n_visible,
                     .block = d->spec.block_length,
                     .mask = r.n_clean ? MASK_BLOCK : MASK_FULL},
            .tokens = denoise_row(d, b) + r.pos0,
            .logit_row = row,
            .n_logits = n,
            .n_kept = r.n_kept,
            .noise = d->unmask[b].strategy->noisy ? note_noise(d, b) + r.pos0 : NULL,
        };
        /* Until it holds logit rows, logit_of serves to find rows by their position. */
        if (r.computed) scatter(d, b, r.computed, s, logit_of);
        for (int32_t i = 0; i < n; i++) {
            row[i] = r.computed ? logit_of[pos[i]] : pos[i] - r.pos0 - d->shifted;
            if (row[i] < 0) row[i] = 0; /* position 0 has no row before it */
        }
        for (int32_t i = 0; i < n; i++) logit_of[pos[i]] = i;
    }
    *p = (struct pass){r.phase, n_seqs, d->seq};
}

void denoise_keys(const struct denoise *d, const struct pass *p, struct row_key *keys)
{
    for (int32_t i = 0; i < p->n_seqs; i++) {
        int32_t b = p->seq[i].span.slot;
        const int32_t *pos = d->logit_pos + (size_t)b * d->length;
        for (int32_t j = 0; j < p->seq[i].n_logits; j++)
            *keys++ = (struct row_key){(uint32_t)b, (uint32_t)pos[j], (uint32_t)d->unmask[b].step};
    }
}

/* Tokens that this forward made final.  Where positions may be masked again, none is before the
 * block is done. */
static void count_final(const struct denoise *d, const struct unmask *u, struct step_work *work)
{
    const int32_t *pos = u->revealed;
    int32_t n = u->n_revealed;
    if (u->strategy->revises) {
        pos = u->mask;
        n = unmask_done(u) ? u->n_masks : 0;
    }
    for (int32_t i = 0; i < n; i++)
        work_add_token(work, &d->spec, d->config, (int32_t)u->request, pos[i]);
}

void denoise_accept(struct denoise *d, const struct pass *p, const struct row_stat *stats,
                    struct step_work *work)
{
    for (int32_t i = 0; i < p->n_seqs; i++) {
        int32_t b = p->seq[i].span.slot, n = p->seq[i].n_logits;
        const int32_t *pos = d->logit_pos + (size_t)b * d->length;
        const int32_t *logit_of = d->logit_of + (size_t)b * d->length;
        struct unmask *u = &d->unmask[b];
        for (int32_t o = 0; o < u->n_open; o++) {
            int32_t at = logit_of[u->open[o]];
            CHECK(at < n && pos[at] == u->open[o]);
            d->stat[o] = stats[at];
        }
        unmask_accept(u, d->stat, denoise_row(d, b));
        count_final(d, u, work);
        stats += n;
    }
}

bool denoise_sequences_differ(const struct decode_spec *s)
{
    return s->trace || s->eos || s->batch_policy != BATCH_LOCKSTEP ||
           strategy_of(s->strategy)->differs;
}
