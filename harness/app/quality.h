/* quality.h - what a decoding policy costs in quality, measured where the truth is known.
 *
 * A cell's decoder runs unchanged on an exact process at temperature 1 (or the cell's own).
 * Whatever it produces comes with two numbers: log p, the true log probability of the
 * generation after its prompt, and log q, that with which the policy produced it.  Means of
 * log q - log p over what was produced, and of log p - log q over true sequences, are the two
 * Kullback-Leibler divergences, without bias.  docs/QUALITY.md says what log q is for each
 * strategy, and where it is a bound or not known. */
#ifndef APP_QUALITY_H
#define APP_QUALITY_H

#include "harness/decode/exact.h"
#include "results/quality.h"

/* ERR_USAGE: why this cell says nothing about quality on a process. */
enum err quality_check(const struct process *p, const struct cell *c) MUST_CHECK;

/* Decode at least n_samples sequences in batches of the cell's.  Prompts are drawn from the
 * process. */
enum err quality_measure(struct kernels *k, const struct process *p, const struct cell *c,
                         int64_t n_samples, struct quality_row *out) MUST_CHECK;

/* The cell as it is on a process: its name for the model's, no layers, a head that predicts its
 * own position unless it says otherwise, temperature 1 for 0. */
struct cell cell_on_process(const struct cell *c, const struct process *p);

/* SHA-256 of a process's numbers. */
void process_sha256(const struct process *p, char out[65]);

#endif
