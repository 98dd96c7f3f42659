#include "tests/store_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

void ok(enum err e)
{
    if (e != ERR_NONE) fail_msg("%s: %s", err_name(e), err_msg());
}

void fails(enum err e, enum err code, const char *text)
{
    if (e != code || !strstr(err_msg(), text))
        fail_msg("want %s with \"%s\", got %s: %s", err_name(code), text, err_name(e), err_msg());
}

struct store *memory_store(void)
{
    struct store *s;
    ok(store_open(":memory:", STORE_WRITE, &s));
    return s;
}

void begin_on(struct store *s, const char *device, char invocation_id[37])
{
    bool sim = strncmp(device, "sim:", 4) == 0;
    struct invocation i = {.argv = "regime run", .seed = 7};
    struct device_row d = {.device = device,
                           .kind = sim ? "sim" : "cpu",
                           .description = "a test device",
                           .llc_bytes = 1 << 20};
    ok(store_begin_invocation(s, &i, &d, invocation_id));
}

struct cell small_cell(const char *decoder, const char *device)
{
    struct cell c = {.model = "tiny-test",
                     .spec = {.batch = 2, .n_prompt = 4, .n_gen = 8, .seed = 7},
                     .dtype = DTYPE_BF16,
                     .kv_dtype = DTYPE_BF16,
                     .match = "policy"};
    snprintf(c.decoder, sizeof c.decoder, "%s", decoder);
    snprintf(c.device, sizeof c.device, "%s", device);
    return c;
}

struct answer {
    struct store_value value;
    char text[256];
    int n;
};

static enum err take(void *ctx, const struct store_result_row *row)
{
    struct answer *a = ctx;
    assert_int_equal(row->n, 1);
    a->value = row->value[0];
    a->n++;
    if (a->value.type == VALUE_TEXT) snprintf(a->text, sizeof a->text, "%s", a->value.text);
    return ERR_NONE;
}

static struct answer ask(struct store *s, const char *sql, const char *arg)
{
    struct answer a = {0};
    struct store_value v = store_text(arg);
    ok(store_query(s, sql, &v, arg ? 1 : 0, take, &a));
    if (a.n != 1) fail_msg("%d rows instead of 1: %s", a.n, sql);
    return a;
}

int64_t ask_int(struct store *s, const char *sql, const char *arg)
{
    struct answer a = ask(s, sql, arg);
    if (a.value.type != VALUE_INT) fail_msg("not an integer: %s", sql);
    return a.value.i;
}

double ask_real(struct store *s, const char *sql, const char *arg)
{
    struct answer a = ask(s, sql, arg);
    if (a.value.type != VALUE_REAL) fail_msg("not a real: %s", sql);
    return a.value.r;
}

const char *ask_text(struct store *s, const char *sql, const char *arg, char out[256])
{
    struct answer a = ask(s, sql, arg);
    if (a.value.type != VALUE_TEXT && a.value.type != VALUE_NULL) fail_msg("not a text: %s", sql);
    snprintf(out, 256, "%s", a.value.type == VALUE_NULL ? "(null)" : a.text);
    return out;
}

void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fabs(want))) fail_msg("got %.17g, want %.17g", got, want);
}

char *in_folder(const char *folder, const char *name)
{
    static char path[4][300];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

int make_folder(void **state)
{
    char *folder = strdup("/tmp/regime-store-XXXXXX");
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

int remove_folder(void **state)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    free(*state);
    return system(command) == 0 ? 0 : -1;
}

void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    sqlite3_close(db);
}

void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

void digest(const char *path, char out[SHA256_HEX_SIZE])
{
    ok(sha256_file_hex(path, out));
}

struct store *open_ok(const char *path, enum store_mode mode)
{
    struct store *s;
    ok(store_open(path, mode, &s));
    return s;
}

enum err add_plan(struct store *s, const char *invocation, const char *device,
                         int32_t batch, int32_t n, char run_id[37])
{
    struct ledger l = {0};
    l.op[OP_MATMUL] = (struct ledger_entry){.calls = 1, .cost = {.flop_matmul = 10}};
    l.op[OP_ATTENTION] = (struct ledger_entry){.calls = 1, .cost = {.flop_attention = 5}};
    struct forward_row f[16];
    assert_true(n <= 16);
    for (int32_t i = 0; i < n; i++)
        f[i] = (struct forward_row){.kind = FORWARD_PLAN, .n_forwards = 1, .time_ns = -1,
                                    .other_cpus = -1, .ledger = &l};
    struct cell c = small_cell("ar", device);
    c.spec.batch = batch;
    struct run_row r = {.status = "ok"};
    TRY(store_add_run(s, invocation, &c, &r, f, n));
    snprintf(run_id, 37, "%s", r.run_id);
    return ERR_NONE;
}

int64_t count(struct store *s, const char *table)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %s", table);
    return ask_int(s, sql, NULL);
}

static enum err no_row(void *ctx, const struct store_result_row *row)
{
    return err_set(ERR_DB, "a row of %s points nowhere", row->value[0].text);
}

void is_sound(struct store *s)
{
    char text[256];
    assert_string_equal(ask_text(s, "PRAGMA integrity_check", NULL, text), "ok");
    ok(store_query(s, "PRAGMA foreign_key_check", NULL, 0, no_row, NULL));
}
