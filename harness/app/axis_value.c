/* axis_value.c - values of axes: from text, into cells, and back to text. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/axes.h"
#include "harness/base/range.h"

/* "a whole number from 1 to 16", "f32 or bf16". */
static const char *expected(const struct axis *a, char *buf, size_t size)
{
    size_t used = 0;
    switch (a->kind) {
    case AXIS_INT:
        if (a->max == INT64_MAX)
            snprintf(buf, size, "a whole number of at least %" PRId64, a->min);
        else
            snprintf(buf, size, "a whole number from %" PRId64 " to %" PRId64, a->min, a->max);
        break;
    case AXIS_FLOAT:
        snprintf(buf, size, "a number from %" PRId64 " to %" PRId64, a->min, a->max);
        break;
    case AXIS_ENUM:
        for (int32_t i = 0; i <= a->max && used < size; i++)
            used += (size_t)snprintf(buf + used, size - used, "%s%s",
                                     i == 0        ? ""
                                     : i == a->max ? " or "
                                                   : ", ",
                                     a->word(i));
        break;
    case AXIS_TEXT:
        snprintf(buf, size, "a name");
        break;
    }
    return buf;
}

static enum err refuse(const struct axis *a, const char *problem)
{
    char want[160];
    return err_set(ERR_USAGE, "%s; expected %s", problem, expected(a, want, sizeof want));
}

static enum err check_range(const struct axis *a, int64_t v)
{
    char problem[64];
    if (v >= a->min && v <= a->max) return ERR_NONE;
    snprintf(problem, sizeof problem, "%" PRId64 " is too %s", v, v < a->min ? "small" : "large");
    return refuse(a, problem);
}

enum err axis_check(const struct axis *a, const struct axis_value *v)
{
    char problem[64];
    if (a->kind == AXIS_INT) return check_range(a, v->i);
    if (a->kind != AXIS_FLOAT || (v->f >= (double)a->min && v->f <= (double)a->max))
        return ERR_NONE;
    snprintf(problem, sizeof problem, "%g is too %s", v->f,
             v->f < (double)a->min ? "small" : "large");
    return refuse(a, problem);
}

/* One piece, NUL-terminated and without blanks around it. */
static enum err parse_piece(const struct axis *a, const char *text, struct axis_value *out)
{
    char problem[200];
    *out = (struct axis_value){0};
    if (!*text) return refuse(a, "the value is empty");
    snprintf(problem, sizeof problem, "\"%.100s\" is not one", text);

    if (a->kind == AXIS_ENUM) {
        while (out->i <= a->max && strcmp(a->word((int32_t)out->i), text) != 0) out->i++;
        return out->i <= a->max ? ERR_NONE : refuse(a, problem);
    }
    if (a->kind == AXIS_FLOAT) {
        char *end;
        out->f = strtod(text, &end);
        /* strtod also reads hexadecimal, "inf" and "nan". */
        if (*end || strspn(text, "+-.0123456789eE") != strlen(text) || !isfinite(out->f))
            return refuse(a, problem);
        return axis_check(a, out);
    }
    if (a->kind == AXIS_INT) {
        if (range_parse_size(text, &out->i) != ERR_NONE) {
            snprintf(problem, sizeof problem, "%.180s", err_msg());
            return refuse(a, problem);
        }
        return axis_check(a, out);
    }
    if (strlen(text) >= sizeof out->text || strlen(text) >= a->size)
        return err_set(ERR_USAGE, "\"%.30s...\" is longer than any name", text);
    strcpy(out->text, text);
    return a->check(text);
}

enum err axis_parse(const struct axis *a, const char *text, struct axis_value *out)
{
    return parse_piece(a, text, out);
}

bool axis_value_equal(const struct axis *a, const struct axis_value *v, const struct axis_value *w)
{
    if (a->kind == AXIS_TEXT) return strcmp(v->text, w->text) == 0;
    if (a->kind == AXIS_FLOAT) return (float)v->f == (float)w->f;
    return v->i == w->i;
}

static enum err append(const struct axis *a, struct axis_list *l, const struct axis_value *v)
{
    for (int32_t i = 0; i < l->n; i++)
        if (axis_value_equal(a, &l->value[i], v)) return ERR_NONE;
    if (l->n == RANGE_MAX_VALUES)
        return err_set(ERR_USAGE, "more than %d values", RANGE_MAX_VALUES);
    /* Grow at powers of two only. */
    if ((l->n & (l->n - 1)) == 0) {
        size_t room = l->n ? 2 * (size_t)l->n : 1;
        struct axis_value *grown = realloc(l->value, room * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "no memory for %zu values", room);
        l->value = grown;
    }
    l->value[l->n++] = *v;
    return ERR_NONE;
}

static enum err append_range(const struct axis *a, const char *text, struct axis_list *l)
{
    int64_t *values = NULL;
    int32_t n = 0;
    enum err e = range_parse(text, &values, &n);
    if (e == ERR_USAGE) {
        char problem[200];
        snprintf(problem, sizeof problem, "%.180s", err_msg());
        return refuse(a, problem);
    }
    TRY(e);
    for (int32_t i = 0; i < n && e == ERR_NONE; i++) {
        struct axis_value v = {.i = values[i]};
        e = axis_check(a, &v);
        if (e == ERR_NONE) e = append(a, l, &v);
    }
    free(values);
    return e;
}

