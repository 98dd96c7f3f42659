/* What a database is used for: resuming, merging, reading, and plans of ten thousand cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "harness/base/clock.h"
#include "tests/store_fixture.h"

/* ---- resuming and merging ---- */

static void finished_runs_are_found(void **state)
{
    const char *path = in_folder(*state, "f.db");
    struct store *s = open_ok(path, STORE_WRITE);
    char invocation[37], run[37], id[37];
    bool found;
    struct cell c = small_cell("ar", "sim:x");
    ok(store_find_run(s, &c, true, &found, id));
    assert_false(found);
    begin_on(s, "sim:x", invocation);
    struct run_row failed = {.status = "failed", .message = "out of memory"};
    ok(store_add_run(s, invocation, &c, &failed, NULL, 0));
    ok(store_find_run(s, &c, true, &found, id));
    assert_false(found); /* failed is not finished */
    ok(add_plan(s, invocation, "sim:x", 2, 1, run));
    ok(store_find_run(s, &c, false, &found, id));
    assert_true(found);
    assert_string_equal(id, run);
    c.spec.block_length = 4; /* ar does not look at it */
    ok(store_find_run(s, &c, false, &found, id));
    assert_true(found);
    snprintf(c.device, sizeof c.device, "sim:y");
    ok(store_find_run(s, &c, false, &found, id));
    assert_false(found);

    /* A plan of a real device is no run of it. */
    begin_on(s, "cpu", invocation);
    c = small_cell("ar", "cpu");
    ok(add_plan(s, invocation, "cpu", 2, 1, run));
    ok(store_find_run(s, &c, false, &found, id));
    assert_false(found);
    struct run_row r = {.status = "ok"};
    ok(store_add_run(s, invocation, &c, &r, NULL, 0));
    ok(store_find_run(s, &c, false, &found, id));
    assert_true(found);
    store_close(s);

    /* Written by another build; then on another host. */
    run_sql(path, "PRAGMA foreign_keys = OFF; UPDATE invocation SET build_id = "
                  "'0000000000000000000000000000000000000000000000000000000000000000'");
    s = open_ok(path, STORE_READ);
    ok(store_find_run(s, &c, false, &found, id));
    assert_false(found);
    ok(store_find_run(s, &c, true, &found, id));
    assert_true(found);
    store_close(s);
    run_sql(path, "PRAGMA foreign_keys = OFF; UPDATE device SET host_id = "
                  "'0000000000000000000000000000000000000000000000000000000000000000' "
                  "WHERE host_id IS NOT NULL");
    s = open_ok(path, STORE_READ);
    ok(store_find_run(s, &c, true, &found, id));
    assert_false(found);
    store_close(s);
}

static void merging_is_idempotent(void **state)
{
    char a[300], b[300], invocation[37], run[37], run_of_b[37];
    snprintf(a, sizeof a, "%s", in_folder(*state, "a.db"));
    snprintf(b, sizeof b, "%s", in_folder(*state, "b.db"));
    for (int i = 0; i < 2; i++) {
        struct store *s = open_ok(i ? b : a, STORE_WRITE);
        begin_on(s, "sim:x", invocation);
        for (int k = 1; k <= 3; k++) ok(add_plan(s, invocation, "sim:x", k, 1 + k, run));
        struct ceiling_row c = {.kind = "compute", .name = "fma", .source = "datasheet",
                                .moment = "alone", .value = 1, .other_cpus = -1};
        ok(store_add_ceilings(s, invocation, "sim:x", &c, 1));
        store_close(s);
    }
    snprintf(run_of_b, sizeof run_of_b, "%s", run);
    struct store *s = open_ok(a, STORE_WRITE);
    int64_t n;
    for (int i = 0; i < 2; i++) {
        ok(store_merge(s, b, &n));
        assert_int_equal(n, i ? 0 : 3);
        assert_int_equal(count(s, "run"), 6);
        assert_int_equal(count(s, "cell"), 3); /* the same three in both */
        assert_int_equal(count(s, "device"), 1);
        assert_int_equal(count(s, "invocation"), 2);
        assert_int_equal(count(s, "ceiling"), 2);
        assert_int_equal(count(s, "forward"), 2 * (2 + 3 + 4));
        assert_int_equal(count(s, "forward_op"), 4 * (2 + 3 + 4));
    }
    assert_int_equal(ask_int(s, "SELECT forwards FROM v_phase WHERE run_id = ?1", run_of_b), 4);
    assert_int_equal(ask_int(s, "SELECT SUM(flop) FROM v_op WHERE run_id = ?1", run_of_b), 4 * 15);
    is_sound(s);

    /* A third file, and back into the second: both then hold the same runs. */
    struct store *t = open_ok(b, STORE_WRITE);
    ok(store_merge(t, a, &n));
    assert_int_equal(n, 3);
    assert_int_equal(count(t, "forward_op"), count(s, "forward_op"));
    is_sound(t);
    store_close(t);
    fails(store_merge(s, a, &n), ERR_USAGE, "not one twice");
    fails(store_merge(s, in_folder(*state, "none.db"), &n), ERR_DB, "No such file");
    ok(add_plan(s, invocation, "sim:x", 9, 1, run)); /* still usable */
    store_close(s);
}

