/* roofs.c - see roofs.h. */
#include "plots/roofs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plots/figures.h"

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 0.01 * b;
}

bool roofs_same_peak(const struct drawn_roof *a, const struct drawn_roof *b)
{
    return close_to(a->roof.flop_per_s, b->roof.flop_per_s);
}

/* Over all runs of the subject: the largest, and the smallest. */
struct extremes {
    struct roof most, least;
};

static void include(struct extremes *e, struct roof r)
{
    if (!roof_known(r)) return;
    bool first = !roof_known(e->most);
    e->most.flop_per_s = first ? r.flop_per_s : fmax(e->most.flop_per_s, r.flop_per_s);
    e->most.bytes_per_s = first ? r.bytes_per_s : fmax(e->most.bytes_per_s, r.bytes_per_s);
    e->least.flop_per_s = first ? r.flop_per_s : fmin(e->least.flop_per_s, r.flop_per_s);
    e->least.bytes_per_s = first ? r.bytes_per_s : fmin(e->least.bytes_per_s, r.bytes_per_s);
}

static void add(struct roofs *l, const struct extremes *e, const struct sheet *s, bool cache,
                bool measured)
{
    const char *source = measured ? "measured" : "datasheet";
    char text[40];
    if (!roof_known(e->most)) return;
    for (int i = 0; i < l->n; i++)
        if (close_to(e->most.flop_per_s, l->roof[i].roof.flop_per_s) &&
            close_to(e->most.bytes_per_s, l->roof[i].roof.bytes_per_s))
            return;
    struct drawn_roof *d = &l->roof[l->n++];
    *d = (struct drawn_roof){
        .roof = e->most, .least = e->least, .dashed = !measured, .cache = cache};
    text_quantity(text, sizeof text, d->roof.bytes_per_s, "B/s");
    snprintf(d->bandwidth, sizeof d->bandwidth, "%s %s, %s", cache ? "cache" : "DRAM", text,
             source);
    text_quantity(text, sizeof text, d->roof.flop_per_s, "FLOP/s");
    snprintf(d->peak, sizeof d->peak, "%.12s peak %s, %s", arithmetic_name(s->subject), text,
             source);
}

void roofs_find(const struct sheet *s, struct roofs *out)
{
    struct extremes ceilings[2], datasheet;
    const struct plot_data *d = s->data;
    memset(ceilings, 0, sizeof ceilings);
    memset(&datasheet, 0, sizeof datasheet);
    *out = (struct roofs){.n = 0};
    for (int i = 0; i < d->n_runs; i++) {
        const struct plot_run *r = &d->run[i];
        if (&d->subject[r->subject] != s->subject) continue;
        include(&ceilings[r->cache_resident], r->ceilings);
        include(&datasheet, r->datasheet);
    }
    add(out, &ceilings[0], s, false, true);
    add(out, &ceilings[1], s, true, true);
    add(out, &datasheet, s, false, false);
}

void roofs_describe(const struct roofs *r, struct strbuf *out)
{
    strbuf_add(out, "Roofs: ");
    for (int i = 0; i < r->n; i++)
        strbuf_addf(out, "%s%s and %s", i ? "; " : "", r->roof[i].bandwidth, r->roof[i].peak);
    strbuf_add(out, r->n ? " (solid: measured, dashed: datasheet).\n" : "none known.\n");
    for (int i = 0; i < r->n; i++) {
        const struct drawn_roof *d = &r->roof[i];
        char bytes[40], flop[40];
        /* More than what repeated measurements differ by on a quiet machine. */
        if (d->least.flop_per_s > 0.95 * d->roof.flop_per_s &&
            d->least.bytes_per_s > 0.95 * d->roof.bytes_per_s)
            continue;
        text_quantity(bytes, sizeof bytes, d->least.bytes_per_s, "B/s");
        text_quantity(flop, sizeof flop, d->least.flop_per_s, "FLOP/s");
        strbuf_addf(out,
                    "The largest that were measured are drawn; for some runs %s came out as "
                    "low as %s and %s: the machine was disturbed, or its weights lie in "
                    "another level of the cache. A run's side of the ridge and share of its "
                    "roof are of the roofs measured with it.\n",
                    d->cache ? "cache and peak" : "DRAM and peak", bytes, flop);
    }
}
