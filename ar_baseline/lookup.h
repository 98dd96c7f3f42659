/* lookup.h - drafts from the text itself: what followed its end the last time it occurred. */
#ifndef AR_BASELINE_LOOKUP_H
#define AR_BASELINE_LOOKUP_H

#include <stdint.h>

/* Find the latest earlier occurrence of the last 3 of n tokens, else of the last 2, else of the
 * last, and copy up to n_drafts tokens that follow it.  Returns how many. */
int32_t lookup(const int32_t *tokens, int32_t n, int32_t *drafts, int32_t n_drafts);

#endif
