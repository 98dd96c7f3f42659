/* skips.c - see skips.h. */
#include "harness/app/skips.h"

#include <stdio.h>
#include <string.h>

/* Equal but for the numbers in them. */
static bool alike(const char *a, const char *b)
{
    static const char number[] = "0123456789.";
    while (*a && *b) {
        size_t i = strspn(a, number), k = strspn(b, number);
        if (i && k) {
            a += i;
            b += k;
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return *a == *b;
}

static int32_t find(struct skips *s, const char *reason)
{
    int32_t i = 0;
    while (i < s->n_reasons && !alike(s->of[i].reason, reason)) i++;
    return i;
}

static void name_cell(const struct cell *c, char *out, size_t size)
{
    snprintf(out, size, "%s batch %d", c->decoder, c->spec.batch);
}

void skips_add(struct skips *s, const struct cell *c, const char *reason)
{
    char cell[64];
    int32_t i = find(s, reason);
    name_cell(c, cell, sizeof cell);
    s->n++;
    /* More kinds of reasons than there is room for are said one by one. */
    log_line(s->log, i < SKIP_REASONS ? LOG_DEBUG : LOG_INFO, "skipped %s: %s", cell, reason);
    if (i == SKIP_REASONS) return;
    if (i == s->n_reasons) {
        s->n_reasons++;
        s->of[i].same = true;
        snprintf(s->of[i].cell, sizeof s->of[i].cell, "%s", cell);
        snprintf(s->of[i].reason, sizeof s->of[i].reason, "%s", reason);
    }
    s->of[i].n++;
    s->of[i].same &= strcmp(s->of[i].reason, reason) == 0;
}

void skips_report(struct skips *s)
{
    bool shortened = false;
    for (int32_t i = 0; i < s->n_reasons; i++) {
        int32_t n = s->of[i].n;
        if (n == 1)
            log_line(s->log, LOG_INFO, "skipped %s: %s", s->of[i].cell, s->of[i].reason);
        else if (s->of[i].same)
            log_line(s->log, LOG_INFO, "skipped %d cells: %s", n, s->of[i].reason);
        else
            log_line(s->log, LOG_INFO, "skipped %d cells like %s: %s", n, s->of[i].cell,
                     s->of[i].reason);
        shortened |= n > 1;
    }
    if (shortened && s->log->level < LOG_DEBUG)
        log_line(s->log, LOG_INFO, "(-v names each skipped cell)");
    s->n_reasons = 0;
}
