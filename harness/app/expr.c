/* expr.c - expressions over axes, read and evaluated in one pass.
 *
 * The text is read again for each cell: there are few cells, and no tree to keep. */
#include "harness/app/expr.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/range.h"
#include "harness/base/suggest.h"

enum { MAX_DEPTH = 32 };

enum value_kind { VALUE_INT, VALUE_REAL, VALUE_TRUTH, VALUE_NAME };

struct value {
    enum value_kind kind;
    int64_t i;            /* INT, TRUTH                                 */
    double r;             /* REAL                                       */
    const struct axis *a; /* NAME: the axis whose word this is          */
    char text[40];        /* NAME: the word                             */
    int64_t num, den;     /* REAL: the division that left the integers  */
};

struct parser {
    const struct expr *e;
    const char *p;
    const struct cell *c;    /* NULL: only check names and grammar        */
    const struct axis *seen; /* set when the axis `wanted` is named       */
    const struct axis *wanted;
    enum expr_status status; /* of the evaluation, while err is ERR_NONE  */
    char *reason;
    size_t reason_size;
    int depth;
};

static enum err syntax(const struct parser *s, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static enum err syntax(const struct parser *s, const char *at, const char *fmt, ...)
{
    char what[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(ERR_USAGE, "%s: %s, at column %d of \"%.200s\"", s->e->where, what,
                   (int)(at - s->e->text) + 1, s->e->text);
}

/* The first reason why there is no value stands. */
static void no_value(struct parser *s, enum expr_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void no_value(struct parser *s, enum expr_status status, const char *fmt, ...)
{
    if (s->status != EXPR_OK) return;
    s->status = status;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->reason, s->reason_size, fmt, ap);
    va_end(ap);
}

static void skip_blanks(struct parser *s)
{
    while (isspace((unsigned char)*s->p)) s->p++;
}

static size_t word_length(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) ||
           (n && (p[n] == '-' || p[n] == '.' || p[n] == ':' || p[n] == '_')))
        n++;
    return n;
}

/* Take the operator if it is next; blanks must surround it. */
static enum err take(struct parser *s, const char *op, bool *taken)
{
    size_t n = strlen(op);
    skip_blanks(s);
    *taken = strncmp(s->p, op, n) == 0;
    if (!*taken) return ERR_NONE;
    bool before = s->p > s->e->text && isspace((unsigned char)s->p[-1]);
    if (!before || !isspace((unsigned char)s->p[n]))
        return syntax(s, s->p, "\"%s\" needs a space on both sides", op);
    s->p += n;
    return ERR_NONE;
}

static double real(const struct value *v)
{
    return v->kind == VALUE_REAL ? v->r : (double)v->i;
}

static bool is_number(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_REAL;
}

static enum err parse_or(struct parser *s, struct value *out);

static enum err parse_axis(struct parser *s, const struct axis *a, struct value *out)
{
    *out = (struct value){.kind = VALUE_INT, .i = 1};
    if (a == s->wanted) s->seen = a;
    if (a->kind == AXIS_TEXT || a->kind == AXIS_ENUM)
        *out = (struct value){.kind = VALUE_NAME, .a = a};
    if (a->kind == AXIS_FLOAT) *out = (struct value){.kind = VALUE_REAL};
    if (!s->c) return ERR_NONE;
    if (!axis_applies(a, s->c) || !axis_is_set(a, s->c)) {
        no_value(s, EXPR_ABSENT, "%s has no value here", a->name);
        return ERR_NONE;
    }
    struct axis_value v = axis_get(a, s->c);
    out->i = v.i;
    out->r = v.f;
    axis_text(a, s->c, out->text, sizeof out->text);
    return ERR_NONE;
}

static enum err parse_number(struct parser *s, char *word, struct value *out)
{
    *out = (struct value){.kind = VALUE_INT};
    if (range_parse_size(word, &out->i) == ERR_NONE) return ERR_NONE;
    char *end;
    out->kind = VALUE_REAL;
    out->r = strtod(word, &end);
    if (*end || strspn(word, "0123456789.eE") != strlen(word))
        return syntax(s, s->p, "\"%s\" is not a number", word);
    return ERR_NONE;
}

