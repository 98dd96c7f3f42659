/* The file itself: what is refused and how, and what survives a kill, a full disk and other
 * writers. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/build_info.h"
#include "results/schema.h"
#include "tests/store_fixture.h"

/* Both modes refuse the file with this sentence and leave every byte as it was. */
static void refused(const char *path, const char *sentence)
{
    char before[SHA256_HEX_SIZE], after[SHA256_HEX_SIZE];
    struct store *s;
    digest(path, before);
    fails(store_open(path, STORE_WRITE, &s), ERR_DB, sentence);
    assert_null(s);
    fails(store_open(path, STORE_READ, &s), ERR_DB, sentence);
    digest(path, after);
    assert_string_equal(before, after);
    assert_int_equal(err_exit_code(ERR_DB), 7);
}

/* ---- opening ---- */

static void created_and_opened_again(void **state)
{
    const char *path = in_folder(*state, "a.db");
    char invocation[37], run[37], text[256], before[SHA256_HEX_SIZE], after[SHA256_HEX_SIZE];
    struct store *s = open_ok(path, STORE_WRITE);
    begin_on(s, "sim:a100-80gb", invocation);
    ok(add_plan(s, invocation, "sim:a100-80gb", 1, 2, run));
    ok(store_end_invocation(s, invocation, 3));
    assert_int_equal(access(in_folder(*state, "a.db-wal"), F_OK), 0);
    store_close(s);
    assert_int_not_equal(access(in_folder(*state, "a.db-wal"), F_OK), 0); /* one file is left */

    digest(path, before);
    for (int i = 0; i < 3; i++) store_close(open_ok(path, i ? STORE_READ : STORE_WRITE));
    digest(path, after);
    assert_string_equal(before, after);

    s = open_ok(path, STORE_READ);
    assert_int_equal(count(s, "run"), 1);
    assert_int_equal(count(s, "forward_op"), 4);
    assert_int_equal(ask_int(s, "SELECT exit_code FROM invocation", NULL), 3);
    assert_string_equal(ask_text(s, "SELECT git_sha FROM build", NULL, text), build_info.git_sha);
    assert_int_equal(ask_int(s, "PRAGMA user_version", NULL), SCHEMA_VERSION);
    assert_int_equal(ask_int(s, "PRAGMA application_id", NULL), SCHEMA_APPLICATION_ID);
    is_sound(s);
    store_close(s);
    store_close(NULL);
}

