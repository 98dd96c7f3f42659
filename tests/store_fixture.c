#include "tests/store_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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
