/* strbuf.c - text that grows. */
#include "harness/base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Make room for n more bytes and the NUL. */
static bool reserve(struct strbuf *s, size_t n)
{
    if (s->failed) return false;
    if (n < s->size - s->len) return true;
    if (n > SIZE_MAX / 4 - s->len) {
        s->failed = true;
        return false;
    }
    size_t size = s->size ? s->size : 64;
    while (size <= s->len + n) size *= 2;
    char *text = realloc(s->text, size);
    if (!text) {
        s->failed = true;
        return false;
    }
    s->text = text;
    s->size = size;
    return true;
}

void strbuf_add_bytes(struct strbuf *s, const void *bytes, size_t n)
{
    if (!reserve(s, n)) return;
    if (n) memcpy(s->text + s->len, bytes, n);
    s->len += n;
    s->text[s->len] = '\0';
}

void strbuf_add(struct strbuf *s, const char *text)
{
    strbuf_add_bytes(s, text, strlen(text));
}

void strbuf_add_char(struct strbuf *s, char c)
{
    strbuf_add_bytes(s, &c, 1);
}

void strbuf_vaddf(struct strbuf *s, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    CHECK(n >= 0);
    if (!reserve(s, (size_t)n)) return;
    vsnprintf(s->text + s->len, (size_t)n + 1, fmt, ap);
    s->len += (size_t)n;
}

void strbuf_addf(struct strbuf *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    strbuf_vaddf(s, fmt, ap);
    va_end(ap);
}

const char *strbuf_text(const struct strbuf *s)
{
    return s->text ? s->text : "";
}

enum err strbuf_check(const struct strbuf *s)
{
    if (s->failed) return err_set(ERR_NOMEM, "no memory for %zu bytes of text", s->len);
    return ERR_NONE;
}

void strbuf_clear(struct strbuf *s)
{
    s->len = 0;
    s->failed = false;
    if (s->text) s->text[0] = '\0';
}

void strbuf_free(struct strbuf *s)
{
    free(s->text);
    *s = (struct strbuf){0};
}
