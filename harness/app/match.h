/* match.h - what the members of a pair hold equal, when it is not the batch.
 *
 *     policy   the same request and the same batch
 *     memory   the same bytes of device memory: each cell has the largest batch whose weights,
 *              keys and values, activations and logits fit the budget, counted as they are
 *              allocated
 *     latency  the same limit on the time a sequence waits for a token after prefill, on average:
 *              each cell has the largest batch that is planned to stay below it
 *
 * The batch is then a result, so it cannot be given, and the members of a pair differ in it. */
#ifndef APP_MATCH_H
#define APP_MATCH_H

#include "harness/app/axes.h"

/* Whether the cell's batch is chosen here. */
bool match_chooses(const struct cell *c);

/* Choose it.  False, and the reason, when no batch will do or the device cannot say; then it is
 * 1. */
bool match_batch(struct cell *c, char *reason, size_t reason_size);

/* Device bytes of the cell: weights of its models, cache and scratch. */
enum err match_memory(const struct cell *c, int64_t *bytes) MUST_CHECK;

#endif
