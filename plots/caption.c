/* caption.c - what the figures' captions and data files have in common. */
#include <math.h>
#include <string.h>

#include "plots/figures.h"

const char *evidence_word(const struct subject *u)
{
    return u->predicted ? "predicted" : "timed";
}

const char *arithmetic_name(const struct subject *u)
{
    const char *dtype = u->field[SUBJECT_DTYPE];
    const char *compute = u->field[SUBJECT_COMPUTE];
    if (strcmp(u->kind, "cpu") == 0) return *compute ? compute : "f32";
    if (strcmp(u->kind, "sim") == 0 && strcmp(dtype, "f32") == 0) return "tf32";
    return dtype;
}

enum dtype dtype_named(const char *name)
{
    for (enum dtype d = 0; d < DTYPE_COUNT; d++)
        if (strcmp(dtype_name(d), name) == 0) return d;
    return DTYPE_BF16;
}

void caption_begin(struct sheet *s, const char *what)
{
    const struct subject *u = s->subject;
    struct strbuf *c = &s->caption;
    strbuf_addf(c, "%s. %s %s", what, u->predicted ? "Predicted for" : "Measured on", u->device);
    if (*u->description) strbuf_addf(c, " (%s)", u->description);
    strbuf_addf(c, ": %s", u->field[SUBJECT_MODEL]);
    if (*u->field[SUBJECT_LAYERS]) strbuf_addf(c, ", %s layers", u->field[SUBJECT_LAYERS]);
    strbuf_addf(c, ", %s weights, %s keys and values", u->field[SUBJECT_DTYPE],
                u->field[SUBJECT_KV]);
    if (*u->field[SUBJECT_COMPUTE])
        strbuf_addf(c, ", matmuls in %s", u->field[SUBJECT_COMPUTE]);
    if (*u->field[SUBJECT_THREADS]) strbuf_addf(c, ", %s threads", u->field[SUBJECT_THREADS]);
    if (*u->field[SUBJECT_ISA]) strbuf_addf(c, ", kernels for %s", u->field[SUBJECT_ISA]);
    strbuf_add(c, "; ");
    series_describe(s->data, u, c);
    strbuf_add(c, ".\n");
}

void caption_evidence(struct sheet *s)
{
    strbuf_add(&s->caption,
               s->subject->predicted
                   ? "Evidence: analytic. Nothing was run: FLOPs and bytes are counted by the "
                     "ledger from the shapes of every call, times are predicted from the device's "
                     "roofs. Hollow symbols are predictions.\n"
                   : "Evidence: times are measured by the clock; FLOPs and bytes are counted by "
                     "the ledger from the shapes of every call (analytic), not by hardware "
                     "counters. Filled symbols are measured.\n");
}

void caption_pinned(struct sheet *s, double lo, double hi)
{
    strbuf_add(&s->caption, "median time of one forward in the middle of its phase, n = ");
    caption_span(&s->caption, lo, hi);
    strbuf_add(&s->caption, " repetitions; vertical bars: 95 % confidence interval of the median "
                            "by ranks, none below n = 6, hidden where smaller than the symbol. ");
}

void caption_resident(struct sheet *s, const struct chart *c)
{
    int n = 0;
    for (int i = 0; i < c->n; i++) n += s->data->run[c->marks[i].run].cache_resident;
    if (n)
        strbuf_addf(&s->caption,
                    "Ringed: the weights of %d of %d points stay in the last-level cache; their "
                    "bytes come from there, not from DRAM.\n",
                    n, c->n);
}

void caption_unplaced(struct sheet *s, int n)
{
    if (n)
        strbuf_addf(&s->caption, "%d label%s found no room; the data file has everything.\n", n,
                    plural(n));
}

void data_run(struct sheet *s, const struct mark *m)
{
    const struct plot_run *r = &s->data->run[m->run];
    const double numbers[] = {r->batch, r->block, r->steps, r->prompt, r->gen};
    strbuf_addf(&s->tsv, "%d\t", m->series + 1);
    text_field(&s->tsv, r->decoder);
    strbuf_addf(&s->tsv, "\t%s\t", *m->phase ? m->phase : "NA");
    for (int i = 0; i < 5; i++) {
        text_number(&s->tsv, numbers[i]);
        strbuf_add_char(&s->tsv, '\t');
    }
    strbuf_addf(&s->tsv, "%d\t%s\t", r->cache_resident, r->run_id);
}

void caption_span(struct strbuf *out, double lo, double hi)
{
    if (!isfinite(lo) || !isfinite(hi))
        strbuf_add(out, "0");
    else if (lo == hi)
        strbuf_addf(out, "%.4g", lo);
    else
        strbuf_addf(out, "%.4g to %.4g", lo, hi);
}

void caption_end(struct sheet *s)
{
    const struct plot_data *d = s->data;
    const char *first = NULL, *last = NULL, *git = NULL;
    bool several = false;
    for (int i = 0; i < d->n_runs; i++) {
        const struct plot_run *r = &d->run[i];
        if (&d->subject[r->subject] != s->subject) continue;
        if (!first || strcmp(r->recorded_utc, first) < 0) first = r->recorded_utc;
        if (!last || strcmp(r->recorded_utc, last) > 0) last = r->recorded_utc;
        several |= git && strcmp(git, r->git) != 0;
        git = r->git;
    }
    git = d->run[s->subject->newest].git;
    strbuf_addf(&s->caption, "%d run%s, the newest of each cell%s, recorded %.10s",
                s->subject->n_runs, plural(s->subject->n_runs),
                d->judged_first ? " or the newest with a verdict" : "", first);
    if (strncmp(first, last, 10) != 0) strbuf_addf(&s->caption, " to %.10s", last);
    strbuf_addf(&s->caption, "; regime commit %s%s.\n", git, several ? " and others" : "");
}
