/* lookup.c - see lookup.h. */
#include "ar_baseline/lookup.h"

#include <string.h>

enum { LONGEST = 3 };

int32_t lookup(const int32_t *tokens, int32_t n, int32_t *drafts, int32_t n_drafts)
{
    for (int32_t m = LONGEST; m >= 1; m--)
        for (int32_t at = n - m - 1; at >= 0; at--) {
            if (memcmp(tokens + at, tokens + n - m, (size_t)m * sizeof *tokens) != 0) continue;
            int32_t found = n - (at + m) < n_drafts ? n - (at + m) : n_drafts;
            memcpy(drafts, tokens + at + m, (size_t)found * sizeof *drafts);
            return found;
        }
    return 0;
}
