/* suggest.c - edit distance (optimal string alignment) over short names. */
#include "harness/base/suggest.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 63 };

static int32_t min2(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

int32_t edit_distance(const char *a, const char *b)
{
    int32_t n = (int32_t)strnlen(a, LONGEST), m = (int32_t)strnlen(b, LONGEST);
    int32_t rows[3][LONGEST + 1]; /* the last three rows of the table, in turn */
    for (int32_t j = 0; j <= m; j++) rows[0][j] = j;
    for (int32_t i = 1; i <= n; i++) {
        int32_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int32_t j = 1; j <= m; j++) {
            row[j] = min2(min2(up[j], row[j - 1]) + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min2(row[j], up2[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

const char *suggest_nearest(const char *name, const char *const *known)
{
    const char *best = NULL;
    int32_t best_distance = 0;
    size_t len = strlen(name);
    if (len == 0) return NULL;
    for (; *known; known++) {
        size_t known_len = strlen(*known);
        size_t shorter = len < known_len ? len : known_len;
        size_t longer = len < known_len ? known_len : len;
        int32_t d = edit_distance(name, *known);
        int begins = shorter >= 2 && strncmp(name, *known, shorter) == 0;
        if (!begins && (size_t)d * 3 > longer) continue;
        if (!best || d < best_distance) {
            best = *known;
            best_distance = d;
        }
    }
    return best;
}

const char *suggest_phrase(const char *name, const char *const *known, char buf[SUGGEST_SIZE])
{
    const char *near = suggest_nearest(name, known);
    snprintf(buf, SUGGEST_SIZE, near ? "; the nearest is \"%.60s\"" : "", near);
    return buf;
}
