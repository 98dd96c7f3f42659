/* denoise.h - what full-sequence and block decoders share: a batch's current block,
 * its denoise forwards and the tokens they reveal. */
#ifndef DIFFUSION_DENOISE_H
#define DIFFUSION_DENOISE_H

#include "diffusion/unmask.h"

struct denoise {
    struct decode_spec spec;
    const struct model_config *config; /* borrowed */
    bool shifted;                      /* a position's token comes from the row before it */
    int32_t length;                    /* of a sequence                                    */
    int32_t *tokens;                   /* owned [batch, length]                            */
    struct unmask *unmask;             /* owned [batch]                                    */
    struct pass_seq *seq;              /* owned [batch]                                    */
    int32_t *logit_row, *logit_pos;    /* owned [batch, length]: rows of a span wanted, and
                                          the position each one decides                    */
    int32_t *logit_of;                 /* owned [batch, length]: the logit row that decides a
                                          position, where one was wanted                   */
    int32_t *scattered, *ids;          /* owned [batch, length]: positions of rows that are not
                                          side by side, and their tokens                   */
    struct row_stat *stat;             /* owned [length]: of one sequence's masked positions */
    float *noise;                      /* owned [batch, length]: as pass_seq has it        */
};

/* For the ops of a decoder that denoises. */
bool denoise_sequences_differ(const struct decode_spec *s);

enum err denoise_init(struct denoise *d, const struct decode_spec *s,
                      const struct model_config *c) MUST_CHECK;
void denoise_free(struct denoise *d);

int32_t *denoise_row(const struct denoise *d, int32_t b); /* tokens of sequence b */

/* Whether a sequence wants no token from this position on, and whether none does. */
bool denoise_ended(const struct denoise *d, int32_t b, int32_t position);
bool denoise_all_ended(const struct denoise *d, int32_t position);

/* Every sequence that has not ended starts block number `block`, positions [begin, end). */
void denoise_start_block(struct denoise *d, int32_t block, int32_t begin, int32_t end);
/* The same with the first position of the block revealed by its first forward. */
void denoise_reveal_first(struct denoise *d);
/* No sequence has a mask left in its block. */
bool denoise_block_done(const struct denoise *d);

/* Which positions a denoise forward computes: [pos0, pos0 + n_rows), each of which sees
 * positions 0 .. n_visible - 1; the first n_kept stay in the cache.  The first n_clean are those
 * of a finished block, which sees only what is before and in itself and gives no logits. */
struct denoise_rows {
    enum phase phase;
    int32_t pos0, n_rows, n_visible, n_kept, n_clean;
    const bool *computed; /* [batch, length]: the marked positions instead, all kept; NULL: none */
};

/* One denoise forward of every sequence that is not done with its block. */
void denoise_pass(struct denoise *d, struct pass *p, struct denoise_rows r);
void denoise_keys(const struct denoise *d, const struct pass *p, struct row_key *keys);
void denoise_accept(struct denoise *d, const struct pass *p, const struct row_stat *stats,
                    struct step_work *work);

#endif
