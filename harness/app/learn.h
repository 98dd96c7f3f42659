/* learn.h - the plan of a cell whose model decides how many forwards it takes.
 *
 * Where nothing is computed nothing can decide, so such a cell is decoded once, untimed, on the
 * model itself; the plan then follows what that decode committed. */
#ifndef APP_LEARN_H
#define APP_LEARN_H

#include "harness/app/plan.h"
#include "harness/decode/commit_log.h"

/* Decode the cell and log what every forward commits.  draft: as session_create_drafted has it. */
enum err decode_logged(struct model *m, struct model *draft, const struct cell *c,
                       struct commit_log *l) MUST_CHECK;

/* Whether a cell's plan waits for its model. */
bool plan_must_learn(const struct cell *c);
/* plan_cell of the forwards that the model takes. */
enum err plan_learned(const struct cell *c, struct model *m, const struct plan_target *t,
                      struct plan *out) MUST_CHECK;

#endif
