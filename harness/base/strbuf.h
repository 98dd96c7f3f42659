/* strbuf.h - text that grows.
 *
 * A zeroed struct is an empty buffer.  Running out of memory is remembered, not
 * returned: append freely, then ask strbuf_check once. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"

struct strbuf {
    char *text;  /* owned; NUL-terminated; NULL before the first append */
    size_t len;  /* bytes without the NUL                               */
    size_t size; /* bytes reserved                                      */
    bool failed; /* an append did not fit; the text is incomplete       */
};

void strbuf_add(struct strbuf *s, const char *text);
void strbuf_add_bytes(struct strbuf *s, const void *bytes, size_t n);
void strbuf_add_char(struct strbuf *s, char c);
void strbuf_addf(struct strbuf *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *s, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* The text so far; "" for an empty buffer, never NULL.  Valid until the next append. */
const char *strbuf_text(const struct strbuf *s);

/* ERR_NOMEM when any append failed. */
enum err strbuf_check(const struct strbuf *s) MUST_CHECK;

/* Empty it, keep the memory, forget a failure. */
void strbuf_clear(struct strbuf *s);
void strbuf_free(struct strbuf *s);

/* "s" unless there is one: "%d cell%s". */
static inline const char *plural(long long n)
{
    return n == 1 ? "" : "s";
}

#endif
