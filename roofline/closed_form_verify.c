/* closed_form_verify.c - AR that verifies drafts, and who drafts them; see closed_form.h. */
#include "roofline/closed_form.h"

#include <math.h>

double closed_verify_tpf(double n_drafted, double acceptance)
{
    if (acceptance >= 1.0) return n_drafted + 1.0;
    return (1.0 - pow(acceptance, n_drafted + 1.0)) / (1.0 - acceptance);
}

double closed_draft_time(const struct closed_model *d, struct roof r, double batch, double cached,
                         double n_drafted)
{
    return n_drafted * closed_ar_time(d, r, batch, cached);
}

double closed_self_draft_time(const struct closed_model *m, struct roof r, double batch,
                              double cached, double n_drafted)
{
    return n_drafted > 0.0 ? closed_block_time(m, r, batch, cached, n_drafted + 1.0) : 0.0;
}

double closed_verify_equal_tpf(const struct closed_model *m, struct roof r, double batch,
                               double cached, double n_drafted, double draft_s)
{
    double verify = closed_block_time(m, r, batch, cached, n_drafted + 1.0);
    return (verify + draft_s) / closed_ar_time(m, r, batch, cached);
}

double closed_verify_speed(const struct closed_model *m, struct roof r, double batch, double cached,
                           double n_drafted, double acceptance, double draft_s)
{
    return closed_verify_tpf(n_drafted, acceptance) /
           closed_verify_equal_tpf(m, r, batch, cached, n_drafted, draft_s);
}

struct closed_value closed_verify_equal_acceptance(const struct closed_model *m, struct roof r,
                                                   double batch, double cached, double n_drafted,
                                                   double draft_s)
{
    double needed = closed_verify_equal_tpf(m, r, batch, cached, n_drafted, draft_s);
    if (needed > n_drafted + 1.0)
        return closed_missing("drafts that are always right do not pay for themselves");
    double lo = 0.0, hi = 1.0;
    for (int i = 0; i < 100; i++) {
        double mid = 0.5 * (lo + hi);
        if (closed_verify_tpf(n_drafted, mid) < needed) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return closed_exists(hi);
}

int32_t closed_verify_best_drafts(const struct closed_model *m, struct roof r, double batch,
                                  double cached, double acceptance, double draft_s,
                                  int32_t max_drafts)
{
    /* One more draft brings less than the one before and costs no less: the first that does
     * not pay is the last to look at. */
    double speed = 1.0;
    for (int32_t k = 1; k <= max_drafts; k++) {
        double next = closed_verify_speed(m, r, batch, cached, k, acceptance, k * draft_s);
        if (next <= speed) return k - 1;
        speed = next;
    }
    return max_drafts;
}