static void files_that_are_not_ours(void **state)
{
    const char *path = in_folder(*state, "x.db");
    run_sql(path, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    refused(path, "database of another program");
    run_sql(path, "PRAGMA application_id = 1234");
    refused(path, "database of another program");

    path = in_folder(*state, "text.db");
    write_file(path, "This is a text that is longer than a database header, which has one hundred "
                     "bytes and begins otherwise.\n");
    refused(path, "is not an SQLite database");
}

static void newer_and_damaged_files(void **state)
{
    const char *path = in_folder(*state, "new.db");
    store_close(open_ok(path, STORE_WRITE));
    run_sql(path, "PRAGMA user_version = 99");
    char sentence[96];
    snprintf(sentence, sizeof sentence,
             "written by a newer regime (schema version 99, this program knows up to %d)",
             SCHEMA_VERSION);
    refused(path, sentence);
    run_sql(path, "PRAGMA user_version = 0");
    refused(path, "no valid schema version");

    path = in_folder(*state, "cut.db");
    store_close(open_ok(path, STORE_WRITE));
    run_sql(path, "PRAGMA journal_mode = DELETE");
    assert_int_equal(truncate(path, 4096), 0);
    char before[SHA256_HEX_SIZE], after[SHA256_HEX_SIZE];
    digest(path, before);
    struct store *s;
    fails(store_open(path, STORE_READ, &s), ERR_DB, "damaged");
    fails(store_open(path, STORE_WRITE, &s), ERR_DB, "damaged");
    digest(path, after);
    assert_string_equal(before, after);

    path = in_folder(*state, "lacking.db");
    store_close(open_ok(path, STORE_WRITE));
    run_sql(path, "DROP VIEW v_op; DROP TABLE forward_op");
    fails(store_open(path, STORE_WRITE, &s), ERR_DB, "lacks part of its schema");
}

static void paths_that_lead_nowhere(void **state)
{
    struct store *s;
    const char *path = in_folder(*state, "missing.db");
    fails(store_open(path, STORE_READ, &s), ERR_DB, "missing.db: No such file");
    assert_int_not_equal(access(path, F_OK), 0); /* reading makes no file */
    fails(store_open(in_folder(*state, "no/such/folder.db"), STORE_WRITE, &s), ERR_DB,
          "/no/such: No such file or directory");
    fails(store_open(*state, STORE_WRITE, &s), ERR_DB, "is a folder");
    fails(store_open("", STORE_WRITE, &s), ERR_USAGE, "empty");
    path = in_folder(*state, "empty.db");
    write_file(path, "");
    fails(store_open(path, STORE_READ, &s), ERR_DB, "no results have been written");
    store_close(open_ok(path, STORE_WRITE)); /* an empty file is as good as none */
}

/* To SQLite "file:x?mode=memory" is a database in memory; to us it is a name like any other. */
static void odd_names_are_names(void **state)
{
    char here[300];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(*state), 0);
    store_close(open_ok("file:x?mode=memory", STORE_WRITE));
    assert_int_equal(access("file:x?mode=memory", F_OK), 0);
    store_close(open_ok("file:x?mode=memory", STORE_READ));
    assert_int_equal(chdir(here), 0);
}

/* What a child has to say; its test is over when it ends, so it may not use assert. */
struct report {
    int runs;
};

/* Run fn in a child that is not root and may write no file larger than `largest` bytes. */
static int as_a_guest(const char *folder, long largest,
                      int (*fn)(const char *folder, struct report *r), struct report *r)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {(rlim_t)largest, (rlim_t)largest};
        if (largest >= 0 && setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(99);
        if (geteuid() == 0 && setuid(65534) != 0) _exit(98);
        _exit(fn(folder, r));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int says(enum err e, const char *text)
{
    if (e == ERR_DB && strstr(err_msg(), text)) return 0;
    fprintf(stderr, "want \"%s\", got %s: %s\n", text, err_name(e), err_msg());
    return 1;
}

static int use_read_only_folder(const char *folder, struct report *r)
{
    struct store *s;
    int bad = says(store_open(in_folder(folder, "new.db"), STORE_WRITE, &s), "Permission denied");
    /* A WAL database needs a shared file beside it; where none can be made, it is read without. */
    if (store_open(in_folder(folder, "old.db"), STORE_READ, &s) != ERR_NONE) {
        fprintf(stderr, "%s\n", err_msg());
        return 1;
    }
    store_close(s);
    return bad + says(store_open(in_folder(folder, "old.db"), STORE_WRITE, &s), "read-only");
}

static void read_only_folders(void **state)
{
    const char *path = in_folder(*state, "old.db");
    store_close(open_ok(path, STORE_WRITE));
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(*state, 0555), 0);
    int bad = as_a_guest(*state, -1, use_read_only_folder, NULL);
    assert_int_equal(chmod(*state, 0755), 0);
    assert_int_equal(bad, 0);
}

static int create_on_full_disk(const char *folder, struct report *r)
{
    struct store *s;
    return says(store_open(in_folder(folder, "full.db"), STORE_WRITE, &s), "no space left");
}

static int fill_disk(const char *folder, struct report *r)
{
    struct store *s;
    struct invocation i = {.argv = "x"};
    struct device_row d = {.device = "sim:x", .kind = "sim"};
    char invocation[37], run[37];
    enum err e = store_open(in_folder(folder, "filling.db"), STORE_WRITE, &s);
    if (e == ERR_NONE) e = store_begin_invocation(s, &i, &d, invocation);
    for (int n = 1; n < 5000 && e == ERR_NONE; n++) {
        e = add_plan(s, invocation, "sim:x", n, 16, run);
        r->runs += e == ERR_NONE;
    }
    int bad = says(e, "no space left");
    store_close(s);
    return bad;
}

