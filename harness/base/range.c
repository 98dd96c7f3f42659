/* range.c - parse axis values.
 *
 * Errors quote what the user wrote.  Two passes over the same grammar: shape (is this a
 * range at all?) and value, because a sweep file asks the first question of any text. */
#include "harness/base/range.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int64_t factor;
} suffixes[] = {
    {"Ki", INT64_C(1) << 10}, {"Mi", INT64_C(1) << 20}, {"Gi", INT64_C(1) << 30},
    {"k", 1000},              {"M", 1000000},           {"G", 1000000000},
};

/* Skip one size; NULL when there is none at p. */
static const char *skip_size(const char *p)
{
    if (!isdigit((unsigned char)*p)) return NULL;
    while (isdigit((unsigned char)*p)) p++;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t len = strlen(suffixes[i].name);
        if (strncmp(p, suffixes[i].name, len) == 0) return p + len;
    }
    return p;
}

static const char *skip_digits(const char *p)
{
    if (!isdigit((unsigned char)*p)) return NULL;
    while (isdigit((unsigned char)*p)) p++;
    return p;
}

static const char *skip_piece(const char *p)
{
    p = skip_size(p);
    if (!p || *p != '-') return p;
    p = skip_size(p + 1);
    if (!p) return NULL;
    if (*p == '+') return skip_size(p + 1);
    if (*p == '*') return skip_digits(p + 1);
    return p;
}

/* The part of text up to end, without the blanks around it. */
static void trim(const char **text, const char **end)
{
    while (*text < *end && isblank((unsigned char)**text)) (*text)++;
    while (*end > *text && isblank((unsigned char)(*end)[-1])) (*end)--;
}

bool range_matches(const char *text)
{
    for (;;) {
        const char *comma = strchrnul(text, ',');
        const char *from = text, *end = comma;
        trim(&from, &end);
        if (skip_piece(from) != end) return false;
        if (!*comma) return true;
        text = comma + 1;
    }
}

/* Read the size at *p, which skip_size has accepted; false when it passes INT64_MAX. */
static bool read_size(const char **p, int64_t *value)
{
    const char *end = skip_size(*p);
    int64_t v = 0;
    while (isdigit((unsigned char)**p)) {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, **p - '0', &v))
            return false;
        (*p)++;
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && *p < end; i++) {
        size_t len = strlen(suffixes[i].name);
        if ((size_t)(end - *p) != len || strncmp(*p, suffixes[i].name, len) != 0) continue;
        if (__builtin_mul_overflow(v, suffixes[i].factor, &v)) return false;
        *p = end;
    }
    *value = v;
    return true;
}

struct values {
    int64_t *v; /* owned */
    int32_t n, size;
};

static enum err append(struct values *list, int64_t v)
{
    for (int32_t i = 0; i < list->n; i++)
        if (list->v[i] == v) return ERR_NONE;
    if (list->n == list->size) {
        int32_t size = list->size ? 2 * list->size : 16;
        int64_t *grown = realloc(list->v, (size_t)size * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "no memory for %d values", size);
        list->v = grown;
        list->size = size;
    }
    list->v[list->n++] = v;
    return ERR_NONE;
}

static enum err add_piece(const char *p, const char *end, struct values *list)
{
    const int len = (int)(end - p);
    const char *const piece = p;
    if (len == 0) return err_set(ERR_USAGE, "a value is missing beside a comma");
    if (*p == '-') return err_set(ERR_USAGE, "\"%.*s\" is negative", len, piece);
    if (skip_piece(p) != end)
        return err_set(ERR_USAGE,
                       "\"%.*s\" is not a value or range (like 16, 4k, 1-64*2 or 128-512+128)", len,
                       piece);

    int64_t first, last, step = 1;
    char op = '+';
    if (!read_size(&p, &first)) goto too_large;
    last = first;
    if (p < end) {
        p++;
        if (!read_size(&p, &last)) goto too_large;
    }
    if (p < end) {
        op = *p++;
        if (!read_size(&p, &step)) goto too_large;
    }
    if (last < first) return err_set(ERR_USAGE, "\"%.*s\" runs backwards", len, piece);
    if (op == '+' && step == 0) return err_set(ERR_USAGE, "\"%.*s\" has a step of 0", len, piece);
    if (op == '*' && step < 2)
        return err_set(ERR_USAGE, "\"%.*s\" multiplies by %" PRId64 ", which never reaches its end",
                       len, piece, step);
    if (op == '*' && first == 0)
        return err_set(ERR_USAGE, "\"%.*s\" multiplies 0, which never grows", len, piece);

    for (int64_t v = first; v <= last;) {
        if (list->n == RANGE_MAX_VALUES)
            return err_set(ERR_USAGE, "\"%.*s\" names more than %d values", len, piece,
                           RANGE_MAX_VALUES);
        TRY(append(list, v));
        bool over = op == '+' ? __builtin_add_overflow(v, step, &v)
                              : __builtin_mul_overflow(v, step, &v);
        if (over) break; /* the next one is beyond last, whatever last is */
    }
    return ERR_NONE;

too_large:
    return err_set(ERR_USAGE, "\"%.*s\" is too large", len, piece);
}

enum err range_parse(const char *text, int64_t **values, int32_t *n)
{
    struct values list = {0};
    enum err e = ERR_NONE;
    for (;;) {
        const char *comma = strchrnul(text, ',');
        const char *from = text, *end = comma;
        trim(&from, &end);
        TRY_OUT(add_piece(from, end, &list));
        if (!*comma) break;
        text = comma + 1;
    }
    *values = list.v;
    *n = list.n;
    return ERR_NONE;
out:
    free(list.v);
    return e;
}

enum err range_parse_size(const char *text, int64_t *value)
{
    const char *end = skip_size(text);
    if (*text == '-') return err_set(ERR_USAGE, "\"%s\" is negative", text);
    if (!end || *end)
        return err_set(ERR_USAGE, "\"%s\" is not a number (like 16, 4k or 2Mi)", text);
    const char *p = text;
    if (!read_size(&p, value)) return err_set(ERR_USAGE, "\"%s\" is too large", text);
    return ERR_NONE;
}
