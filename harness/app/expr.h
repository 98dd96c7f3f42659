/* expr.h - small expressions over axes: `block-length / 4`, `batch * n-gen > 4096`.
 *
 *     or     := and { "||" and }
 *     and    := compare { "&&" compare }
 *     compare:= sum [ ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) sum ]
 *     sum    := term { ( "+" | "-" ) term }
 *     term   := value { ( "*" | "/" | "%" ) value }
 *     value  := number | axis | word | "(" or ")"
 *
 * Axis names contain "-", so operators need spaces around them.  A word is what a named
 * axis is compared with: `decoder == ar`.  Numbers are exact: an integer division with a
 * remainder has no integer value, and a comparison sees the fraction. */
#ifndef APP_EXPR_H
#define APP_EXPR_H

#include "harness/app/axes.h"

struct expr {
    char *where; /* "quickstart.yaml:14: steps" */
    char *text;
};

enum expr_result { EXPR_NUMBER, EXPR_TRUTH };

/* Check names and grammar; ERR_USAGE says where, the column and what was expected. */
enum err expr_create(const char *where, const char *text, enum expr_result want,
                     struct expr **out) MUST_CHECK;
void expr_free(struct expr *e); /* NULL is allowed */

/* Whether the text looks like an expression rather than a value: it names an axis. */
bool expr_looks_like(const char *text);
/* Whether it refers to this axis. */
bool expr_uses(const struct expr *e, const struct axis *a);

enum expr_status {
    EXPR_OK,
    EXPR_ABSENT,  /* an axis it needs has no value in this cell */
    EXPR_NO_VALUE /* a division by zero, an overflow, ...       */
};
/* The value as an integer / a float / a truth; else the reason why it has none. */
enum expr_status expr_int(const struct expr *e, const struct cell *c, int64_t *out, char *reason,
                          size_t reason_size);
enum expr_status expr_float(const struct expr *e, const struct cell *c, double *out, char *reason,
                            size_t reason_size);
enum expr_status expr_true(const struct expr *e, const struct cell *c, bool *out, char *reason,
                           size_t reason_size);

#endif
