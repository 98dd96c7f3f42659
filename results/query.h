/* query.h - what the store does around queries. */
#ifndef RESULTS_QUERY_H
#define RESULTS_QUERY_H

#include "results/db.h"

/* SQLite's authorizer: while a caller's query is being prepared, only reading is allowed. */
int query_authorize(void *store, int action, const char *a, const char *b, const char *db,
                    const char *view);

/* Forget all prepared queries. */
void query_drop_all(struct store *s);

#endif
