/* table.h - rows of text and numbers, printed in the format the user asked for. */
#ifndef APP_TABLE_H
#define APP_TABLE_H

#include <stdint.h>

#include "harness/app/options.h"

enum { TABLE_MAX_COLUMNS = 32 };

/* One value; NULL text with kind TEXT prints as null / an empty field. */
struct table_value {
    enum { TABLE_TEXT, TABLE_INT, TABLE_REAL, TABLE_BOOL } kind;
    char *text; /* owned */
    int64_t i;
    double r; /* NaN: null */
};

/* Fill row by row, column by column.  Memory that ran out is reported by table_print. */
struct table {
    const char *name; /* field of the rows in JSON: {"models": [...]} */
    const char *const *column;
    int32_t n_columns;
    struct table_value *value;
    int64_t n, room;
    bool failed;
};

/* columns: NULL-terminated, borrowed like name. */
void table_open(struct table *t, const char *name, const char *const *columns);
void table_text(struct table *t, const char *text); /* NULL is allowed */
void table_int(struct table *t, int64_t i);
void table_real(struct table *t, double r);
void table_bool(struct table *t, bool b);

/* On stdout; the last row must be complete. */
enum err table_print(const struct table *t, enum output format) MUST_CHECK;
void table_free(struct table *t);

#endif
