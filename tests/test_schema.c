/* The schema as such: migrations, its dictionary, and the table of ranks it computes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "harness/base/stats.h"
#include "results/db.h"
#include "results/schema.h"
#include "tests/store_fixture.h"

static void network_file_systems(void **state)
{
    assert_true(schema_is_network(0x6969));              /* NFS */
    assert_true(schema_is_network(0x0BD00BD0));          /* Lustre */
    assert_true(schema_is_network((int32_t)0xFF534D42)); /* CIFS, sign-extended */
    assert_false(schema_is_network(0xEF53));             /* ext4 */
    assert_false(schema_is_network(0x01021994));         /* tmpfs */
    assert_false(schema_is_network(0x58465342));         /* XFS */
}

static void steps_lead_to_the_newest_version(void **state)
{
    enum { NOW = SCHEMA_VERSION };
    static const struct schema_step steps[] = {
        {NOW, "ALTER TABLE meta ADD COLUMN note TEXT"},
        {NOW + 1, "CREATE TABLE extra (x INTEGER) STRICT; INSERT INTO extra VALUES (42)"}};
    const char *path = in_folder(*state, "old.db");
    store_close(open_ok(path, STORE_WRITE));
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    fails(schema_migrate(db, path, steps, 1, NOW, NOW + 2), ERR_INTERNAL, "no step leads from");
    sqlite3_close(db);
    run_sql(path, "ALTER TABLE meta DROP COLUMN note");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    ok(schema_migrate(db, path, steps, 2, NOW, NOW + 2));
    int64_t version;
    ok(db_int(db, path, "PRAGMA user_version", &version));
    assert_int_equal(version, NOW + 2);
    sqlite3_close(db);
    run_sql(path, "SELECT note FROM meta; SELECT x FROM extra; SELECT * FROM v_pair");
    struct store *s;
    fails(store_open(path, STORE_WRITE, &s), ERR_DB, "newer regime");
}

/* A file of version 1 knows no drafts, instruction sets or interventions. */
static void version_1_gains_drafts(void **state)
{
    const char *path = in_folder(*state, "one.db");
    struct store *s = open_ok(path, STORE_WRITE);
    char views[4096] = "", drop[96];
    sqlite3_stmt *st;
    sqlite3 *db;
    store_close(s);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'view'", -1, &st, NULL),
        SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        snprintf(drop, sizeof drop, "DROP VIEW %s;", (const char *)sqlite3_column_text(st, 0));
        assert_true(strlen(views) + strlen(drop) < sizeof views);
        strcat(views, drop);
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    run_sql(path, views);
    run_sql(path, "DROP TABLE forward_counter; DROP TABLE forward_kernel; DROP TABLE energy;"
                  "DROP TABLE known_work; DROP TABLE counting");
    run_sql(path, "DROP TABLE quality_forward; DROP TABLE quality; DROP TABLE nelbo;"
                  "DROP TABLE corruption_point; DROP TABLE corruption;"
                  "DROP TABLE kernel_time");
    run_sql(path, "ALTER TABLE cell DROP COLUMN draft_tokens;"
                  "ALTER TABLE cell DROP COLUMN refresh_forwards;"
                  "ALTER TABLE cell DROP COLUMN commit_policy;"
                  "ALTER TABLE cell DROP COLUMN acceptance;"
                  "ALTER TABLE cell DROP COLUMN depth_tokens;"
                  "ALTER TABLE cell DROP COLUMN draft;"
                  "ALTER TABLE run DROP COLUMN memory_bytes;"
                  "ALTER TABLE run DROP COLUMN memory_budget_bytes;"
                  "ALTER TABLE run DROP COLUMN latency_budget_ms;"
                  "ALTER TABLE cell DROP COLUMN draft_layers;"
                  "ALTER TABLE cell DROP COLUMN graph;"
                  "ALTER TABLE cell DROP COLUMN matmul;"
                  "ALTER TABLE forward DROP COLUMN device_ns;"
                  "ALTER TABLE cell DROP COLUMN schedule;"
                  "ALTER TABLE cell DROP COLUMN threshold;"
                  "ALTER TABLE cell DROP COLUMN factor;"
                  "ALTER TABLE cell DROP COLUMN entropy_bound;"
                  "ALTER TABLE cell DROP COLUMN eta;"
                  "ALTER TABLE cell DROP COLUMN trace_sha256;"
                  "ALTER TABLE cell DROP COLUMN guidance; ALTER TABLE cell DROP COLUMN top_p;"
                  "ALTER TABLE forward DROP COLUMN tokens_past_eos;"
                  "ALTER TABLE cell DROP COLUMN isa; ALTER TABLE cell DROP COLUMN arithmetic;"
                  "ALTER TABLE cell DROP COLUMN model_sha256; ALTER TABLE cell DROP COLUMN weights;"
                  "ALTER TABLE cell DROP COLUMN prompts_sha256; ALTER TABLE cell DROP COLUMN eos;"
                  " ALTER TABLE ceiling DROP COLUMN isa;"
                  "DROP TABLE bound; DROP TABLE intervention;"
                  "ALTER TABLE cell DROP COLUMN compute_dtype;"
                  "ALTER TABLE forward DROP COLUMN seqs; PRAGMA user_version = 1");
    fails(store_open(path, STORE_READ, &s), ERR_DB, "schema version 1");
    store_close(open_ok(path, STORE_WRITE));
    run_sql(path, "SELECT draft_tokens, acceptance, refresh_forwards, commit_policy FROM v_run; "
                  "SELECT acceptance FROM v_pair;"
                  "SELECT schedule, threshold, factor, entropy_bound, eta, trace_sha256, guidance "
                  "FROM v_run; SELECT top_p FROM v_run;"
                  "SELECT isa, arithmetic, compute_dtype, model_sha256, weights, prompts_sha256 FROM v_run;"
                  "SELECT compute_dtype FROM v_kernel; SELECT isa FROM v_ceiling; SELECT * FROM v_bound;"
                  "SELECT seqs, tokens_past_eos FROM v_phase; SELECT * FROM v_loss; SELECT "
                  "residual FROM v_kernel");
    store_close(open_ok(path, STORE_READ));
}