static enum err parse_value(struct parser *s, struct value *out)
{
    char word[40];
    skip_blanks(s);
    if (*s->p == '(') {
        if (++s->depth > MAX_DEPTH) return syntax(s, s->p, "too many parentheses");
        const char *open = s->p++;
        TRY(parse_or(s, out));
        skip_blanks(s);
        if (*s->p != ')') return syntax(s, open, "this parenthesis is not closed");
        s->p++;
        s->depth--;
        return ERR_NONE;
    }
    size_t n = word_length(s->p);
    if (n == 0)
        return *s->p ? syntax(s, s->p, "expected a number or an axis before \"%.10s\"", s->p)
                     : syntax(s, s->p, "expected a number or an axis");
    if (n >= sizeof word) return syntax(s, s->p, "a name this long is no axis");
    memcpy(word, s->p, n);
    word[n] = '\0';
    if (isdigit((unsigned char)word[0])) {
        TRY(parse_number(s, word, out));
        s->p += n;
        return ERR_NONE;
    }
    const struct axis *a = axis_find(word);
    if (a && a->not_yet) return syntax(s, s->p, "%s", a->not_yet);
    if (!a) {
        const char *names[64] = {NULL};
        for (int32_t i = 0; i < 63 && axis_at(i); i++) names[i] = axis_at(i)->name;
        char near[SUGGEST_SIZE];
        return syntax(s, s->p, "no axis is called \"%s\"%s", word,
                      suggest_phrase(word, names, near));
    }
    s->p += n;
    return parse_axis(s, a, out);
}

/* What an operand must be; `at` is where the operator stands. */
static enum err need_numbers(struct parser *s, const char *at, const char *op,
                             const struct value *a, const struct value *b)
{
    if (is_number(a) && is_number(b)) return ERR_NONE;
    return syntax(s, at, "\"%s\" needs a number on both sides", op);
}

static void divide(struct parser *s, struct value *a, const struct value *b)
{
    if (real(b) == 0) {
        no_value(s, EXPR_NO_VALUE, "a division by zero");
    } else if (a->kind == VALUE_INT && b->kind == VALUE_INT && a->i % b->i == 0) {
        a->i /= b->i;
    } else {
        if (a->kind == VALUE_INT && b->kind == VALUE_INT) a->num = a->i, a->den = b->i;
        a->r = real(a) / real(b);
        a->kind = VALUE_REAL;
    }
}

static void calculate(struct parser *s, char op, struct value *a, const struct value *b)
{
    if (!s->c || s->status != EXPR_OK) {
        if (b->kind == VALUE_REAL) a->kind = VALUE_REAL;
        return;
    }
    if (op == '/') {
        divide(s, a, b);
        return;
    }
    if (op == '%') {
        if (a->kind != VALUE_INT || b->kind != VALUE_INT || b->i == 0)
            no_value(s, EXPR_NO_VALUE, "%% needs whole numbers and no zero after it");
        else
            a->i %= b->i;
        return;
    }
    if (a->kind == VALUE_INT && b->kind == VALUE_INT) {
        bool over = op == '+'   ? __builtin_add_overflow(a->i, b->i, &a->i)
                    : op == '-' ? __builtin_sub_overflow(a->i, b->i, &a->i)
                                : __builtin_mul_overflow(a->i, b->i, &a->i);
        if (over) no_value(s, EXPR_NO_VALUE, "a number passes 2^63 - 1");
        return;
    }
    if (!a->den) a->num = b->num, a->den = b->den;
    double x = real(a), y = real(b);
    a->r = op == '+' ? x + y : op == '-' ? x - y : x * y;
    a->kind = VALUE_REAL;
}

