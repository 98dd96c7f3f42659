/* suggest.h - "did you mean": the known name nearest to a mistyped one. */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include <stdint.h>

/* Edits (insert, delete, replace, swap neighbours) that turn a into b; the first 63
 * characters of each are compared. */
int32_t edit_distance(const char *a, const char *b);

/* The nearest of a NULL-terminated list, the earlier one on ties; NULL when none is near:
 * more than a third of the letters would change and neither begins with the other. */
const char *suggest_nearest(const char *name, const char *const *known);

/* The end of "no such thing" in a sentence: "; the nearest is \"batch\"", or nothing.  Returns
 * buf. */
enum { SUGGEST_SIZE = 96 };
const char *suggest_phrase(const char *name, const char *const *known, char buf[SUGGEST_SIZE]);

#endif
