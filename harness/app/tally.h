/* tally.h - how often each generation came out: the distribution of a policy, counted.
 *
 * For policies whose law is not known, where all sequences of a process can be listed.  A prompt
 * is part of the sequence: prompts are the process's own, so the divergence of whole sequences is
 * the mean over prompts of that of generations. */
#ifndef APP_TALLY_H
#define APP_TALLY_H

#include "harness/base/mean.h"
#include "harness/decode/process.h"

struct tally;

/* Whether n_samples sequences of that length are enough to count: 20 for each that there can be,
 * of at most 4096. */
bool tally_covers(const struct process *p, int32_t length, int64_t n_samples);
enum err tally_create(const struct process *p, int32_t length, struct tally **out) MUST_CHECK;
void tally_free(struct tally *t); /* NULL is allowed */

void tally_add(struct tally *t, const int32_t *tokens); /* [length] */

/* Of whole sequences, in nats: KL(counted || true) and KL(true || counted), their first-order
 * biases taken off; the latter unknown if a sequence came out fewer than 5 times.  Half widths are
 * those of the delta method and of equal distributions added up: never too narrow, wide near 0. */
void tally_divergences(const struct tally *t, struct estimate *kl, struct estimate *reverse);

#endif
