/* process.h - sources of tokens whose every conditional probability is known.
 *
 * A process is a hidden Markov chain over a few symbols: states follow each other with
 * transition[s][t], a state emits one symbol with emission[s][v].  An ordinary Markov chain has
 * a state for each symbol.  Whatever part of a sequence is seen, the forward-backward
 * recursion gives the exact distribution of any other token: what a perfect model would say.
 *
 * Every sequence is possible in a process (process_check), so that no set of tokens, however
 * it was drawn, contradicts itself. */
#ifndef DECODE_PROCESS_H
#define DECODE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"

enum { PROCESS_MAX_STATES = 16, PROCESS_MAX_SYMBOLS = 16 };

struct process {
    char name[40];
    int32_t n_states, n_symbols;
    double initial[PROCESS_MAX_STATES]; /* of the first token's state            */
    double transition[PROCESS_MAX_STATES][PROCESS_MAX_STATES];
    double emission[PROCESS_MAX_STATES][PROCESS_MAX_SYMBOLS];
};

struct process_preset {
    const char *name, *help;
};
/* Presets in order; NULL past the last. */
const struct process_preset *process_preset_at(int32_t i);
/* A preset, started in its stationary distribution; ERR_USAGE names the nearest one. */
enum err process_preset(const char *name, struct process *out) MUST_CHECK;
/* The same, or a name with a slash or a dot: a file of the words
 *     states S  symbols V  transition S*S numbers  emission S*V numbers
 * by rows; "#" starts a comment. */
enum err process_open(const char *name_or_path, struct process *out) MUST_CHECK;
/* Distributions sum to 1 within 1e-9, and any symbol can follow any state: ERR_USAGE. */
enum err process_check(const struct process *p) MUST_CHECK;
/* Start in the distribution that transition leaves as it is. */
void process_make_stationary(struct process *p);
/* A state for each symbol: a sequence's tokens are its states. */
bool process_is_markov(const struct process *p);

/* What is known of a sequence of which some tokens are seen. */
struct process_view {
    const struct process *process; /* borrowed */
    int32_t capacity, n;           /* positions there is room for, read             */
    int32_t *tokens;               /* owned [capacity]: what was read               */
    double *before, *after;        /* owned [capacity][n_states]: p(state | seen before it), and
                                      p(seen after it | state) up to a factor        */
    const double *noisy;           /* borrowed [n][n_symbols]: instead of tokens, how probable what
                                      is seen at a position is for each symbol; NULL: tokens   */
    double log_seen;               /* log probability of the tokens seen             */
};
enum err process_view_create(struct process_view *v, const struct process *p,
                             int32_t capacity) MUST_CHECK;
void process_view_free(struct process_view *v);

/* Read n positions: symbols are seen, anything else is hidden. */
void process_read(struct process_view *v, const int32_t *tokens, int32_t n);
/* Read n positions that are all seen through noise: likelihood[n][n_symbols], which must stay, of
 * any scale in each row. */
void process_read_noisy(struct process_view *v, const double *likelihood, int32_t n);
/* p[n_symbols]: distribution of the token at a position, also beyond those read.  A seen one
 * is certain. */
void process_posterior(const struct process_view *v, int32_t position, double *p);

/* state[n_states]: distribution of the state at position n given tokens[n] before it. */
void process_state(struct process_view *v, const int32_t *tokens, int32_t n, double *state);

/* log of the probability of the symbols seen among tokens[n]. */
double process_log_seen(struct process_view *v, const int32_t *tokens, int32_t n);

/* Fill the hidden ones among tokens[n] with a sample given those before them; the rest must be
 * hidden as well: first is the first hidden position.  Keyed by (seed, request, position). */
void process_sample(struct process_view *v, uint64_t seed, uint32_t request, int32_t first,
                    int32_t *tokens, int32_t n);

/* Nats per token: the limit of H(next token | all before it), for Markov chains only. */
double process_markov_entropy(const struct process *p);

#endif