/* Every run that was reported stored is there, and no part of another. */
static void full_disks(void **state)
{
    struct report *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                            -1, 0);
    assert_true(r != MAP_FAILED);
    assert_int_equal(chmod(*state, 0777), 0);
    assert_int_equal(as_a_guest(*state, 20000, create_on_full_disk, r), 0);
    struct stat st;
    assert_int_equal(stat(in_folder(*state, "full.db"), &st), 0);
    assert_int_equal(st.st_size, 0); /* as good as none */
    assert_int_equal(as_a_guest(*state, 1000000, fill_disk, r), 0);
    struct store *s = open_ok(in_folder(*state, "filling.db"), STORE_WRITE);
    is_sound(s);
    assert_true(r->runs > 0);
    assert_int_equal(count(s, "run"), r->runs);
    assert_int_equal(count(s, "forward"), 16 * r->runs);
    store_close(s);
    munmap(r, sizeof *r);
}

/* ---- transactions ---- */

static void a_run_is_there_whole_or_not_at_all(void **state)
{
    struct store *s = memory_store();
    char invocation[37], run[37];
    begin_on(s, "sim:x", invocation);
    struct ledger good = {0}, bad = {.overflow = true};
    struct forward_row f[2] = {
        {.kind = FORWARD_PLAN, .n_forwards = 1, .time_ns = -1, .other_cpus = -1, .ledger = &good},
        {.kind = FORWARD_PLAN, .n_forwards = 1, .time_ns = -1, .other_cpus = -1, .ledger = &bad}};
    struct cell c = small_cell("ar", "sim:x");
    struct run_row r = {.status = "ok"};
    fails(store_add_run(s, invocation, &c, &r, f, 2), ERR_INTERNAL, "2^63");
    assert_int_equal(count(s, "run"), 0);
    assert_int_equal(count(s, "cell"), 0);
    assert_int_equal(count(s, "forward"), 0);

    /* A word that is none of the schema's, a device that is not the invocation's, a mixture. */
    r = (struct run_row){.status = "splendid"};
    fails(store_add_run(s, invocation, &c, &r, f, 1), ERR_INTERNAL, "CHECK");
    r = (struct run_row){.status = "ok"};
    c = small_cell("ar", "cpu");
    fails(store_add_run(s, invocation, &c, &r, f, 1), ERR_INTERNAL, "invocation on sim:x");
    f[1] = f[0];
    f[1].kind = FORWARD_DECODE;
    c = small_cell("ar", "sim:x");
    fails(store_add_run(s, invocation, &c, &r, f, 2), ERR_INTERNAL, "planned and measured");
    c.spec.seed = 1ull << 63;
    fails(store_add_run(s, invocation, &c, &r, f, 1), ERR_USAGE, "seed");
    fails(store_end_invocation(s, "00000000-0000-4000-8000-000000000000", 0), ERR_INTERNAL,
          "no invocation");

    /* In a larger transaction one failure undoes all of it, and nothing is added after. */
    ok(store_begin(s));
    ok(add_plan(s, invocation, "sim:x", 1, 1, run));
    r = (struct run_row){.status = "splendid"};
    c = small_cell("ar", "sim:x");
    fails(store_add_run(s, invocation, &c, &r, f, 1), ERR_INTERNAL, "CHECK");
    fails(add_plan(s, invocation, "sim:x", 2, 1, run), ERR_DB, "undone");
    fails(store_commit(s), ERR_DB, "undone");
    assert_int_equal(count(s, "run"), 0);

    ok(store_begin(s));
    ok(add_plan(s, invocation, "sim:x", 1, 1, run));
    ok(store_commit(s));
    assert_int_equal(count(s, "run"), 1);
    is_sound(s);
    store_close(s);
}

