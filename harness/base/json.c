/* json.c - a streaming JSON writer. */
#include "harness/base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put(struct json *j, const char *bytes, size_t n)
{
    if (j->file)
        fwrite(bytes, 1, n, j->file); /* json_finish asks ferror */
    else
        strbuf_add_bytes(j->buf, bytes, n);
}

static void put_text(struct json *j, const char *text)
{
    put(j, text, strlen(text));
}

void json_to_file(struct json *j, FILE *file)
{
    *j = (struct json){.file = file};
}

void json_to_strbuf(struct json *j, struct strbuf *buf)
{
    *j = (struct json){.buf = buf};
}

static void separate(struct json *j)
{
    if (j->depth == 0) return;
    if (j->filled[j->depth - 1]) put(j, ",", 1);
    j->filled[j->depth - 1] = true;
}

/* Before any value: it needs a key in an object, and a comma unless it is first. */
static void before_value(struct json *j)
{
    if (j->depth > 0 && j->open[j->depth - 1] == '{') {
        CHECK(j->keyed);
        j->keyed = false;
    } else {
        separate(j);
    }
}

static void begin(struct json *j, char bracket)
{
    before_value(j);
    CHECK(j->depth < JSON_MAX_DEPTH);
    j->open[j->depth] = bracket;
    j->filled[j->depth] = false;
    j->depth++;
    put(j, &bracket, 1);
}

static void end(struct json *j, char bracket, const char *closing)
{
    CHECK(j->depth > 0 && j->open[j->depth - 1] == bracket && !j->keyed);
    j->depth--;
    put_text(j, closing);
}

void json_object_begin(struct json *j)
{
    begin(j, '{');
}

void json_object_end(struct json *j)
{
    end(j, '{', "}");
}

void json_array_begin(struct json *j)
{
    begin(j, '[');
}

void json_array_end(struct json *j)
{
    end(j, '[', "]");
}

static void put_string(struct json *j, const char *text)
{
    put(j, "\"", 1);
    const char *from = text;
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        put(j, from, (size_t)(p - from));
        from = p + 1;
        char code[8];
        switch (c) {
        case '"': put_text(j, "\\\""); break;
        case '\\': put_text(j, "\\\\"); break;
        case '\n': put_text(j, "\\n"); break;
        case '\t': put_text(j, "\\t"); break;
        case '\r': put_text(j, "\\r"); break;
        default:
            snprintf(code, sizeof code, "\\u%04x", c);
            put_text(j, code);
        }
    }
    put_text(j, from);
    put(j, "\"", 1);
}

void json_key(struct json *j, const char *key)
{
    CHECK(j->depth > 0 && j->open[j->depth - 1] == '{' && !j->keyed);
    separate(j);
    put_string(j, key);
    put(j, ":", 1);
    j->keyed = true;
}

void json_string(struct json *j, const char *text)
{
    before_value(j);
    if (text)
        put_string(j, text);
    else
        put_text(j, "null");
}

void json_int(struct json *j, int64_t v)
{
    before_value(j);
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, v);
    put_text(j, digits);
}

void json_format_double(double v, char out[JSON_DOUBLE_SIZE])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, JSON_DOUBLE_SIZE, "%.*g", digits, v);
        if (strtod(out, NULL) == v) break;
    }
    if (!strpbrk(out, ".e")) strcat(out, ".0");
}

void json_double(struct json *j, double v)
{
    before_value(j);
    if (!isfinite(v)) {
        put_text(j, "null");
        return;
    }
    char digits[JSON_DOUBLE_SIZE];
    json_format_double(v, digits);
    put_text(j, digits);
}

void json_bool(struct json *j, bool v)
{
    before_value(j);
    put_text(j, v ? "true" : "false");
}

void json_null(struct json *j)
{
    before_value(j);
    put_text(j, "null");
}

void json_raw(struct json *j, const char *text)
{
    before_value(j);
    put_text(j, text);
}

enum err json_finish(struct json *j)
{
    CHECK(j->depth == 0);
    put(j, "\n", 1);
    if (!j->file) return strbuf_check(j->buf);
    if (fflush(j->file) != 0 || ferror(j->file))
        return err_set(ERR_IO, "could not write all of the JSON output");
    return ERR_NONE;
}
