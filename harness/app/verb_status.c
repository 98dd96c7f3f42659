/* verb_status.c - status: how far a sweep has come, or what a database holds. */
#include <stdio.h>
#include <string.h>

#include "harness/app/sql_table.h"
#include "harness/app/table.h"
#include "harness/app/verbs.h"

static const struct sql_table tables[] = {
    {"runs",
     "Runs: by sweep and device; a cell counts as done, failed or skipped by its newest run",
     "WITH newest AS ("
     "SELECT *, ROW_NUMBER() OVER (PARTITION BY COALESCE(sweep_name, ''), device_id, cell_id "
     "ORDER BY recorded_utc DESC, run_id) AS age FROM v_run) "
     "SELECT COALESCE(sweep_name, '(from flags)') AS sweep, device, device_description AS machine, "
     "COUNT(*) AS cells, SUM(status = 'ok') AS done, SUM(status = 'failed') AS failed, "
     "SUM(status = 'skipped') AS skipped, COUNT(DISTINCT git_sha) AS builds, "
     "MIN(recorded_utc) AS first_utc, MAX(recorded_utc) AS last_utc "
     "FROM newest WHERE age = 1 GROUP BY sweep_name, device_id ORDER BY last_utc DESC"},
    {"trouble", "Trouble: why cells failed or were skipped",
     "SELECT status, message, COUNT(DISTINCT cell_id) AS cells, MAX(recorded_utc) AS last_utc "
     "FROM v_run WHERE status <> 'ok' GROUP BY status, message ORDER BY status, cells DESC"},
    {"unfinished", "Unfinished: still running, or killed",
     "SELECT i.started_utc, i.argv AS command, COUNT(r.run_no) AS runs_written "
     "FROM invocation i LEFT JOIN run r ON r.invocation_id = i.invocation_id "
     "WHERE i.ended_utc IS NULL GROUP BY i.invocation_id ORDER BY i.started_utc"},
};
enum { N_TABLES = sizeof tables / sizeof tables[0] };

static enum err database_status(const struct options *o, struct store *s)
{
    if (o->output == OUTPUT_CSV)
        return output_query(s, tables[0].sql, NULL, 0, PRINT_CSV, NULL, stdout);
    return sql_tables_print(s, tables, N_TABLES, o, "sweep or run");
}

/* Every cell asked about, as `regime sweep` would take it. */
static enum err cells_status(const struct options *o, struct store *s)
{
    int32_t n_done = 0, n_skipped = 0, n_left = 0;
    for (int32_t i = 0; i < o->cells.n; i++) {
        const struct planned_cell *p = &o->cells.cell[i];
        bool done = false;
        char run_id[37];
        if (!p->skip_reason[0]) TRY(store_find_run(s, &p->cell, o->reuse_any, &done, run_id));
        n_skipped += p->skip_reason[0] != 0;
        n_done += done;
        n_left += !done && !p->skip_reason[0];
    }
    static const char *const columns[] = {"sweep", "cells", "done", "skipped", "left", NULL};
    struct table t;
    table_open(&t, "status", columns);
    table_text(&t, o->sweep_name ? o->sweep_name : "(flags)");
    table_int(&t, o->cells.n);
    table_int(&t, n_done);
    table_int(&t, n_skipped);
    table_int(&t, n_left);
    enum err e = table_print(&t, o->output);
    table_free(&t);
    return e;
}

enum err verb_status(const struct options *o)
{
    struct store *s = NULL;
    TRY(store_open(o->db, STORE_READ, &s));
    enum err e = o->has_cells ? cells_status(o, s) : database_status(o, s);
    store_close(s);
    return e;
}
