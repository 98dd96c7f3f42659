/* merge.c - take over another database's runs.
 *
 * Names that cross files are hashes and UUIDs, so what is there already is recognised and
 * left alone: merging twice changes nothing.  Numbers local to a file are shifted past those
 * in use. */
#include <string.h>

#include "results/db.h"

struct shift {
    int64_t run_no, forward_id;
    const char *run_no_as; /* an expression instead; NULL: shifted */
};

/* A column as the target stores it. */
static void add_expression(struct strbuf *out, const char *column, const struct shift *by)
{
    bool is_run = strcmp(column, "run_no") == 0;
    if (is_run && by->run_no_as) {
        strbuf_addf(out, "%s%s", out->len ? ", " : "", by->run_no_as);
        return;
    }
    strbuf_addf(out, "%sc.%s", out->len ? ", " : "", column);
    if (is_run) strbuf_addf(out, " + %lld", (long long)by->run_no);
    if (strcmp(column, "forward_id") == 0) strbuf_addf(out, " + %lld", (long long)by->forward_id);
    if (strcmp(column, "op_id") == 0) strbuf_addf(out, " + %lld", 32 * (long long)by->forward_id);
}

/* By name: two files of one version need not have their columns in the same order. */
static enum err columns_of(struct store *s, const char *table, const struct shift *by,
                           struct strbuf *names, struct strbuf *values)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(s->db, "SELECT name FROM pragma_table_info(?)", -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 1, table, -1, SQLITE_STATIC);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(st);
        if (rc != SQLITE_ROW) break;
        const char *name = (const char *)sqlite3_column_text(st, 0);
        strbuf_addf(names, "%s%s", names->len ? ", " : "", name);
        add_expression(values, name, by);
    }
    enum err e = rc == SQLITE_DONE ? ERR_NONE : db_fail(s->db, s->path, "read", rc);
    sqlite3_finalize(st);
    return e;
}

/* Copy the rows c of a table that `rest` selects. */
static enum err copy(struct store *s, const char *table, const struct shift *by, const char *rest)
{
    struct strbuf names = {0}, values = {0}, sql = {0};
    enum err e;
    TRY_OUT(columns_of(s, table, by, &names, &values));
    strbuf_addf(&sql, "INSERT INTO main.%s (%s) SELECT %s FROM other.%s c %s", table,
                strbuf_text(&names), strbuf_text(&values), table, rest);
    TRY_OUT(strbuf_check(&names));
    TRY_OUT(strbuf_check(&values));
    TRY_OUT(strbuf_check(&sql));
    TRY_OUT(db_exec(s->db, s->path, strbuf_text(&sql)));
out:
    strbuf_free(&names);
    strbuf_free(&values);
    strbuf_free(&sql);
    return e;
}

/* Counters may have been added to a run that both files have: those the target lacks, or could
 * not get itself. */
static enum err copy_counted(struct store *s)
{
    static const char *const tables[] = {"counting", "forward_counter", "forward_kernel",
                                         "known_work", "energy"};
    const struct shift by = {.run_no_as = "n.run_no"};
    TRY(db_exec(s->db, s->path,
                "DELETE FROM main.counting WHERE status = 'unavailable' AND EXISTS (SELECT 1 "
                "FROM main.run m JOIN other.run o ON o.run_id = m.run_id "
                "JOIN other.counting c ON c.run_no = o.run_no WHERE m.run_no = counting.run_no "
                "AND c.probe = counting.probe AND c.l2_state = counting.l2_state "
                "AND c.status = 'ok');"
                "CREATE TEMP TABLE new_counting AS SELECT m.run_no, c.run_no AS other_no, c.probe, "
                "c.l2_state FROM other.counting c JOIN other.run o ON o.run_no = c.run_no "
                "JOIN main.run m ON m.run_id = o.run_id WHERE NOT EXISTS (SELECT 1 "
                "FROM main.counting d WHERE d.run_no = m.run_no AND d.probe = c.probe "
                "AND d.l2_state = c.l2_state)"));
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        TRY(copy(s, tables[i], &by,
                 "JOIN temp.new_counting n ON n.other_no = c.run_no AND n.probe = c.probe "
                 "AND n.l2_state = c.l2_state"));
    return db_exec(s->db, s->path, "DROP TABLE temp.new_counting");
}

static enum err copy_all(struct store *s, int64_t *n_runs)
{
    static const char *const named[] = {
        "build", "host",       "device",           "invocation",
        "cell",  "ceiling",    "quality",          "quality_forward",
        "nelbo", "corruption", "corruption_point", "kernel_time"};
    struct shift by = {0};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        TRY(copy(s, named[i], &by, "WHERE true ON CONFLICT DO NOTHING"));
    TRY(db_exec(s->db, s->path,
                "UPDATE main.invocation SET ended_utc = c.ended_utc, exit_code = c.exit_code "
                "FROM other.invocation c WHERE c.invocation_id = main.invocation.invocation_id "
                "AND main.invocation.ended_utc IS NULL AND c.ended_utc IS NOT NULL"));

    TRY(db_int(s->db, s->path, "SELECT COALESCE(MAX(run_no), 0) FROM main.run", &by.run_no));
    TRY(db_int(s->db, s->path, "SELECT COALESCE(MAX(forward_id), 0) FROM main.forward",
               &by.forward_id));
    TRY(db_exec(s->db, s->path,
                "CREATE TEMP TABLE new_run AS SELECT run_no FROM other.run "
                "WHERE run_id NOT IN (SELECT run_id FROM main.run)"));
    TRY(db_int(s->db, s->path, "SELECT COUNT(*) FROM temp.new_run", n_runs));
    TRY(copy(s, "run", &by, "WHERE c.run_no IN (SELECT run_no FROM temp.new_run)"));
    TRY(copy(s, "price", &by, "WHERE c.run_no IN (SELECT run_no FROM temp.new_run)"));
    TRY(copy(s, "price_after", &by, "WHERE c.run_no IN (SELECT run_no FROM temp.new_run)"));
    TRY(copy(s, "intervention", &by, "WHERE c.run_no IN (SELECT run_no FROM temp.new_run)"));
    TRY(copy(s, "bound", &by, "WHERE c.run_no IN (SELECT run_no FROM temp.new_run)"));
    TRY(copy(s, "forward", &by, "WHERE c.run_no IN (SELECT run_no FROM temp.new_run)"));
    TRY(copy(s, "forward_op", &by,
             "WHERE c.forward_id IN (SELECT forward_id FROM other.forward "
             "WHERE run_no IN (SELECT run_no FROM temp.new_run))"));
    TRY(db_exec(s->db, s->path, "DROP TABLE temp.new_run"));
    return copy_counted(s);
}

enum err store_merge(struct store *s, const char *path, int64_t *n_runs)
{
    CHECK(s->mode == STORE_WRITE && !s->in_transaction);
    TRY(store_attach(s, path));
    enum err e = db_begin(s);
    if (e == ERR_NONE) e = db_end(s, copy_all(s, n_runs));
    store_detach(s);
    return e;
}
