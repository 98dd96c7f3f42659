/* sql_table.c - several queries printed one after the other. */
#include "harness/app/sql_table.h"

#include <stdio.h>

static enum err note_row(void *ctx, const struct store_result_row *row)
{
    (void)row;
    *(bool *)ctx = true;
    return ERR_NONE;
}

static enum err has_rows(struct store *s, const char *sql, bool *out)
{
    char probe[4096];
    *out = false;
    CHECK((size_t)snprintf(probe, sizeof probe, "SELECT 1 FROM (%s) LIMIT 1", sql) < sizeof probe);
    return store_query(s, probe, NULL, 0, note_row, out);
}

struct rows {
    struct json *json;
    const char *table; /* NULL: rows need not say whose they are */
};

static enum err put_row(void *ctx, const struct store_result_row *row)
{
    struct rows *r = ctx;
    json_object_begin(r->json);
    if (r->table) {
        json_key(r->json, "table");
        json_string(r->json, r->table);
    }
    output_json_members(r->json, row, 0);
    json_object_end(r->json);
    return r->table ? json_finish(r->json) : ERR_NONE;
}

static enum err print_json(struct store *s, const struct sql_table *table, int32_t n, bool lines)
{
    struct json j;
    json_to_file(&j, stdout);
    if (!lines) json_object_begin(&j);
    for (int32_t i = 0; i < n; i++) {
        struct rows r = {.json = &j, .table = lines ? table[i].name : NULL};
        if (!lines) {
            json_key(&j, table[i].name);
            json_array_begin(&j);
        }
        TRY(store_query(s, table[i].sql, NULL, 0, put_row, &r));
        if (!lines) json_array_end(&j);
    }
    if (lines) return ERR_NONE;
    json_object_end(&j);
    return json_finish(&j);
}

enum err sql_tables_print(struct store *s, const struct sql_table *table, int32_t n,
                          const struct options *o, const char *filled_by)
{
    int32_t printed = 0;
    if (o->output == OUTPUT_JSON || o->output == OUTPUT_JSONL)
        return print_json(s, table, n, o->output == OUTPUT_JSONL);
    for (int32_t i = 0; i < n; i++) {
        bool any;
        TRY(has_rows(s, table[i].sql, &any));
        if (!any) continue;
        if (printed++) putchar('\n');
        printf(o->output == OUTPUT_LATEX ? "%% %s\n" : "## %s\n\n", table[i].heading);
        TRY(output_query(s, table[i].sql, NULL, 0, (enum print_format)o->output, NULL, stdout));
    }
    if (printed == 0)
        printf("%s%s holds nothing yet: regime %s fills it.\n",
               o->output == OUTPUT_LATEX ? "% " : "", o->db, filled_by);
    return ERR_NONE;
}
