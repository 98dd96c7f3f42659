/* test_base.c - the base library's small parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/build_info.h"
#include "harness/base/clock.h"
#include "harness/base/embed.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/log.h"
#include "harness/base/strbuf.h"
#include "harness/base/suggest.h"

static void strbuf_grows_and_formats(void **state)
{
    (void)state;
    struct strbuf s = {0};
    assert_string_equal(strbuf_text(&s), "");
    for (int i = 0; i < 1000; i++) strbuf_addf(&s, "%03d,", i);
    assert_int_equal(s.len, 4000);
    assert_memory_equal(s.text + 4 * 517, "517,", 4);
    assert_int_equal(strlen(s.text), s.len);
    assert_int_equal(strbuf_check(&s), ERR_NONE);

    strbuf_clear(&s);
    strbuf_add(&s, "a");
    strbuf_add_char(&s, 'b');
    strbuf_add_bytes(&s, "cde", 2);
    strbuf_addf(&s, "%s", "");
    assert_string_equal(strbuf_text(&s), "abcd");
    strbuf_free(&s);
    assert_string_equal(strbuf_text(&s), "");
}

/* Every length around the sizes it doubles at, so that the NUL always has room. */
static void strbuf_keeps_its_nul_at_every_length(void **state)
{
    (void)state;
    for (int n = 0; n < 300; n++) {
        struct strbuf s = {0};
        strbuf_addf(&s, "%*s", n, "");
        assert_int_equal(strlen(strbuf_text(&s)), n);
        strbuf_add_char(&s, 'x');
        assert_int_equal(strlen(strbuf_text(&s)), n + 1);
        strbuf_free(&s);
    }
}

static void strbuf_remembers_a_failure(void **state)
{
    (void)state;
    struct strbuf s = {0};
    strbuf_add(&s, "kept");
    strbuf_add_bytes(&s, "", SIZE_MAX / 2);
    strbuf_add(&s, " lost");
    assert_int_equal(strbuf_check(&s), ERR_NOMEM);
    assert_string_equal(strbuf_text(&s), "kept");
    strbuf_clear(&s);
    assert_int_equal(strbuf_check(&s), ERR_NONE);
    strbuf_free(&s);
}

static void json_writes_nested_values(void **state)
{
    (void)state;
    struct strbuf s = {0};
    struct json j;
    json_to_strbuf(&j, &s);
    json_object_begin(&j);
    json_key(&j, "a");
    json_int(&j, INT64_MIN);
    json_key(&j, "b");
    json_array_begin(&j);
    json_int(&j, INT64_MAX);
    json_double(&j, 0.1);
    json_double(&j, 3);
    json_double(&j, 0.0 / 0.0);
    json_bool(&j, true);
    json_null(&j);
    json_string(&j, NULL);
    json_object_begin(&j);
    json_object_end(&j);
    json_array_begin(&j);
    json_array_end(&j);
    json_array_end(&j);
    json_key(&j, "quote\"");
    json_string(&j, "tab\t nl\n cr\r back\\ bell\a \xc3\xa9");
    json_object_end(&j);
    assert_int_equal(json_finish(&j), ERR_NONE);
    assert_string_equal(strbuf_text(&s),
                        "{\"a\":-9223372036854775808,\"b\":[9223372036854775807,0.1,3.0,null,true,"
                        "null,null,{},[]],\"quote\\\"\":\"tab\\t nl\\n cr\\r back\\\\ bell\\u0007 "
                        "\xc3\xa9\"}\n");
    strbuf_free(&s);
}

static void json_doubles_read_back_exactly(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } known[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1e300, "1e+300"},
        {5e-324, "4.94065645841247e-324"}, /* the smallest; 15 digits suffice */
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {0.30000000000000004, "0.30000000000000004"}, /* 0.1 + 0.2 needs 17 */
        {123456789012, "123456789012.0"},
        {9007199254740993.0, "9007199254740992.0"}, /* 2^53 + 1 is not a double */
    };
    char text[JSON_DOUBLE_SIZE];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        json_format_double(known[i].v, text);
        assert_string_equal(text, known[i].text);
    }
    double v = 1.0 / 3.0;
    for (int i = 0; i < 2000; i++, v = -v * 1.375) {
        json_format_double(v, text);
        assert_true(strtod(text, NULL) == v);
    }
}

