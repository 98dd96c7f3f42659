/* test_claims_quality.c - claims about quality: each can hold, and each can fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/app/claims_trial.h"

static const struct claim *find(const char *id)
{
    const struct claim *c;
    for (int32_t i = 0; (c = claim_at(i)); i++)
        if (strcmp(c->id, id) == 0) return c;
    fail_msg("no claim %s", id);
    return NULL;
}

/* Policies made up so that each claim about quality holds, and one number of each that breaks it:
 * blocks of 4, an entropy of 1 nat, so that 0.01 is what passes for nothing. */
static void claims_about_quality_hold_and_fail(void **state)
{
    static const struct {
        const char *id, *strategy;
        int32_t steps;
        double holds, fails;
    } cases[] = {
        {"C27", "random", 2, 0.005, 0.02},
        {"C28", "low-confidence", 2, 0.002, 0.008}, /* beside random's 0.005 */
        {"C29", "topk-margin", 4, 0, 0.001},
        {"C30", "low-confidence", 4, 0.2, 0.001},
    };
    struct seen_policy p[5];
    struct policy_list l = {.policy = p, .n = 5};
    struct finding f;
    for (size_t i = 0; i < 4; i++)
        for (int broken = -1; broken < 4; broken++) {
            for (int32_t k = 0; k < 5; k++) {
                const char *strategy = k < 4 ? cases[k].strategy : "sequential";
                double kl = k == 4 ? 0 : k == broken ? cases[k].fails : cases[k].holds;
                p[k] = (struct seen_policy){.batch = 1, .n_prompt = 4, .n_gen = 8, .block = 4,
                                            .steps = k == 4 ? 4 : cases[k].steps,
                                            .temperature = 1, .entropy = 1, .kl = {kl, kl, kl}};
                snprintf(p[k].process, sizeof p[k].process, "made-up");
                snprintf(p[k].decoder, sizeof p[k].decoder, "block");
                snprintf(p[k].strategy, sizeof p[k].strategy, "%s", strategy);
            }
            assert_int_equal(claim_judge_policies(find(cases[i].id), &l, &f), ERR_NONE);
            bool fails = broken == (int)i;
            /* Random order further from the truth makes confidence look better, not worse. */
            assert_int_equal(f.verdict, fails ? VERDICT_FAIL : VERDICT_PASS);
            assert_int_equal(f.evidence, EVIDENCE_PROCESS);
            assert_non_null(f.sql);
            finding_free(&f);
        }
    /* An interval across the limit decides nothing, and without policies nothing is said. */
    p[0].kl = (struct reading){0.009, 0.005, 0.02};
    l.n = 1;
    assert_int_equal(claim_judge_policies(find("C27"), &l, &f), ERR_NONE);
    assert_int_equal(f.verdict, VERDICT_INCONCLUSIVE);
    finding_free(&f);
    l.n = 0;
    assert_int_equal(claim_judge_policies(find("C27"), &l, &f), ERR_NONE);
    assert_int_equal(f.verdict, VERDICT_NOT_RUN);
    assert_non_null(strstr(f.reason, "regime quality"));
    finding_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_about_quality_hold_and_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