/* One level of left-associative arithmetic. */
static enum err parse_arithmetic(struct parser *s, const char *ops,
                                 enum err (*operand)(struct parser *, struct value *),
                                 struct value *out)
{
    TRY(operand(s, out));
    for (;;) {
        bool taken = false;
        const char *o = ops;
        for (; *o && !taken; o++) {
            char op[2] = {*o, '\0'};
            TRY(take(s, op, &taken));
        }
        if (!taken) return ERR_NONE;
        const char *at = s->p - 1;
        char op[2] = {o[-1], '\0'};
        struct value right;
        TRY(operand(s, &right));
        TRY(need_numbers(s, at, op, out, &right));
        calculate(s, op[0], out, &right);
    }
}

static enum err parse_term(struct parser *s, struct value *out)
{
    return parse_arithmetic(s, "*/%", parse_value, out);
}

static enum err parse_sum(struct parser *s, struct value *out)
{
    return parse_arithmetic(s, "+-", parse_term, out);
}

/* After `decoder ==`: a word that this axis knows. */
static enum err compare_name(struct parser *s, const struct value *left, const char *op,
                             const char *at, bool *equal)
{
    skip_blanks(s);
    char word[40];
    size_t n = word_length(s->p);
    if (op[1] != '=' || strchr("<>", op[0]))
        return syntax(s, at, "%s can only be compared with == and !=", left->a->name);
    if (n == 0 || n >= sizeof word)
        return syntax(s, s->p, "expected one of the words of %s", left->a->name);
    memcpy(word, s->p, n);
    word[n] = '\0';
    struct axis_value v;
    if (axis_parse(left->a, word, &v) != ERR_NONE) {
        char why[160];
        snprintf(why, sizeof why, "%.150s", err_msg());
        return syntax(s, s->p, "%s", why);
    }
    s->p += n;
    *equal = strcmp(left->text, word) == 0;
    return ERR_NONE;
}

static bool compare_numbers(const char *op, const struct value *a, const struct value *b)
{
    int order;
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        order = (a->i > b->i) - (a->i < b->i);
    else
        order = (real(a) > real(b)) - (real(a) < real(b));
    switch (op[0]) {
    case '<':
        return order < 0 || (op[1] && order == 0);
    case '>':
        return order > 0 || (op[1] && order == 0);
    case '=':
        return order == 0;
    default:
        return order != 0;
    }
}

static enum err parse_compare(struct parser *s, struct value *out)
{
    static const char *const ops[] = {"<=", ">=", "==", "!=", "<", ">", NULL};
    TRY(parse_sum(s, out));
    const char *op = NULL;
    for (int i = 0; ops[i] && !op; i++) {
        bool taken;
        TRY(take(s, ops[i], &taken));
        if (taken) op = ops[i];
    }
    if (!op) return ERR_NONE;
    const char *at = s->p - strlen(op);
    struct value truth = {.kind = VALUE_TRUTH};
    if (out->kind == VALUE_NAME) {
        bool equal = false;
        TRY(compare_name(s, out, op, at, &equal));
        truth.i = equal == (op[0] == '=');
    } else {
        struct value right;
        TRY(parse_sum(s, &right));
        TRY(need_numbers(s, at, op, out, &right));
        truth.i = compare_numbers(op, out, &right);
    }
    *out = truth;
    return ERR_NONE;
}

/* The side that does not decide may have no value: batch > 4 || steps > 2. */
static enum err parse_logic(struct parser *s, const char *op, bool decides,
                            enum err (*operand)(struct parser *, struct value *), struct value *out)
{
    TRY(operand(s, out));
    for (;;) {
        bool taken;
        TRY(take(s, op, &taken));
        if (!taken) return ERR_NONE;
        const char *at = s->p - 2;
        struct value right;
        enum expr_status left = s->status;
        s->status = EXPR_OK;
        TRY(operand(s, &right));
        if (out->kind != VALUE_TRUTH || right.kind != VALUE_TRUTH)
            return syntax(s, at, "\"%s\" needs a comparison on both sides", op);
        bool left_decides = left == EXPR_OK && out->i == decides;
        bool right_decides = s->status == EXPR_OK && right.i == decides;
        if (left_decides || right_decides) {
            s->status = EXPR_OK;
            out->i = decides;
        } else if (left != EXPR_OK) {
            s->status = left;
        } else {
            out->i = right.i;
        }
    }
}