static void json_to_a_full_disk_is_an_error(void **state)
{
    (void)state;
    FILE *f = fopen("/dev/full", "w");
    if (!f) skip();
    struct json j;
    json_to_file(&j, f);
    json_int(&j, 1);
    assert_int_equal(json_finish(&j), ERR_IO);
    fclose(f);
}

static void clock_goes_forward(void **state)
{
    (void)state;
    int64_t before = clock_ns();
    usleep(2000);
    assert_true(clock_ns() - before >= 2000000);
    assert_true(clock_overhead_ns() >= 0 && clock_overhead_ns() < 1000000);
}

static void clock_texts(void **state)
{
    (void)state;
    char text[CLOCK_DURATION_SIZE];
    clock_format_utc(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_format_utc(1000000000123, text); /* 10^9 s is 2001-09-09T01:46:40Z */
    assert_string_equal(text, "2001-09-09T01:46:40.123Z");
    clock_format_utc(1709164800000, text); /* a leap day */
    assert_string_equal(text, "2024-02-29T00:00:00.000Z");

    static const struct {
        int64_t ns;
        const char *text;
    } durations[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1 us"},
        {999499, "999 us"},
        {999500, "1 ms"},
        {45400000, "45 ms"},
        {3240000000, "3.2 s"},
        {9950000000, "10 s"},
        {59499999999, "59 s"},
        {59500000000, "1 min 00 s"},
        {245000000000, "4 min 05 s"},
        {7800000000000, "2 h 10 min"},
        {360000000000000, "100 h 00 min"},
    };
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        clock_format_duration(durations[i].ns, text);
        assert_string_equal(text, durations[i].text);
    }
}