enum err axis_parse_list(const struct axis *a, const char *text, struct axis_list *list)
{
    if (!text[strspn(text, " \t")]) return refuse(a, "the value is empty");
    if (a->kind == AXIS_INT) return append_range(a, text, list);
    for (const char *p = text;; p++) {
        const char *comma = strchrnul(p, ','), *end = comma;
        while (p < end && isblank((unsigned char)*p)) p++;
        while (end > p && isblank((unsigned char)end[-1])) end--;
        char *piece = strndup(p, (size_t)(end - p));
        if (!piece) return err_set(ERR_NOMEM, "no memory for a value");
        struct axis_value v;
        enum err e = parse_piece(a, piece, &v);
        free(piece);
        TRY(e);
        TRY(append(a, list, &v));
        if (!*comma) return ERR_NONE;
        p = comma;
    }
}

void axis_set(const struct axis *a, struct cell *c, const struct axis_value *v)
{
    char *field = (char *)c + a->offset;
    if (a->kind == AXIS_TEXT) {
        snprintf(field, a->size, "%s", v->text);
    } else if (a->kind == AXIS_FLOAT) {
        float f = (float)v->f;
        memcpy(field, &f, sizeof f);
    } else if (a->size == sizeof(int64_t)) {
        memcpy(field, &v->i, sizeof v->i);
    } else {
        int32_t i = (int32_t)v->i;
        memcpy(field, &i, sizeof i);
    }
}

struct axis_value axis_get(const struct axis *a, const struct cell *c)
{
    struct axis_value v = {0};
    const char *field = (const char *)c + a->offset;
    if (a->kind == AXIS_TEXT) {
        snprintf(v.text, sizeof v.text, "%s", field);
    } else if (a->kind == AXIS_FLOAT) {
        float f;
        memcpy(&f, field, sizeof f);
        v.f = (double)f;
    } else if (a->size == sizeof(int64_t)) {
        memcpy(&v.i, field, sizeof v.i);
    } else {
        int32_t i;
        memcpy(&i, field, sizeof i);
        v.i = i;
    }
    return v;
}

bool axis_is_set(const struct axis *a, const struct cell *c)
{
    if (a->kind == AXIS_TEXT) return *((const char *)c + a->offset) != '\0';
    return a->fallback || axis_get(a, c).i != a->absent;
}

void axis_text(const struct axis *a, const struct cell *c, char *buf, size_t buf_size)
{
    struct axis_value v = axis_get(a, c);
    switch (a->kind) {
    case AXIS_TEXT:
        snprintf(buf, buf_size, "%s", v.text);
        break;
    case AXIS_INT:
        snprintf(buf, buf_size, "%" PRId64, v.i);
        break;
    case AXIS_FLOAT:
        snprintf(buf, buf_size, "%g", v.f);
        if ((float)strtod(buf, NULL) != (float)v.f) snprintf(buf, buf_size, "%.9g", v.f);
        break;
    case AXIS_ENUM:
        snprintf(buf, buf_size, "%s", a->word((int32_t)v.i));
        break;
    }
}

/* The value a cell has before anybody gives it one. */
static struct axis_value initial(const struct axis *a)
{
    struct axis_value v = {.i = a->absent};
    if (a->fallback) CHECK(axis_parse(a, a->fallback, &v) == ERR_NONE);
    return v;
}

void axes_default(struct cell *c, const char *device)
{
    const struct axis *a;
    memset(c, 0, sizeof *c);
    for (int32_t i = 0; (a = axis_at(i)) && !a->not_yet; i++) {
        struct axis_value v = initial(a);
        axis_set(a, c, &v);
    }
    snprintf(c->device, sizeof c->device, "%s", device);
}

void axes_resolve(struct cell *c)
{
    const struct axis *a;
    for (int32_t i = 0; (a = axis_at(i)) && !a->not_yet; i++) {
        if (axis_applies(a, c)) continue;
        struct axis_value v = initial(a);
        axis_set(a, c, &v);
    }
    axes_resolve_block_length(c);
    if (axis_applies(axis_find("steps"), c) && !c->spec.steps)
        c->spec.steps = c->spec.block_length ? c->spec.block_length : c->spec.n_gen;
    if (c->kv_dtype == DTYPE_COUNT) c->kv_dtype = dtype_beside(c->dtype);

    if (strcmp(c->match, "memory") != 0) c->memory_budget = 0;
    if (strcmp(c->match, "latency") != 0) c->latency_ms = 0;

    /* Predictions read neither weights nor prompts. */
    if (strncmp(c->device, "sim:", 4) == 0) {
        c->weights = WEIGHTS_SEEDED;
        c->prompts[0] = '\0';
    }
    if (c->weights == WEIGHTS_DEFAULT)
        c->weights = model_is_folder(c->model) ? WEIGHTS_CHECKPOINT : WEIGHTS_SEEDED;

    struct model_config whole;
    if (model_named(c->model, 0, &whole) == ERR_NONE && c->layers == whole.n_layer) c->layers = 0;
}

void axes_resolve_block_length(struct cell *c)
{
    if (strcmp(c->decoder, "block") == 0 && !c->spec.block_length) c->spec.block_length = 32;
}

bool cells_equal(const struct cell *c, const struct cell *d)
{
    const struct axis *a;
    for (int32_t i = 0; (a = axis_at(i)) && !a->not_yet; i++) {
        struct axis_value v = axis_get(a, c), w = axis_get(a, d);
        if (!axis_value_equal(a, &v, &w)) return false;
    }
    return true;
}
