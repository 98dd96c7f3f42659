/* claims_summary.c - how many claims held, and which way they point. */
#include <stdio.h>
#include <string.h>

#include "harness/app/claims.h"

static bool same_claim(const struct claim *a, const struct claim *b)
{
    return strcmp(a->id, b->id) == 0 && a->direction == b->direction;
}

/* What this kind of evidence says of a claim, all its parts of one direction and all devices
 * together: FAIL if it failed anywhere, PASS if it held wherever it was decided. */
static enum verdict verdict_by(const struct finding_list *l, const struct claim *c,
                               enum evidence by)
{
    enum verdict v = VERDICT_NOT_RUN;
    for (int32_t i = 0; i < l->n; i++) {
        const struct finding *f = &l->finding[i];
        if (f->evidence != by || !same_claim(f->claim, c)) continue;
        if (f->verdict == VERDICT_FAIL) return VERDICT_FAIL;
        if (f->verdict == VERDICT_PASS) v = VERDICT_PASS;
    }
    return v;
}

static void count(struct claim_count *n, const struct claim *c, enum verdict v)
{
    bool pass = v == VERDICT_PASS;
    char direction = c->direction;
    if (v != VERDICT_PASS && v != VERDICT_FAIL) return;
    size_t used = strlen(n->failed);
    if (!pass) snprintf(n->failed + used, sizeof n->failed - used, "%s%s", used ? ", " : "", c->id);
    if (direction == '+')
        *(pass ? &n->supports : &n->failed_supports) += 1;
    else if (direction == '-')
        *(pass ? &n->contradicts : &n->failed_contradicts) += 1;
    else
        *(pass ? &n->neutral : &n->failed_neutral) += 1;
}

static bool seen_above(int32_t i)
{
    for (int32_t k = 0; k < i; k++)
        if (same_claim(claim_at(k), claim_at(i))) return true;
    return false;
}

void claims_summarize(const struct finding_list *l, struct claims_summary *out)
{
    const struct claim *c;
    *out = (struct claims_summary){0};
    for (int32_t i = 0; (c = claim_at(i)); i++) {
        bool decided = false;
        if (seen_above(i)) continue;
        for (int e = EVIDENCE_ANALYTIC; e < EVIDENCE_COUNT; e++) {
            enum verdict v = verdict_by(l, c, e);
            count(&out->by[e], c, v);
            decided |= v == VERDICT_PASS || v == VERDICT_FAIL;
        }
        out->n_claims++;
        out->n_undecided += !decided;
    }
}
