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

static void add(struct roofs *l, struct roof r, const struct sheet *s, bool cache, bool measured)
{
    const char *source = measured ? "measured" : "datasheet";
    char text[40];
    if (!roof_known(r)) return;
    for (int i = 0; i < l->n; i++)
        if (close_to(r.flop_per_s, l->roof[i].roof.flop_per_s) &&
            close_to(r.bytes_per_s, l->roof[i].roof.bytes_per_s))
            return;
    struct drawn_roof *d = &l->roof[l->n++];
    *d = (struct drawn_roof){.roof = r, .dashed = !measured, .cache = cache};
    text_quantity(text, sizeof text, r.bytes_per_s, "B/s");
    snprintf(d->bandwidth, sizeof d->bandwidth, "%s %s, %s", cache ? "cache" : "DRAM", text,
             source);
    text_quantity(text, sizeof text, r.flop_per_s, "FLOP/s");
    snprintf(d->peak, sizeof d->peak, "%.12s peak %s, %s", arithmetic_name(s->subject), text,
             source);
}

void roofs_find(const struct sheet *s, struct roofs *out)
{
    const struct plot_run *newest[2] = {NULL, NULL};
    const struct plot_data *d = s->data;
    *out = (struct roofs){.n = 0};
    for (int i = 0; i < d->n_runs; i++) {
        const struct plot_run *r = &d->run[i];
        const struct plot_run **to = &newest[r->cache_resident];
        if (&d->subject[r->subject] != s->subject) continue;
        if (!*to || strcmp(r->recorded_utc, (*to)->recorded_utc) > 0) *to = r;
    }
    if (newest[0]) add(out, newest[0]->ceilings, s, false, true);
    if (newest[1]) add(out, newest[1]->ceilings, s, true, true);
    const struct plot_run *any = newest[0] ? newest[0] : newest[1];
    if (any) add(out, any->datasheet, s, false, false);
}

void roofs_describe(const struct roofs *r, struct strbuf *out)
{
    strbuf_add(out, "Roofs: ");
    for (int i = 0; i < r->n; i++)
        strbuf_addf(out, "%s%s and %s", i ? "; " : "", r->roof[i].bandwidth, r->roof[i].peak);
    strbuf_add(out, r->n ? " (solid: measured, dashed: datasheet); those of the newest run.\n"
                         : "none known.\n");
}
