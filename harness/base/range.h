/* range.h - the values of an axis as a user writes them.
 *
 *     list   piece {, piece}
 *     piece  size                one value:        16  4k  2Mi
 *            size-size           step 1:           1-4      is 1 2 3 4
 *            size-size+size      steps added:      128-512+128
 *            size-size*number    steps multiplied: 1-64*2   is 1 2 4 8 16 32 64
 *     size   digits [k|M|G|Ki|Mi|Gi]      k, M, G are powers of 1000, Ki, Mi, Gi of 1024
 *
 * The last value is included when the steps reach it.  A value named twice counts
 * once, where it first stood.  Blanks are allowed around commas only. */
#ifndef BASE_RANGE_H
#define BASE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"

enum { RANGE_MAX_VALUES = 10000 };

/* n values in *values, to be freed by the caller; ERR_USAGE quotes the piece that is wrong. */
enum err range_parse(const char *text, int64_t **values, int32_t *n) MUST_CHECK;

/* One size; ERR_USAGE quotes it. */
enum err range_parse_size(const char *text, int64_t *value) MUST_CHECK;

/* Whether text has the form above, be its values sensible or not: "4-1" has, "a / 4" has not. */
bool range_matches(const char *text);

#endif
