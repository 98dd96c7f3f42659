/* claims_evidence.h - how a reader gets the numbers behind a verdict again. */
#ifndef APP_CLAIMS_EVIDENCE_H
#define APP_CLAIMS_EVIDENCE_H

#include "harness/app/claims_trial.h"

/* A query for `sqlite3 FILE` over the measured runs that the claim asked about; *out NULL: there
 * are none.  Owned by the caller. */
enum err evidence_sql(const struct trial *t, char **out) MUST_CHECK;

/* Commands, a line each, that plan its simulated runs again; *out NULL: there are none. */
enum err evidence_command(const struct trial *t, char **out) MUST_CHECK;

#endif
