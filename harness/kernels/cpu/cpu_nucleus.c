/* cpu_nucleus.c - the smallest logit that top-p sampling may choose.
 *
 * Probabilities become whole numbers of 2^-40 of the largest one, so sums are exact in any order
 * and equal logits stay together.  The logit at which the sum from the top reaches the wanted
 * share is found in its bits, eleven at a time: three sweeps over the row. */
#include "harness/kernels/cpu/cpu.h"

#include <math.h>
#include <string.h>

enum { KEY_BITS = 32, DIGIT_BITS = 11, N_BINS = 1 << DIGIT_BITS };

/* Larger floats have larger keys. */
static uint32_t key_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float of_key(uint32_t key)
{
    float x;
    uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool allowed(const struct choice_rule *rule, int64_t id)
{
    return id < rule->n_ids && id != rule->mask_id;
}

/* e^((x - largest) / T) of the allowed ids; 0 for the others. */
static void weigh(const struct cpu_rows *rows, const float *x, int64_t n,
                  const struct choice_rule *rule, float *weight)
{
    float most = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (allowed(rule, i) && x[i] > most) most = x[i];
    for (int64_t i = 0; i < n; i++) {
        float below = (x[i] - most) / rule->temperature;
        weight[i] = below > -80.0f ? below : -80.0f; /* e^-80 is 0 of 2^40 */
    }
    rows->exp(weight, weight, n);
    for (int64_t i = 0; i < n; i++)
        if (!allowed(rule, i)) weight[i] = 0;
}

float cpu_nucleus(const struct cpu_rows *rows, const float *x, int64_t n,
                  const struct choice_rule *rule, float *weight)
{
    uint64_t all = 0, sum[N_BINS];
    weigh(rows, x, n, rule, weight);
    for (int64_t i = 0; i < n; i++) all += (uint64_t)(weight[i] * 0x1p40f);
    uint64_t want = (uint64_t)ceil((double)all * (double)rule->top_p);
    if (want < 1) want = 1;

    uint32_t prefix = 0;
    int known = 0; /* upper bits of the key that is sought */
    while (known < KEY_BITS) {
        int bits = KEY_BITS - known < DIGIT_BITS ? KEY_BITS - known : DIGIT_BITS;
        int shift = KEY_BITS - known - bits;
        memset(sum, 0, sizeof sum);
        for (int64_t i = 0; i < n; i++) {
            uint32_t key = key_of(x[i]);
            if (known && key >> (KEY_BITS - known) != prefix) continue;
            sum[(key >> shift) & ((1u << bits) - 1)] += (uint64_t)(weight[i] * 0x1p40f);
        }
        int32_t bin = (1 << bits) - 1;
        for (; bin > 0 && sum[bin] < want; bin--) want -= sum[bin];
        prefix = prefix << bits | (uint32_t)bin;
        known += bits;
    }
    return of_key(prefix);
}