/* ---- the data dictionary ---- */

struct dictionary {
    char text[65536];
    char object[64], column[64];
    int missing;
};

/* Whether the section "### `name`" (or the text of a heading) mentions `column`. */
static bool section_has(const char *text, const char *heading, const char *column)
{
    char word[96];
    snprintf(word, sizeof word, "\n### %s\n", heading);
    const char *at = strstr(text, word);
    if (!at) return false;
    const char *end = strstr(at + 5, "\n#");
    snprintf(word, sizeof word, "`%s`", column);
    const char *found = strstr(at, word);
    return found && (!end || found < end);
}

static enum err look_up(void *ctx, const struct store_result_row *row)
{
    struct dictionary *d = ctx;
    const char *object = row->value[0].text, *column = row->value[1].text;
    char heading[80];
    snprintf(heading, sizeof heading, "`%s`", object);
    if (section_has(d->text, heading, column)) return ERR_NONE;
    bool costs = strcmp(object, "forward") == 0 || strcmp(object, "forward_op") == 0 ||
                 strcmp(object, "v_phase") == 0 || strcmp(object, "v_op") == 0;
    if (costs && section_has(d->text, "Cost columns", column)) return ERR_NONE;
    print_message("results/README.md does not describe %s.%s\n", object, column);
    d->missing++;
    return ERR_NONE;
}

static void every_column_is_described(void **state)
{
    static struct dictionary d;
    FILE *f = fopen("results/README.md", "r");
    assert_non_null(f);
    size_t n = fread(d.text, 1, sizeof d.text - 1, f);
    assert_true(n < sizeof d.text - 1);
    fclose(f);
    struct store *s = memory_store();
    ok(store_query(s,
                   "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) c "
                   "WHERE m.type IN ('table', 'view')",
                   NULL, 0, look_up, &d));
    assert_int_equal(d.missing, 0);
    store_close(s);
}

/* SQL's recursion against the exact binomial sums of harness/base. */
static enum err compare_rank(void *ctx, const struct store_result_row *row)
{
    int32_t lo, hi, *n = ctx;
    double coverage;
    assert_true(stats_median_ranks((int32_t)row->value[0].i, 0.95, &lo, &hi, &coverage));
    assert_int_equal(row->value[1].i, lo);
    assert_int_equal(row->value[0].i + 1 - row->value[1].i, hi);
    ++*n;
    return ERR_NONE;
}

static void rank_bounds_are_binomial(void **state)
{
    struct store *s = memory_store();
    int32_t n = 0;
    ok(store_query(s, "SELECT n, lo FROM rank_bound ORDER BY n", NULL, 0, compare_rank, &n));
    assert_int_equal(n, 2000 - 5);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_file_systems),
        cmocka_unit_test_setup_teardown(steps_lead_to_the_newest_version, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(version_1_gains_drafts, make_folder, remove_folder),
        cmocka_unit_test(every_column_is_described),
        cmocka_unit_test(rank_bounds_are_binomial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
