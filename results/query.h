/* query.h - what the store does around queries. */
#ifndef RESULTS_QUERY_H
#define RESULTS_QUERY_H

#include "results/db.h"

/* SQLite's authorizer: refuses, while a caller's query is being prepared, what changes the
 * connection and not the file; sqlite3_stmt_readonly tells the rest. */
int query_authorize(void *store, int action, const char *a, const char *b, const char *db,
                    const char *view);

/* store_query that first calls `columns` (NULL: not) once, with names and no meaningful values,
 * be there rows or not. */
enum err query_with_columns(struct store *s, const char *sql, const struct store_value *args,
                            int32_t n_args, store_row_fn *columns, store_row_fn *fn,
                            void *ctx) MUST_CHECK;

/* Forget all prepared queries. */
void query_drop_all(struct store *s);

#endif