/* ---- reading ---- */

static enum err stop_at_two(void *ctx, const struct store_result_row *row)
{
    int *n = ctx;
    return ++*n == 2 ? err_set(ERR_BUDGET, "enough") : ERR_NONE;
}

static enum err ask_again(void *ctx, const struct store_result_row *row)
{
    struct store *s = ctx;
    /* The statement whose rows are being read, once more. */
    if (row->value[0].i == 2)
        assert_int_equal(ask_int(s, "SELECT SUM(n) FROM (SELECT n FROM rank_bound WHERE n < 8)",
                                 NULL), 13);
    return ERR_NONE;
}

static void queries_only_read(void **state)
{
    struct store *s = memory_store();
    const char *writing[] = {"DELETE FROM run", "CREATE TABLE t (x)", "ATTACH 'x' AS x", "BEGIN",
                             "PRAGMA user_version = 9", "PRAGMA foreign_keys = OFF", "VACUUM",
                             "WITH a AS (SELECT 1) DELETE FROM meta",
                             "INSERT INTO meta VALUES ('a', 'b')"};
    int n = 0;
    for (size_t i = 0; i < sizeof writing / sizeof writing[0]; i++)
        fails(store_query(s, writing[i], NULL, 0, stop_at_two, &n), ERR_DB, "may only read");
    fails(store_query(s, "SELECT 1; DELETE FROM run", NULL, 0, stop_at_two, &n), ERR_DB,
          "one statement");
    int many = 100;
    ok(store_query(s, "PRAGMA table_info(run)", NULL, 0, stop_at_two, &many));
    fails(store_query(s, "", NULL, 0, stop_at_two, &n), ERR_DB, "one statement");
    fails(store_query(s, "SELECT x\n  FROM nowhere", NULL, 0, stop_at_two, &n), ERR_DB,
          "no such table: nowhere in: SELECT x FROM nowhere");
    fails(store_query(s, "SELECT ?1", NULL, 0, stop_at_two, &n), ERR_INTERNAL,
          "0 arguments for 1");
    n = 0;
    fails(store_query(s, "SELECT n FROM rank_bound", NULL, 0, stop_at_two, &n), ERR_BUDGET,
          "enough");
    assert_int_equal(n, 2);

    /* More different texts than stay prepared, twice. */
    char sql[64];
    for (int i = 0; i < 80; i++) {
        snprintf(sql, sizeof sql, "SELECT %d", i % 40);
        assert_int_equal(ask_int(s, sql, NULL), i % 40);
    }
    ok(store_query(s, "SELECT column1 FROM (VALUES (1), (2), (3))", NULL, 0, ask_again, s));
    char text[256];
    assert_string_equal(ask_text(s, "SELECT ?1", "a ' quoted ; text", text), "a ' quoted ; text");
    store_close(s);
}

/* Ten thousand planned cells of three forwards and ten operations each. */
static void plans_are_fast(void **state)
{
    struct store *s = memory_store();
    char invocation[37];
    begin_on(s, "sim:x", invocation);
    struct ledger l = {0};
    for (int op = 0; op < 10; op++) l.op[op] = (struct ledger_entry){.calls = 1};
    struct forward_row f[3];
    for (int i = 0; i < 3; i++)
        f[i] = (struct forward_row){.kind = FORWARD_PLAN, .phase = (enum phase)i, .n_forwards = 1,
                                    .time_ns = -1, .other_cpus = -1, .ledger = &l};
    int64_t start = clock_ns();
    ok(store_begin(s));
    for (int32_t i = 1; i <= 10000; i++) {
        struct cell c = small_cell("ar", "sim:x");
        c.spec.batch = i;
        struct run_row r = {.status = "ok"};
        ok(store_add_run(s, invocation, &c, &r, f, 3));
    }
    ok(store_commit(s));
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_phase", NULL), 30000);
    double seconds = (double)(clock_ns() - start) / 1e9;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    print_message("10000 cells stored and read in %.2f s, %ld MiB\n", seconds,
                  usage.ru_maxrss / 1024);
    /* The limit is for this program's own builds on an idle machine; anything in the way of it
     * (sanitizers, other work) is allowed a factor of ten. */
    assert_true(seconds < 10);
    assert_int_equal(count(s, "forward_op"), 300000);
    store_close(s);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(finished_runs_are_found),
        IN_FOLDER(merging_is_idempotent),
        cmocka_unit_test(queries_only_read),
        cmocka_unit_test(plans_are_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
