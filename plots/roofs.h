/* roofs.h - the roofs a subject's figures show. */
#ifndef PLOTS_ROOFS_H
#define PLOTS_ROOFS_H

#include "plots/sheet.h"

struct drawn_roof {
    struct roof roof;
    bool dashed;        /* from the data sheet; measured ones are solid */
    bool cache;         /* bandwidth of the cache, not of DRAM          */
    struct roof least;  /* the smallest that some run was held against  */
    char bandwidth[64]; /* "DRAM 12.3 GB/s, measured"                   */
    char peak[80];      /* "f32 peak 214 GFLOP/s, measured"             */
};
struct roofs {
    struct drawn_roof roof[3];
    int n;
};

/* The largest roofs of the subject's runs, because a ceiling that was measured lower at another
 * time was disturbed; runs whose weights stay in the cache have their own.  The first one is
 * what runs are held against in figures that show one. */
void roofs_find(const struct sheet *s, struct roofs *out);
/* For a caption: each roof, and how they are drawn. */
void roofs_describe(const struct roofs *r, struct strbuf *out);
bool roofs_same_peak(const struct drawn_roof *a, const struct drawn_roof *b);

#endif
