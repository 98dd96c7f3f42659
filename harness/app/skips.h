/* skips.h - cells that were left out, and why: a sentence for each reason, not for each cell. */
#ifndef APP_SKIPS_H
#define APP_SKIPS_H

#include "harness/app/cells.h"
#include "harness/base/log.h"

enum { SKIP_REASONS = 16 };

struct skips {
    struct log *log; /* borrowed */
    int32_t n;       /* of all cells */
    int32_t n_reasons;
    struct {
        int32_t n;
        bool same; /* one sentence for all of them; else only its numbers differ */
        char cell[64], reason[300]; /* of the first */
    } of[SKIP_REASONS];
};

/* Count a cell, and with -v say it at once. */
void skips_add(struct skips *s, const struct cell *c, const char *reason);
/* Say what was counted, once: "skipped 12 cells: batch > 8". */
void skips_report(struct skips *s);

#endif