/* The vectors of FIPS 180-4's examples, and one million times "a". */
static void sha256_of_known_texts(void **state)
{
    (void)state;
    char hex[SHA256_HEX_SIZE];
    sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    sha256_hex(two_blocks, strlen(two_blocks), hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");

    char path[] = "/tmp/regime-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    char *as = malloc(1000000);
    assert_non_null(as);
    memset(as, 'a', 1000000);
    assert_int_equal(write(fd, as, 1000000), 1000000);
    close(fd);
    assert_int_equal(sha256_file_hex(path, hex), ERR_NONE);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    unlink(path);
    free(as);
    assert_int_equal(sha256_file_hex(path, hex), ERR_IO);
    assert_non_null(strstr(err_msg(), path));
}

static void uuids_are_version_4_and_differ(void **state)
{
    (void)state;
    char a[UUID_SIZE], b[UUID_SIZE];
    for (int i = 0; i < 100; i++) {
        assert_int_equal(uuid_make(a), ERR_NONE);
        assert_int_equal(uuid_make(b), ERR_NONE);
        assert_int_equal(strlen(a), 36);
        assert_string_not_equal(a, b);
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
        for (int k = 0; k < 36; k++) {
            bool dash = k == 8 || k == 13 || k == 18 || k == 23;
            assert_true(dash ? a[k] == '-' : strchr("0123456789abcdef", a[k]) != NULL);
        }
    }
}

static void edit_distance_of_known_pairs(void **state)
{
    (void)state;
    assert_int_equal(edit_distance("", ""), 0);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
    assert_int_equal(edit_distance("sunday", "saturday"), 3);
    assert_int_equal(edit_distance("batch", "bacth"), 1); /* neighbours swapped */
    assert_int_equal(edit_distance("ca", "abc"), 3);      /* 2 only if edits may overlap */
}

static void suggestions_are_near_or_absent(void **state)
{
    (void)state;
    static const char *const known[] = {"batch",   "block-length", "threads", "threshold",
                                        "n-gen",   "n-prompt",     "steps",   "strategy",
                                        "kv-dtype", "dtype",       NULL};
    assert_string_equal(suggest_nearest("bacth", known), "batch");
    assert_string_equal(suggest_nearest("thread", known), "threads");
    assert_string_equal(suggest_nearest("block", known), "block-length");
    assert_string_equal(suggest_nearest("n_gen", known), "n-gen");
    assert_string_equal(suggest_nearest("stategy", known), "strategy");
    assert_null(suggest_nearest("zebra", known));
    assert_null(suggest_nearest("", known));
    assert_null(suggest_nearest("x", known));
}

static void log_prints_only_its_level(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    struct log l;
    log_open(&l, f, LOG_INFO);
    log_line(&l, LOG_DEBUG, "hidden");
    log_line(&l, LOG_WARN, "%d left", 3);
    log_progress(&l, "1/%d", 9);
    log_progress(&l, "2/9"); /* too soon after the first for a plain file */
    log_line(&l, LOG_INFO, "done");
    fflush(f);
    assert_string_equal(text, "regime: warning: 3 left\n1/9\ndone\n");

    l.tty = true;
    l.shown = 5;
    log_progress(&l, "abc");
    log_line(&l, LOG_INFO, "x");
    fflush(f);
    assert_string_equal(text, "regime: warning: 3 left\n1/9\ndone\n\rabc  \r   \rx\n");
    fclose(f);
    free(text);
}

static void log_cuts_a_line_that_is_too_long(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    struct log l;
    log_open(&l, f, LOG_INFO);
    log_line(&l, LOG_ERROR, "%5000s", "");
    fclose(f);
    assert_true(n < 3000);
    assert_int_equal(text[n - 1], '\n');
    free(text);
}

/* The build embeds files byte for byte: what is compiled in equals what is in the tree. */
static void embedded_files_equal_the_tree(void **state)
{
    (void)state;
    assert_null(embed_find("no/such/file"));
    for (const struct embedded_file *e = embedded_files; e->path; e++) {
        FILE *f = fopen(e->path, "rb");
        if (!f) skip(); /* run from another folder */
        struct strbuf s = {0};
        for (int c; (c = getc(f)) != EOF;) strbuf_add_char(&s, (char)c);
        fclose(f);
        assert_string_equal(strbuf_text(&s), e->text);
        assert_ptr_equal(embed_find(e->path), e->text);
        strbuf_free(&s);
    }
}

static void build_info_is_filled(void **state)
{
    (void)state;
    assert_true(strcmp(build_info.git_sha, "unknown") == 0 || strlen(build_info.git_sha) == 40);
    assert_int_equal(strlen(build_info.source_sha256), 64);
    assert_non_null(strstr(build_info.cflags, "-std=c11"));
    assert_true(strlen(build_info.compiler) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strbuf_grows_and_formats),
        cmocka_unit_test(strbuf_keeps_its_nul_at_every_length),
        cmocka_unit_test(strbuf_remembers_a_failure),
        cmocka_unit_test(json_writes_nested_values),
        cmocka_unit_test(json_doubles_read_back_exactly),
        cmocka_unit_test(json_to_a_full_disk_is_an_error),
        cmocka_unit_test(clock_goes_forward),
        cmocka_unit_test(clock_texts),
        cmocka_unit_test(sha256_of_known_texts),
        cmocka_unit_test(uuids_are_version_4_and_differ),
        cmocka_unit_test(edit_distance_of_known_pairs),
        cmocka_unit_test(suggestions_are_near_or_absent),
        cmocka_unit_test(log_prints_only_its_level),
        cmocka_unit_test(log_cuts_a_line_that_is_too_long),
        cmocka_unit_test(embedded_files_equal_the_tree),
        cmocka_unit_test(build_info_is_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
