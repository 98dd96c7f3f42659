/* claims_physics.c - whether a forward's time depends on the family that asked for it. */
#include <math.h>
#include <string.h>

#include "harness/app/claims_ask.h"

/* The verifying run with as many logit rows in its forwards as this block run in a denoise forward.
 */
static const struct seen *verifier(const struct trial *t, const struct seen *block)
{
    int32_t i = 0;
    const struct seen *s;
    while ((s = trial_next(t, "ar-verify", &i)))
        if (seen_same_request(s, block) && s->batch == block->batch &&
            s->phase[PHASE_VERIFY].logit_rows == block->phase[PHASE_DENOISE].logit_rows)
            return s;
    return NULL;
}

/* "C26": a block of q and a verification of q rows take the same time. */
void ask_same_physics(struct trial *t)
{
    int32_t i = 0;
    const struct seen *s;
    char text[RUN_TEXT_SIZE];
    while ((s = trial_next(t, "block", &i))) {
        const struct seen *v = verifier(t, s);
        if (s->steps != 1) {
            trial_rule_out(t, RANK_CONDITION, "%s: wants one denoise forward per block",
                           seen_text(s, text));
            continue;
        }
        if (!v) {
            trial_rule_out(t, RANK_PARTNER, "no ar-verify run with as many rows as %s",
                           seen_text(s, text));
            continue;
        }
        /* What disturbs the machine disturbs both of two forwards in turn. */
        bool paired = s->over_verify.value > 0 && strcmp(s->verifier_id, v->run_id) == 0;
        if (!paired && (!trial_can_time(t, s) || !trial_can_time(t, v))) continue;
        trial_ask(t,
                  &(struct asking){.of = s,
                                   .and_of = v,
                                   .predicted = 1,
                                   .found = paired ? s->over_verify
                                                   : reading_ratio(s->phase[PHASE_DENOISE].ns,
                                                                   v->phase[PHASE_VERIFY].ns),
                                   .least = 0.98,
                                   .most = 1.02},
                  "time of a denoise forward over that of a verify forward of as many rows, %s",
                  seen_text(s, text));
    }
}
