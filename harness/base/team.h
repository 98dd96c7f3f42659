/* team.h - a team of pinned threads that all run the same function.
 *
 * The caller is member 0 and takes part.  Members wait by spinning for a short
 * while and then sleep on a futex, so a team costs microseconds while busy and
 * nothing while idle.  One CPU of the process's affinity mask per member, in
 * increasing order; when there are more members than CPUs, nothing is pinned.
 * Not re-entrant: a function run by the team may not call team_run. */
#ifndef BASE_TEAM_H
#define BASE_TEAM_H

#include <stdint.h>

#include "harness/base/err.h"

struct team;

typedef void team_fn(void *arg, int32_t member, int32_t n_members);

/* n_threads 0: one per CPU of the affinity mask. */
enum err team_create(int32_t n_threads, struct team **out) MUST_CHECK;
void team_free(struct team *t); /* NULL is allowed */
int32_t team_size(const struct team *t);

/* Run fn on every member and return when all have finished. */
void team_run(struct team *t, team_fn *fn, void *arg);

/* Wait, inside a team_run, until every member has arrived. */
void team_barrier(struct team *t, int32_t member);

/* The half-open range of n items (a multiple of unit each) member's share covers. */
void team_share(int64_t n, int64_t unit, int32_t member, int32_t n_members, int64_t *begin,
                int64_t *end);

#endif