static enum err parse_and(struct parser *s, struct value *out)
{
    return parse_logic(s, "&&", false, parse_compare, out);
}

static enum err parse_or(struct parser *s, struct value *out)
{
    return parse_logic(s, "||", true, parse_and, out);
}

static enum err parse_all(struct parser *s, struct value *out)
{
    s->p = s->e->text;
    TRY(parse_or(s, out));
    skip_blanks(s);
    if (*s->p) return syntax(s, s->p, "expected an operator before \"%.10s\"", s->p);
    return ERR_NONE;
}

enum err expr_create(const char *where, const char *text, enum expr_result want, struct expr **out)
{
    struct expr *e = calloc(1, sizeof *e);
    if (e) e->where = strdup(where);
    if (e) e->text = strdup(text);
    if (!e || !e->where || !e->text) {
        expr_free(e);
        return err_set(ERR_NOMEM, "no memory for an expression");
    }
    struct parser s = {.e = e};
    struct value v;
    enum err err = parse_all(&s, &v);
    if (err == ERR_NONE && want == EXPR_TRUTH && v.kind != VALUE_TRUTH)
        err = syntax(&s, e->text, "expected a comparison, like `batch * block-length > 64`");
    if (err == ERR_NONE && want == EXPR_NUMBER && !is_number(&v))
        err = syntax(&s, e->text, "expected a number, like `block-length / 4`");
    if (err != ERR_NONE) {
        expr_free(e);
        return err;
    }
    *out = e;
    return ERR_NONE;
}

void expr_free(struct expr *e)
{
    if (!e) return;
    free(e->where);
    free(e->text);
    free(e);
}

bool expr_looks_like(const char *text)
{
    while (*text) {
        size_t n = word_length(text);
        char word[40];
        if (n && n < sizeof word && isalpha((unsigned char)*text)) {
            memcpy(word, text, n);
            word[n] = '\0';
            if (axis_find(word)) return true;
        }
        text += n ? n : 1;
    }
    return false;
}

bool expr_uses(const struct expr *e, const struct axis *a)
{
    struct parser s = {.e = e, .wanted = a};
    struct value v;
    CHECK(parse_all(&s, &v) == ERR_NONE);
    return s.seen != NULL;
}

/* Evaluate a checked expression. */
static enum expr_status evaluate(const struct expr *e, const struct cell *c, struct value *v,
                                 char *reason, size_t reason_size)
{
    struct parser s = {.e = e, .c = c, .reason = reason, .reason_size = reason_size};
    reason[0] = '\0';
    CHECK(parse_all(&s, v) == ERR_NONE);
    return s.status;
}

enum expr_status expr_int(const struct expr *e, const struct cell *c, int64_t *out, char *reason,
                          size_t reason_size)
{
    struct value v;
    enum expr_status status = evaluate(e, c, &v, reason, reason_size);
    if (status != EXPR_OK) return status;
    if (v.kind == VALUE_INT) {
        *out = v.i;
        return EXPR_OK;
    }
    if (v.den)
        snprintf(reason, reason_size, "%" PRId64 " / %" PRId64 " is not a whole number", v.num,
                 v.den);
    else
        snprintf(reason, reason_size, "%g is not a whole number", v.r);
    return EXPR_NO_VALUE;
}

enum expr_status expr_float(const struct expr *e, const struct cell *c, double *out, char *reason,
                            size_t reason_size)
{
    struct value v;
    enum expr_status status = evaluate(e, c, &v, reason, reason_size);
    if (status == EXPR_OK) *out = real(&v);
    return status;
}

enum expr_status expr_true(const struct expr *e, const struct cell *c, bool *out, char *reason,
                           size_t reason_size)
{
    struct value v;
    enum expr_status status = evaluate(e, c, &v, reason, reason_size);
    if (status == EXPR_OK) *out = v.i != 0;
    return status;
}
