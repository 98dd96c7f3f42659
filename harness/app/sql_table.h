/* sql_table.h - several queries printed one after the other, in any format but csv. */
#ifndef APP_SQL_TABLE_H
#define APP_SQL_TABLE_H

#include "harness/app/options.h"
#include "results/output.h"

struct sql_table {
    const char *name, *heading, *sql;
};

/* md, latex: those with rows, each under its heading; without any, a sentence that names the
 * verbs which fill the database.  json: one object of arrays; jsonl: lines that name their
 * table.  csv holds one table and is the caller's to refuse. */
enum err sql_tables_print(struct store *s, const struct sql_table *table, int32_t n,
                          const struct options *o, const char *filled_by) MUST_CHECK;

#endif
