/* output.h - the result of a query, or other rows, as text: for people (md, latex) or programs (csv, json, jsonl).
 *
 * Programs get every digit: integers as integers, reals that read back as the same real, NULL as
 * null (csv: an empty field).  People get four digits with a unit prefix, times in the unit that
 * fits, columns aligned, and no column that is empty in every row. */
#ifndef RESULTS_OUTPUT_H
#define RESULTS_OUTPUT_H

#include <stdio.h>

#include "harness/base/json.h"
#include "results/store.h"

/* In the order of the option --output. */
enum print_format { PRINT_MD, PRINT_CSV, PRINT_JSON, PRINT_JSONL, PRINT_LATEX };

/* Print all rows of a SELECT.  name: JSON becomes {"name": [...]}; NULL: the array alone.
 * Ignored by the other formats. */
enum err output_query(struct store *s, const char *sql, const struct store_value *args,
                      int32_t n_args, enum print_format format, const char *name,
                      FILE *out) MUST_CHECK;

/* Print rows that come from no query. */
struct output_table {
    const char *const *column;
    int32_t n_columns;
    const struct store_value *value; /* [n], row by row */
    int64_t n;
};
enum err output_table(const struct output_table *t, enum print_format format, const char *name,
                      FILE *out) MUST_CHECK;

/* One value, and the columns of a row from `first` on as members of the object that is open. */
void output_json_value(struct json *j, const struct store_value *v);
void output_json_members(struct json *j, const struct store_result_row *row, int32_t first);

enum { OUTPUT_VALUE_SIZE = 64 };
/* A number as people read it: "1.25 ms" for a column ..._ns, "32.13 G" for large reals and for
 * FLOPs and bytes, other integers in full.  Text is cut to fit; "" for NULL. */
void output_readable(const char *column, const struct store_value *v,
                     char out[OUTPUT_VALUE_SIZE]);

#endif
