/* slow_sweep.c - damaged sweep files: each is read or refused with its place, never worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/app/sweep.h"
#include "harness/base/rng.h"

enum { ROUNDS = 30000, ROOM = 8192 };

struct dice {
    uint64_t seed;
    uint32_t n;
};

static uint32_t roll(struct dice *d, uint32_t below)
{
    const uint32_t counter[4] = {d->n++, 0, 0, 0};
    return rng_below(philox4x32(counter, d->seed).word[0], below);
}

/* Pieces that mean something to YAML, to the range grammar or to expressions. */
static const char *const pieces[] = {
    "-",         ":",
    "[",         "]",
    "{",         "}",
    ",",         "\n",
    "  ",        "#",
    "&a ",       "*a",
    "!!",        "---",
    "\"",        "'",
    "|",         ">",
    "1-64*2",    "0",
    "-1",        "4Ki",
    " / ",       " * ",
    "steps",     "batch",
    "skip: ",    "ar",
    "groups:\n", "\t",
    "\xc3",      "\xff",
    "\x01",      "9223372036854775808",
    "?",         "(",
    "decoder: ", " == ",
    "%YAML",     "batch: ",
    "<<: ",      "null",
    "~",         "n-gen / 0",
    "\r",        "\xef\xbb\xbf",
};

/* Cut, repeat or put in something; returns the new length. */
static size_t damage(struct dice *d, char *text, size_t n)
{
    uint32_t at = roll(d, (uint32_t)n + 1), span = roll(d, 12);
    const char *piece = pieces[roll(d, sizeof pieces / sizeof pieces[0])];
    char copy[16];
    size_t add = strlen(piece);
    switch (roll(d, 3)) {
    case 0: /* cut */
        if (at + span > n) span = (uint32_t)n - at;
        memmove(text + at, text + at + span, n - at - span);
        return n - span;
    case 1: /* repeat what is there */
        if (at + span > n) span = (uint32_t)n - at;
        memcpy(copy, text + at, span);
        piece = copy;
        add = span;
        break;
    default:
        break;
    }
    if (n + add > ROOM) return n;
    at = roll(d, (uint32_t)n + 1);
    memmove(text + at + add, text + at, n - at);
    memcpy(text + at, piece, add);
    return n + add;
}

static void damaged_files_are_read_or_refused_with_their_place(void **state)
{
    char *text = malloc(ROOM);
    int32_t accepted = 0, refused = 0;
    (void)state;
    assert_non_null(text);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct dice d = {.seed = round};
        char *name = sweep_builtin((int32_t)roll(&d, 7));
        struct sweep s;
        struct cell_list l = {0};
        assert_non_null(name);
        assert_int_equal(sweep_load(name, "cpu", &s), ERR_NONE);
        free(name);
        size_t n = strlen(s.text);
        assert_true(n < ROOM);
        memcpy(text, s.text, n);
        sweep_free(&s);
        for (uint32_t i = roll(&d, 4) + 1; i > 0; i--) n = damage(&d, text, n);

        enum err e = sweep_parse("f.yaml", text, n, "cpu", &s);
        if (e == ERR_NONE) e = cells_expand(&s.space, &l);
        if (e == ERR_NONE) {
            accepted++;
            assert_true(l.n > 0 && l.n <= CELLS_MAX);
        } else {
            refused++;
            assert_int_equal(e, ERR_USAGE);
            assert_memory_equal(err_msg(), "f.yaml:", 7);
            assert_true(atoi(err_msg() + 7) >= 1);
        }
        cell_list_free(&l);
        sweep_free(&s);
    }
    free(text);
    /* Both outcomes were really met. */
    assert_true(accepted > ROUNDS / 50);
    assert_true(refused > ROUNDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_files_are_read_or_refused_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
