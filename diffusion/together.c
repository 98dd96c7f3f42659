/* together.c - entropies of subsets, and the cheapest way through them. */
#include "diffusion/together.h"

#include <math.h>

enum { SUBSETS = 1 << TOGETHER_MAX };

/* gap[g], g = 1 .. n: entropy of a token g places after a known one, nothing between being known.
 */
static void gap_entropies(const struct process *p, int32_t n, double gap[TOGETHER_MAX + 1])
{
    double power[PROCESS_MAX_STATES][PROCESS_MAX_STATES] = {0}, next[PROCESS_MAX_STATES];
    int32_t v = p->n_states;
    for (int32_t s = 0; s < v; s++) power[s][s] = 1;
    for (int32_t g = 1; g <= n; g++) {
        gap[g] = 0;
        for (int32_t s = 0; s < v; s++) {
            for (int32_t t = 0; t < v; t++) {
                next[t] = 0;
                for (int32_t m = 0; m < v; m++) next[t] += power[s][m] * p->transition[m][t];
            }
            for (int32_t t = 0; t < v; t++) {
                power[s][t] = next[t];
                if (next[t] > 0) gap[g] -= p->initial[s] * next[t] * log(next[t]);
            }
        }
    }
}

/* Of the tokens at the positions in `set`, the one before position 0 being known. */
static double entropy_of(uint32_t set, const double *gap)
{
    double sum = 0;
    int32_t last = -1;
    for (int32_t i = 0; set >> i; i++) {
        if (!(set >> i & 1)) continue;
        sum += gap[i - last];
        last = i;
    }
    return sum;
}

/* The set drawn together after `known`: each token's entropy by itself, less that of all. */
static double cost_of(const double *entropy, uint32_t known, uint32_t set)
{
    double apart = 0;
    for (uint32_t rest = set; rest; rest &= rest - 1)
        apart += entropy[known | (rest & -rest)] - entropy[known];
    double cost = apart - (entropy[known | set] - entropy[known]);
    return cost > 0 ? cost : 0; /* a rounding below 0 is 0 */
}

/* entropy[1 << n]: of every subset. */
static void subset_entropies(const struct process *p, int32_t n, double *entropy)
{
    double gap[TOGETHER_MAX + 1];
    CHECK(process_is_markov(p) && n >= 1 && n <= TOGETHER_MAX);
    gap_entropies(p, n, gap);
    for (uint32_t set = 0; set < 1u << n; set++) entropy[set] = entropy_of(set, gap);
}

double together_cost(const struct process *p, int32_t n, const int32_t *step)
{
    double entropy[SUBSETS], sum = 0;
    uint32_t known = 0, all = (1u << n) - 1;
    subset_entropies(p, n, entropy);
    for (int32_t s = 0; known != all; s++) {
        uint32_t set = 0;
        for (int32_t i = 0; i < n; i++)
            if (step[i] == s) set |= 1u << i;
        CHECK(s < n);
        sum += cost_of(entropy, known, set);
        known |= set;
    }
    return sum;
}

/* One forward more: next[known] is the least with it, from[known] the set that it reveals there. */
static void advance(const double *entropy, uint32_t all, const double *best, double *next,
                    uint16_t *from)
{
    for (uint32_t known = 0; known <= all; known++) next[known] = INFINITY;
    for (uint32_t known = 0; known < all; known++) {
        if (isinf(best[known])) continue;
        uint32_t open = all & ~known;
        for (uint32_t set = open; set; set = (set - 1) & open) {
            double sum = best[known] + cost_of(entropy, known, set);
            if (sum >= next[known | set]) continue;
            next[known | set] = sum;
            from[known | set] = (uint16_t)set;
        }
    }
}

double together_least(const struct process *p, int32_t n, int32_t n_steps, int32_t *step)
{
    double entropy[SUBSETS], best[2][SUBSETS];
    uint16_t from[TOGETHER_MAX][SUBSETS];
    uint32_t all = (1u << n) - 1, known = all;
    CHECK(n_steps >= 1 && n_steps <= n);
    subset_entropies(p, n, entropy);
    for (uint32_t set = 0; set <= all; set++) best[0][set] = set ? INFINITY : 0;
    for (int32_t s = 0; s < n_steps; s++)
        advance(entropy, all, best[s % 2], best[(s + 1) % 2], from[s]);
    for (int32_t s = n_steps - 1; step && s >= 0; s--) {
        uint32_t set = from[s][known];
        for (int32_t i = 0; i < n; i++)
            if (set >> i & 1) step[i] = s;
        known &= ~set;
    }
    return best[n_steps % 2][all];
}
