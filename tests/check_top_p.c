/* check_top_p.c - top-p sampling on any backend: held against a nucleus from sorted probabilities.
 */
#include "tests/check_kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "tests/ref.h"

static int by_logit(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The smallest logit that may be sampled, from sorted probabilities in double precision; *edge is
 * how close the sum of some prefix comes to the line, as a share of the whole. */
static double nucleus_floor(const float *x, int32_t v, const struct choice_rule *rule, double *edge)
{
    float *sorted = malloc((size_t)v * sizeof *sorted);
    int32_t n = 0;
    double sum = 0, above = 0, floor = INFINITY;
    for (int32_t i = 0; i < v; i++)
        if (i < rule->n_ids && i != rule->mask_id) sorted[n++] = x[i];
    qsort(sorted, (size_t)n, sizeof *sorted, by_logit);
    for (int32_t i = 0; i < n; i++) sum += exp((sorted[i] - sorted[0]) / (double)rule->temperature);
    *edge = 1;
    for (int32_t i = 0; i < n; i++) {
        bool equal = i > 0 && sorted[i] == sorted[i - 1];
        if (i > 0 && !equal) *edge = fmin(*edge, fabs(above / sum - (double)rule->top_p));
        if (i == 0 || equal || above / sum < (double)rule->top_p)
            floor = sorted[i];
        else
            break;
        above += exp((sorted[i] - sorted[0]) / (double)rule->temperature);
    }
    free(sorted);
    return floor;
}

static void choose(struct kernels *k, struct row_stat *stats, float *x, int32_t m, int32_t v,
                   const struct row_key *keys, const struct choice_rule *rule)
{
    struct guarded g = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, m, v));
    guarded_set(&g, x);
    if (kn_rowstat(k, stats, g.t, keys, rule) != ERR_NONE) fail_msg("%s", err_msg());
    guarded_close(&g);
}

/* Of the nucleus the id with the largest noisy logit, as ref_gumbel has it; false: too close to
 * tell.  Each probability is off by some units of f32, the sum by no more; noisy logits by less
 * than 1e-4 (check_rowstat). */
static bool best_of_nucleus(const float *x, int32_t v, const struct row_key *key,
                            const struct choice_rule *rule, int32_t *id)
{
    double edge, floor = nucleus_floor(x, v, rule, &edge), best = -INFINITY, second = -INFINITY;
    for (int32_t i = 0; i < rule->n_ids; i++) {
        double noisy = x[i] / (double)rule->temperature + ref_gumbel(key, rule->seed, i);
        if (i == rule->mask_id || x[i] < floor) continue;
        if (noisy > best) {
            second = best;
            best = noisy;
            *id = i;
        } else if (noisy > second) {
            second = noisy;
        }
    }
    return edge >= 1e-5 && best - second >= 2e-4;
}

int32_t check_top_p(struct kernels *k)
{
    enum { V = 5000, ROWS = 4 };
    static const float shares[] = {1e-6f, 0.1f, 0.5f, 0.9f, 0.999f, 1};
    float *x = random_floats((int64_t)V * ROWS, 21, 4);
    struct row_stat stats[ROWS];
    struct row_key keys[ROWS];
    int32_t judged = 0, id = -1;
    for (int32_t i = 0; i < V; i++) x[i] = (float)(i % 50) / 10; /* a row of ties */
    for (int32_t p = 0; p < N_CASES(shares); p++) {
        struct choice_rule rule = {
            .temperature = 0.7f, .seed = 9, .n_ids = V - 7, .mask_id = 49, .top_p = shares[p]};
        for (int32_t i = 0; i < ROWS; i++)
            keys[i] = (struct row_key){.request = 4, .position = (uint32_t)(i + 10 * p)};
        choose(k, stats, x, ROWS, V, keys, &rule);
        for (int32_t r = 0; r < ROWS; r++) {
            if (!best_of_nucleus(x + (int64_t)r * V, V, &keys[r], &rule, &id)) continue;
            if (stats[r].id != id)
                fail_msg("top-p %g, row %d: chose %d, want %d", (double)rule.top_p, r, stats[r].id,
                         id);
            judged++;
        }
    }
    free(x);
    return judged;
}

void check_nucleus_line(struct kernels *k, int32_t draws)
{
    enum { V = 5 };
    static const double p[V] = {0.08, 0.25, 0.15, 0.5, 0.02};
    float *x = calloc((size_t)draws * V, sizeof *x);
    struct row_stat *stats = calloc((size_t)draws, sizeof *stats);
    struct row_key *keys = calloc((size_t)draws, sizeof *keys);
    struct choice_rule rule = {
        .temperature = 1, .seed = 3, .n_ids = V, .mask_id = -1, .top_p = 0.6f};
    int32_t count[V] = {0};
    for (int32_t i = 0; i < draws; i++) {
        keys[i] = (struct row_key){.request = (uint32_t)i % 7, .position = (uint32_t)i / 7};
        for (int32_t j = 0; j < V; j++) x[i * V + j] = (float)log(p[j]);
    }
    choose(k, stats, x, draws, V, keys, &rule);
    for (int32_t i = 0; i < draws; i++) count[stats[i].id]++;
    assert_int_equal(count[0] + count[2] + count[4], 0);
    /* 2 : 1, within 4.5 standard deviations. */
    assert_true(fabs(count[3] - draws * 2 / 3.0) < 4.5 * sqrt(draws * 2 / 9.0));
    free(x), free(stats), free(keys);
}
