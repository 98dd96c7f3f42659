/* table.c - see table.h. */
#include "harness/app/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/output.h"

void table_open(struct table *t, const char *name, const char *const *columns)
{
    *t = (struct table){.name = name, .column = columns};
    while (columns[t->n_columns]) t->n_columns++;
    CHECK(t->n_columns > 0);
}

static void append(struct table *t, struct store_value v)
{
    if (t->n == t->room && !t->failed) {
        int64_t room = t->room ? 2 * t->room : 64;
        struct store_value *grown = realloc(t->value, (size_t)room * sizeof *grown);
        t->failed = !grown;
        if (grown) t->value = grown, t->room = room;
    }
    if (t->failed)
        free((char *)v.text);
    else
        t->value[t->n++] = v;
}

void table_text(struct table *t, const char *text)
{
    struct store_value v = {.type = text ? VALUE_TEXT : VALUE_NULL};
    if (text) v.text = strdup(text);
    if (text && !v.text) t->failed = true;
    append(t, v);
}

void table_int(struct table *t, int64_t i)
{
    append(t, (struct store_value){.type = VALUE_INT, .i = i});
}

void table_real(struct table *t, double r)
{
    append(t, (struct store_value){.type = isfinite(r) ? VALUE_REAL : VALUE_NULL, .r = r});
}

void table_bool(struct table *t, bool b)
{
    append(t, (struct store_value){.type = VALUE_BOOL, .i = b});
}

enum err table_print(const struct table *t, enum output format)
{
    if (t->failed) return err_set(ERR_NOMEM, "no memory for a table of %s", t->name);
    CHECK(t->n % t->n_columns == 0);
    const struct output_table all = {t->column, t->n_columns, t->value, t->n};
    return output_table(&all, (enum print_format)format, t->name, stdout);
}

void table_free(struct table *t)
{
    for (int64_t i = 0; i < t->n; i++) free((char *)t->value[i].text);
    free(t->value);
    *t = (struct table){0};
}