static void an_uncommitted_plan_is_gone_after_close(void **state)
{
    const char *path = in_folder(*state, "plan.db");
    char invocation[37], run[37];
    struct store *s = open_ok(path, STORE_WRITE);
    begin_on(s, "sim:x", invocation);
    ok(store_begin(s));
    for (int i = 1; i <= 10; i++) ok(add_plan(s, invocation, "sim:x", i, 3, run));
    store_close(s);
    s = open_ok(path, STORE_READ);
    assert_int_equal(count(s, "run"), 0);
    assert_int_equal(count(s, "invocation"), 1);
    store_close(s);
}

/* Children that write runs until they are killed, at moments from before the file exists on. */
static void killed_at_any_moment(void **state)
{
    const char *path = in_folder(*state, "kill.db");
    int64_t runs = 0;
    for (int i = 0; i < 25; i++) {
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            struct store *s;
            char invocation[37], run[37];
            struct invocation v = {.argv = "x"};
            struct device_row d = {.device = "sim:x", .kind = "sim"};
            if (store_open(path, STORE_WRITE, &s) != ERR_NONE) _exit(1);
            if (store_begin_invocation(s, &v, &d, invocation) != ERR_NONE) _exit(1);
            for (int k = 1;; k++)
                if (add_plan(s, invocation, "sim:x", k, 16, run) != ERR_NONE) _exit(1);
        }
        usleep((useconds_t)(1 + 1700 * i % 23000));
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));

        struct store *s = open_ok(path, STORE_WRITE);
        is_sound(s);
        assert_int_equal(count(s, "forward"), 16 * count(s, "run"));
        assert_int_equal(count(s, "forward_op"), 32 * count(s, "run"));
        assert_true(count(s, "run") >= runs);
        runs = count(s, "run");
        store_close(s);
    }
    assert_true(runs > 0);
}

static void several_writers_at_once(void **state)
{
    enum { WRITERS = 4, RUNS = 25 };
    const char *path = in_folder(*state, "many.db");
    pid_t pid[WRITERS];
    fflush(NULL);
    for (int w = 0; w < WRITERS; w++) {
        pid[w] = fork();
        if (pid[w] != 0) continue;
        struct store *s;
        char invocation[37], run[37];
        struct invocation v = {.argv = "x"};
        struct device_row d = {.device = "sim:x", .kind = "sim"};
        enum err e = store_open(path, STORE_WRITE, &s);
        if (e == ERR_NONE) e = store_begin_invocation(s, &v, &d, invocation);
        for (int i = 1; i <= RUNS && e == ERR_NONE; i++)
            e = add_plan(s, invocation, "sim:x", i, 4, run);
        if (e != ERR_NONE) fprintf(stderr, "%s\n", err_msg());
        store_close(e == ERR_NONE ? s : NULL);
        _exit(e != ERR_NONE);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        assert_int_equal(waitpid(pid[w], &status, 0), pid[w]);
        assert_int_equal(status, 0);
    }
    struct store *s = open_ok(path, STORE_READ);
    assert_int_equal(count(s, "run"), WRITERS * RUNS);
    assert_int_equal(count(s, "cell"), RUNS);
    assert_int_equal(ask_int(s, "SELECT COUNT(DISTINCT run_id) FROM run", NULL), WRITERS * RUNS);
    assert_int_equal(count(s, "device"), 1);
    is_sound(s);
    store_close(s);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(created_and_opened_again),
        IN_FOLDER(files_that_are_not_ours),
        IN_FOLDER(newer_and_damaged_files),
        IN_FOLDER(paths_that_lead_nowhere),
        IN_FOLDER(odd_names_are_names),
        IN_FOLDER(read_only_folders),
        IN_FOLDER(full_disks),
        cmocka_unit_test(a_run_is_there_whole_or_not_at_all),
        IN_FOLDER(an_uncommitted_plan_is_gone_after_close),
        IN_FOLDER(killed_at_any_moment),
        IN_FOLDER(several_writers_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
