/* test_corruption.c - noise and masks on tokens, held against identities of information theory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/corruption.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

/* Half the integral of the minimal squared error over the signal-to-noise ratio is the information
 * that is left (Guo, Shamai and Verdu): with what rounding still asks, the entropy of the tokens.
 * The sum of 4096 steps of equal log ratio stands for the integral, 1 % fine; sampling has some
 * 3000 tokens, whose surprises differ by about 1 nat: 0.02, five times over 0.1. */
static void noise_in_many_steps_costs_the_entropy(void **state)
{
    static const int32_t widths[] = {16, 768};
    struct corruption_curve c;
    struct process p;
    OK(process_preset("sticky-4", &p));
    for (int i = 0; i < 2; i++) {
        OK(corruption_noise(&p, widths[i], 16, 200, 5, &c));
        double bound = corruption_best_bound(&c, 4096), want = process_markov_entropy(&p);
        if (fabs(bound - want) > 0.1) fail_msg("width %d: %g, entropy %g", widths[i], bound, want);
        assert_true(corruption_best_bound(&c, 4) > bound);
        assert_true(corruption_bound(&c, 4) > corruption_best_bound(&c, 4));
        double times = corruption_bound(&c, 4096); /* fewer steps lie where they count */
        assert_true(times > bound - 0.01 && times < want + 1);
    }
    /* One of 64 equally likely symbols, exactly log 64. */
    OK(corruption_noise_of_uniform(64, 128, 3000, 5, &c));
    double bound = corruption_best_bound(&c, 4096);
    if (fabs(bound - log(64)) > 0.1) fail_msg("64 symbols: %g, log 64 is %g", bound, log(64));
}

/* Without noise tokens are known, in nothing but noise they are what the process makes likely. */
static void curves_end_where_they_must(void **state)
{
    enum { LAST = CORRUPTION_POINTS - 1 };
    struct corruption_curve c;
    struct process p;
    OK(process_preset("iid-4", &p));
    double h = 0, guess = 0;
    for (int x = 0; x < 4; x++) {
        h -= p.emission[0][x] * log(p.emission[0][x]);
        guess += p.emission[0][x] * p.emission[0][x];
    }
    OK(corruption_noise(&p, 64, 8, 500, 5, &c));
    assert_true(c.entropy[0] < 1e-9 && c.error[0] == 0 && c.mmse[0] < 1e-9);
    assert_true(fabs(c.entropy[LAST] - h) < 0.01); /* a thousandth of the signal is left */
    assert_true(fabs(c.mmse[LAST] - (1 - guess)) < 0.02);
    assert_true(fabs(c.error[LAST] - 0.75) < 0.05); /* 4000 tokens, sd 0.007 */
    for (int i = 0; i < LAST; i++) assert_true(c.entropy[i] < c.entropy[i + 1] + 1e-9);

    /* Two symbols of which nothing else is known, halfway: the error of the sign of a normal
     * number, Phi(-sqrt(g width / 2)). */
    OK(corruption_noise_of_uniform(2, 32, 20000, 5, &c));
    for (int i = 0; i < CORRUPTION_POINTS; i += 8) {
        double want = 0.5 * erfc(sqrt(exp(c.level[i]) * 32 / 2) / sqrt(2));
        assert_true(fabs(c.error[i] - want) <= 5 * sqrt(want * (1 - want) / 20000) + 1e-12);
    }
}

/* Independent tokens: each mask says the same at any rate, so that the bound is the entropy for
 * every number of steps.  Dependent ones in one step cost the sum of their own entropies, which is
 * more than theirs together; a chain's far tokens have the stationary entropy log 4. */
static void masks_cost_what_tokens_share(void **state)
{
    struct corruption_curve c;
    struct process p;
    OK(process_preset("iid-4", &p));
    OK(corruption_masks(&p, 8, 500, 5, &c));
    assert_true(fabs(corruption_bound(&c, 1) - corruption_bound(&c, 64)) < 0.05);
    /* Entropy rises as the mask rate does: 5 to 95 % of the time. */
    assert_true(fabs(corruption_useful_time(&c) - 0.9) < 0.01);
    OK(process_preset("sticky-4", &p));
    OK(corruption_masks(&p, 16, 400, 5, &c));
    double many = corruption_bound(&c, 4096), one = corruption_bound(&c, 1);
    assert_true(fabs(many - process_markov_entropy(&p)) < 0.05);
    assert_true(one > many + 0.3 && one < log(4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_in_many_steps_costs_the_entropy),
        cmocka_unit_test(curves_end_where_they_must),
        cmocka_unit_test(masks_cost_what_tokens_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
