/* claims_world.h - the runs of the claims' sweep on a machine that obeys the closed forms exactly.
 */
#ifndef TESTS_CLAIMS_WORLD_H
#define TESTS_CLAIMS_WORLD_H

#include "harness/app/claims_trial.h"

struct world {
    struct seen *run;
    const struct seen **of; /* the same, as claims want them */
    int32_t n;
};

/* timed: as if a GPU had measured what the forms say; else plans for an imagined one. */
struct world claims_world(bool timed);
void world_free(struct world *w);

/* "C22 a": the part after a blank, where a claim has several. */
void claim_name(const struct claim *c, char out[32]);
const struct claim *claim_named(const char *name);
/* The finding is the caller's to free. */
struct finding judge(const struct world *w, const char *id);
void expect(const struct world *w, const char *id, enum verdict v);

#endif
