/* generate: what it says of each forward adds up to the tokens, and decoders that must agree do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "harness/app/verbs.h"
#include "tests/store_fixture.h"

enum { SIZE = 1 << 16 };

/* What the command prints; words are separated by single blanks. */
static enum err prints(const char *command, char text[SIZE])
{
    char line[512], *word[64] = {"regime"}, *rest = NULL;
    struct options o;
    struct log log;
    FILE *talk = tmpfile(), *data = tmpfile();
    int n = 1;
    assert_non_null(talk);
    assert_non_null(data);
    snprintf(line, sizeof line, "%s", command);
    for (char *w = strtok_r(line, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) word[n++] = w;
    enum err e = options_parse(n, word, &o);
    if (e == ERR_NONE) {
        log_open(&log, talk, LOG_WARN);
        o.log = &log;
        fflush(stdout);
        int terminal = dup(1);
        dup2(fileno(data), 1);
        e = verb_generate(&o);
        fflush(stdout);
        dup2(terminal, 1);
        close(terminal);
    }
    rewind(data);
    text[fread(text, 1, SIZE - 1, data)] = 0;
    fclose(data);
    fclose(talk);
    options_free(&o);
    return e;
}

static cJSON *generations(const char *command)
{
    char *text = malloc(SIZE);
    assert_non_null(text);
    ok(prints(command, text));
    cJSON *all = cJSON_Parse(text);
    if (!all) fail_msg("%s: no JSON: %s", command, text);
    free(text);
    return all;
}

static const cJSON *tokens_of(const cJSON *all, int generation, int request)
{
    const cJSON *g = cJSON_GetArrayItem(cJSON_GetObjectItem(all, "generations"), generation);
    const cJSON *r = cJSON_GetArrayItem(cJSON_GetObjectItem(g, "requests"), request);
    const cJSON *t = cJSON_GetObjectItem(r, "tokens");
    assert_non_null(t);
    return t;
}

/* The changes of all forwards, one after the other, on a canvas of masks. */
static void changes_add_up(const cJSON *generation, int batch, int n_gen)
{
    for (int b = 0; b < batch; b++) {
        int canvas[64];
        const cJSON *f, *c;
        for (int i = 0; i < n_gen; i++) canvas[i] = -1;
        cJSON_ArrayForEach(f, cJSON_GetObjectItem(generation, "forwards"))
        {
            cJSON_ArrayForEach(c, cJSON_GetArrayItem(cJSON_GetObjectItem(f, "changes"), b))
            {
                const cJSON *id = cJSON_GetArrayItem(c, 1);
                int at = cJSON_GetArrayItem(c, 0)->valueint;
                assert_in_range(at, 0, n_gen - 1);
                canvas[at] = cJSON_IsNull(id) ? -1 : id->valueint;
            }
        }
        const cJSON *t = cJSON_GetObjectItem(
            cJSON_GetArrayItem(cJSON_GetObjectItem(generation, "requests"), b), "tokens");
        assert_int_equal(cJSON_GetArraySize(t), n_gen);
        for (int i = 0; i < n_gen; i++)
            assert_int_equal(canvas[i], cJSON_GetArrayItem(t, i)->valueint);
    }
}

static void forwards_add_up_to_the_tokens(void **state)
{
    static const char *const commands[] = {
        "generate -m tiny-test --decoder ar,block,diffusion,ar-verify -p 4 -n 12 --block-length 4 "
        "--steps 2 -b 2 --json",
        "generate --process sticky-4 --decoder diffusion --strategy remdm-cap,renoise -p 4 -n 12 "
        "--steps 6 -b 2 --json",
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        cJSON *all = generations(commands[i]);
        const cJSON *g, *list = cJSON_GetObjectItem(all, "generations");
        assert_int_equal(cJSON_GetArraySize(list), i == 0 ? 4 : 2);
        cJSON_ArrayForEach(g, list) changes_add_up(g, 2, 12);
        cJSON_Delete(all);
    }
}

/* One block a token, a shifted head and commits are AR; and a batch changes nobody's tokens. */
static void decoders_that_must_agree_do(void **state)
{
    cJSON *ar = generations("generate -m tiny-test --decoder ar -p 4 -n 12 --json");
    cJSON *block = generations("generate -m tiny-test --decoder block --block-length 1 --steps 1 "
                               "--head shifted -p 4 -n 12 -b 3 --json");
    assert_true(cJSON_Compare(tokens_of(ar, 0, 0), tokens_of(block, 0, 0), true));
    assert_false(cJSON_Compare(tokens_of(block, 0, 0), tokens_of(block, 0, 1), true));
    cJSON_Delete(ar);
    cJSON_Delete(block);
}

static void people_see_the_canvas(void **state)
{
    char *text = malloc(SIZE);
    assert_non_null(text);
    ok(prints("generate -m tiny-test --decoder block -p 4 -n 8 --block-length 4 --steps 4 "
              "--strategy sequential",
              text));
    static const char *const rows[] = {
        "|       0 | prefill |         4 |         0 | ________ |",
        "|       1 | denoise |         4 |         1 | +_______ |",
        "|       2 | denoise |         4 |         1 | #+______ |",
        "|       5 | commit  |         4 |         0 | ####____ |",
        "|       9 | denoise |         4 |         1 | #######+ |",
        "8 tokens in 10 forwards after the prompt's: 0.8 a forward",
        "its weights are random",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strstr(text, rows[i])) fail_msg("no '%s' in:\n%s", rows[i], text);
    ok(prints("generate --process sticky-4 --decoder block --strategy threshold -p 4 -n 8 "
              "--block-length 4",
              text));
    assert_null(strstr(text, "random"));
    free(text);
}

static void what_cannot_be_shown_is_refused(void **state)
{
    char *text = malloc(SIZE);
    assert_non_null(text);
    fails(prints("generate -m tiny-test -o csv", text), ERR_USAGE, "md, json or jsonl");
    fails(prints("generate -m tiny-test --decoder block --strategy threshold", text), ERR_USAGE,
          "mean nothing on seeded random");
    fails(prints("generate --process sticky-4 --decoder diffusion --cache dual --block-length 8 "
                 "-p 8 -n 8",
                 text),
          ERR_USAGE, "no stale keys");
    fails(prints("generate --device sim:a100-80gb", text), ERR_UNSUPPORTED, "computes nothing");
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwards_add_up_to_the_tokens),
        cmocka_unit_test(decoders_that_must_agree_do),
        cmocka_unit_test(people_see_the_canvas),
        cmocka_unit_test(what_cannot_be_shown_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
