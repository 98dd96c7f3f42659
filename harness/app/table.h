/* table.h - rows of text and numbers, printed in the format the user asked for. */
#ifndef APP_TABLE_H
#define APP_TABLE_H

#include <stdint.h>

#include "harness/app/options.h"
#include "results/store.h"

/* Fill row by row, column by column.  Memory that ran out is reported by table_print. */
struct table {
    const char *name; /* field of the rows in JSON: {"models": [...]} */
    const char *const *column;
    int32_t n_columns;
    struct store_value *value; /* owned, texts too */
    int64_t n, room;
    bool failed;
};

/* columns: NULL-terminated, borrowed like name. */
void table_open(struct table *t, const char *name, const char *const *columns);
void table_text(struct table *t, const char *text); /* NULL is allowed */
void table_int(struct table *t, int64_t i);
void table_real(struct table *t, double r); /* not finite: null */
void table_bool(struct table *t, bool b);

/* On stdout; the last row must be complete. */
enum err table_print(const struct table *t, enum output format) MUST_CHECK;
void table_free(struct table *t);

#endif
