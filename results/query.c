/* query.c - read-only SQL, one callback per row; SELECTs asked before stay prepared. */
#include "results/query.h"

#include <stdlib.h>
#include <string.h>

struct store_value store_text(const char *t)
{
    return (struct store_value){.type = t ? VALUE_TEXT : VALUE_NULL, .text = t};
}

struct store_value store_int(int64_t i)
{
    return (struct store_value){.type = VALUE_INT, .i = i};
}

int query_authorize(void *ctx, int action, const char *a, const char *b, const char *db,
                    const char *view)
{
    const struct store *s = ctx;
    if (!s->asking) return SQLITE_OK;
    switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return SQLITE_DENY;
    case SQLITE_PRAGMA: /* most of those with a value set something */
        return !b || strstr(" table_info table_xinfo index_list index_info ", a) ? SQLITE_OK :
                                                                                   SQLITE_DENY;
    default:
        return SQLITE_OK;
    }
}

/* The statement on one line, shortened. */
static enum err fail(struct store *s, const char *sql, int rc)
{
    char text[161];
    size_t n = 0;
    for (const char *p = sql; *p && n < sizeof text - 1; p++) {
        char c = *p == '\n' || *p == '\t' ? ' ' : *p;
        if (c == ' ' && n > 0 && text[n - 1] == ' ') continue;
        text[n++] = c;
    }
    text[n] = '\0';
    const char *more = n == sizeof text - 1 ? "..." : "";
    if ((rc & 0xFF) == SQLITE_AUTH)
        return err_set(ERR_DB, "a query may only read: %s%s", text, more);
    if ((rc & 0xFF) == SQLITE_ERROR || (rc & 0xFF) == SQLITE_RANGE)
        return err_set(ERR_DB, "%s: %s in: %s%s", s->path, sqlite3_errmsg(s->db), text, more);
    return db_fail(s->db, s->path, "read", rc);
}

static void query_drop(struct query *q)
{
    sqlite3_finalize(q->st);
    free(q->sql);
    free(q->name);
    free(q->value);
    *q = (struct query){0};
}

void query_drop_all(struct store *s)
{
    for (int i = 0; i < QUERY_CACHE_SIZE; i++) query_drop(&s->cache[i]);
}

static enum err query_prepare(struct store *s, const char *sql, struct query *q)
{
    const char *rest = "";
    s->asking = true;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &q->st, &rest);
    s->asking = false;
    if (rc == SQLITE_OK && q->st && !sqlite3_stmt_readonly(q->st)) rc = SQLITE_AUTH;
    if (rc != SQLITE_OK) return fail(s, sql, rc);
    rest += strspn(rest, " \t\n;");
    if (!q->st || *rest) return err_set(ERR_DB, "a query must be one statement: %.160s", sql);
    int n = sqlite3_column_count(q->st);
    q->sql = strdup(sql);
    q->name = calloc((size_t)n + 1, sizeof *q->name);
    q->value = calloc((size_t)n + 1, sizeof *q->value);
    if (!q->sql || !q->name || !q->value)
        return err_set(ERR_NOMEM, "query of %d columns: out of memory", n);
    return ERR_NONE;
}

/* The cached entry of this text, or the least recently used one that is idle, emptied.
 * NULL when all are being read. */
static struct query *query_slot(struct store *s, const char *sql)
{
    struct query *oldest = NULL;
    for (int i = 0; i < QUERY_CACHE_SIZE; i++) {
        struct query *q = &s->cache[i];
        if (q->busy) continue;
        if (q->sql && strcmp(q->sql, sql) == 0) return q;
        if (!oldest || q->used < oldest->used) oldest = q;
    }
    if (oldest) query_drop(oldest);
    return oldest;
}

static enum err bind(struct store *s, struct query *q, const struct store_value *args,
                     int32_t n_args)
{
    if (sqlite3_bind_parameter_count(q->st) != n_args)
        return err_set(ERR_INTERNAL, "%d arguments for %d parameters in: %.160s", n_args,
                       sqlite3_bind_parameter_count(q->st), q->sql);
    for (int32_t i = 0; i < n_args; i++) {
        const struct store_value *v = &args[i];
        int rc = v->type == VALUE_INT    ? sqlite3_bind_int64(q->st, i + 1, v->i)
                 : v->type == VALUE_REAL ? sqlite3_bind_double(q->st, i + 1, v->r)
                 : v->type == VALUE_TEXT
                     ? sqlite3_bind_text(q->st, i + 1, v->text, -1, SQLITE_TRANSIENT)
                     : sqlite3_bind_null(q->st, i + 1);
        if (rc != SQLITE_OK) return fail(s, q->sql, rc);
    }
    return ERR_NONE;
}

static struct store_value read_value(sqlite3_stmt *st, int i)
{
    switch (sqlite3_column_type(st, i)) {
    case SQLITE_INTEGER:
        return (struct store_value){.type = VALUE_INT, .i = sqlite3_column_int64(st, i)};
    case SQLITE_FLOAT:
        return (struct store_value){.type = VALUE_REAL, .r = sqlite3_column_double(st, i)};
    case SQLITE_NULL:
        return (struct store_value){.type = VALUE_NULL};
    default:
        return (struct store_value){.type = VALUE_TEXT,
                                    .text = (const char *)sqlite3_column_text(st, i)};
    }
}

static enum err read_rows(struct store *s, struct query *q, store_row_fn *columns,
                          store_row_fn *fn, void *ctx)
{
    int n = sqlite3_column_count(q->st), rc;
    for (int i = 0; i < n; i++) q->name[i] = sqlite3_column_name(q->st, i);
    struct store_result_row row = {.n = n, .name = q->name, .value = q->value};
    if (columns) TRY(columns(ctx, &row));
    while ((rc = sqlite3_step(q->st)) == SQLITE_ROW) {
        for (int i = 0; i < n; i++) q->value[i] = read_value(q->st, i);
        TRY(fn(ctx, &row));
    }
    return rc == SQLITE_DONE ? ERR_NONE : fail(s, q->sql, rc);
}

enum err query_with_columns(struct store *s, const char *sql, const struct store_value *args,
                            int32_t n_args, store_row_fn *columns, store_row_fn *fn, void *ctx)
{
    struct query spare = {0};
    struct query *q = query_slot(s, sql);
    if (!q) q = &spare;
    enum err e = q->st ? ERR_NONE : query_prepare(s, sql, q);
    if (e == ERR_NONE) {
        q->busy = true;
        q->used = ++s->n_queries;
        e = bind(s, q, args, n_args);
        if (e == ERR_NONE) e = read_rows(s, q, columns, fn, ctx);
        sqlite3_reset(q->st);
        sqlite3_clear_bindings(q->st);
        q->busy = false;
    }
    if (e != ERR_NONE || q == &spare) query_drop(q);
    return e;
}

enum err store_query(struct store *s, const char *sql, const struct store_value *args,
                     int32_t n_args, store_row_fn *fn, void *ctx)
{
    return query_with_columns(s, sql, args, n_args, NULL, fn, ctx);
}
