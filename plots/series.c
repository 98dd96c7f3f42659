/* series.c - see series.h. */
#include "plots/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct style styles[] = {
    {"ar", "#0072B2", 7, 6},      {"block", "#D55E00", 5, 4},     {"diffusion", "#009E73", 9, 8},
    {"other", "#E69F00", 11, 10}, {"prefill", "#CC79A7", 13, 12},
};
enum { OTHER = 3, PREFILL = 4 };

static const struct {
    const char *symbol; /* beside a point */
    const char *words;  /* in a caption   */
} fields[FIELD_COUNT] = {
    [FIELD_BLOCK] = {"L=", "L: block length"},
    [FIELD_STEPS] = {"S=", "S: denoise steps per block"},
    [FIELD_STRATEGY] = {"", "unmasking strategy"},
    [FIELD_CACHE] = {"cache ", "cache"},
    [FIELD_LOGITS] = {"logits ", "rows that get logits"},
    [FIELD_HEAD] = {"head ", "head"},
    [FIELD_POLICY] = {"", "batch policy"},
    [FIELD_TEMPERATURE] = {"T=", "T: temperature"},
    [FIELD_DRAFTS] = {"k=", "k: drafted tokens"},
    [FIELD_ACCEPTANCE] = {"a=", "a: acceptance of a drafted token"},
    [FIELD_COMMIT] = {"commit ", "commit"},
    [FIELD_DRAFTER] = {"drafts by ", "who drafts"},
};

const struct style *style_of_decoder(const char *decoder)
{
    for (int i = 0; i < OTHER; i++)
        if (strcmp(styles[i].name, decoder) == 0) return &styles[i];
    return &styles[OTHER];
}

const struct style *style_of(const char *decoder, const char *phase)
{
    return strcmp(phase, "prefill") == 0 ? &styles[PREFILL] : style_of_decoder(decoder);
}

bool phase_is_main(const char *phase)
{
    static const char *const beside[] = {"prefill", "commit", "refresh", "reuse", "fused",
                                         "draft",   "prefill-draft"};
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
        if (strcmp(beside[i], phase) == 0) return false;
    return true;
}

/* A mark with what it is sorted by. */
struct sortable {
    struct mark mark;
    const struct plot_run *run;
    const struct style *style;
    char variant[64];
};

static int compare_numbers(double a, double b)
{
    return (a > b) - (a < b);
}

static int compare_series(const struct sortable *a, const struct sortable *b)
{
    int main_a = phase_is_main(a->mark.phase), main_b = phase_is_main(b->mark.phase);
    if (main_a != main_b) return main_a - main_b; /* drawn last, so on top */
    if (a->style != b->style) return a->style < b->style ? -1 : 1;
    int c = strcmp(a->run->decoder, b->run->decoder);
    if (c == 0) c = strcmp(a->mark.phase, b->mark.phase);
    /* Numbers in numeric order: L=8 before L=32. */
    if (c == 0) c = compare_numbers(a->run->block, b->run->block);
    if (c == 0) c = strverscmp(a->variant, b->variant);
    return c;
}

static int compare(const void *pa, const void *pb)
{
    const struct sortable *a = pa, *b = pb;
    int c = compare_series(a, b);
    if (c == 0) c = compare_numbers(a->run->batch, b->run->batch);
    if (c == 0) c = compare_numbers(a->mark.x, b->mark.x);
    return c ? c : strcmp(a->run->run_id, b->run->run_id);
}

/* Some two runs of this one's decoder and with its variant so far differ in the field. */
static bool field_varies(const struct sortable *all, int n, const struct sortable *of, enum field f)
{
    const char *own = of->run->field[f];
    for (int i = 0; i < n; i++)
        if (strcmp(all[i].run->decoder, of->run->decoder) == 0 &&
            strcmp(all[i].variant, of->variant) == 0 && strcmp(all[i].run->field[f], own) != 0)
            return true;
    return false;
}

/* Field by field, each named only where those before leave runs that differ in it, so that
 * steps tied to the block length are not told twice. */
static void name_variants(struct sortable *all, int n, unsigned ignore)
{
    for (enum field f = 0; f < FIELD_COUNT; f++) {
        if (ignore & 1u << f) continue;
        bool *add = calloc((size_t)n, sizeof *add);
        if (!add) return;
        for (int i = 0; i < n; i++) add[i] = field_varies(all, n, &all[i], f);
        for (int i = 0; i < n; i++) {
            char *v = all[i].variant;
            size_t used = strlen(v);
            if (add[i] && *all[i].run->field[f])
                snprintf(v + used, sizeof all[i].variant - used, "%s%s%s", used ? ", " : "",
                         fields[f].symbol, all[i].run->field[f]);
        }
        free(add);
    }
}

static void open_series(struct series *s, const struct sortable *m, int first)
{
    *s = (struct series){.style = m->style, .first = first, .n = 0};
    s->main = phase_is_main(m->mark.phase);
    bool prefill = strcmp(m->mark.phase, "prefill") == 0;
    snprintf(s->name, sizeof s->name, "%s%s%s", prefill ? "" : m->run->decoder,
             s->main || prefill ? "" : " ", s->main ? "" : m->mark.phase);
    snprintf(s->variant, sizeof s->variant, "%s", m->variant);
}

enum err series_group(const struct plot_data *d, struct mark *marks, int n, unsigned ignore,
                      struct series_list *out)
{
    struct sortable *all = calloc((size_t)n + 1, sizeof *all);
    *out = (struct series_list){.series = calloc((size_t)n + 1, sizeof *out->series)};
    if (!all || !out->series) {
        free(all);
        series_free(out);
        return err_set(ERR_NOMEM, "figure of %d points: out of memory", n);
    }
    for (int i = 0; i < n; i++) {
        all[i].mark = marks[i];
        all[i].run = &d->run[marks[i].run];
        all[i].style = style_of(all[i].run->decoder, marks[i].phase);
    }
    name_variants(all, n, ignore);
    qsort(all, (size_t)n, sizeof *all, compare);
    for (int i = 0; i < n; i++) {
        if (i == 0 || compare_series(&all[i - 1], &all[i]) != 0)
            open_series(&out->series[out->n++], &all[i], i);
        out->series[out->n - 1].n++;
        marks[i] = all[i].mark;
        marks[i].series = out->n - 1;
    }
    free(all);
    return ERR_NONE;
}

void series_free(struct series_list *l)
{
    free(l->series);
    *l = (struct series_list){0};
}

double series_size(const struct series *s)
{
    return s->main ? 0.6 : 0.42;
}

int series_point(const struct series *s, const struct subject *u)
{
    return u->predicted ? s->style->hollow : s->style->filled;
}

int series_key(const struct series_list *l, const struct subject *u, struct key_item *items,
               int room)
{
    int n = 0;
    for (int i = 0; i < 2 * l->n && n < room; i++) {
        const struct series *s = &l->series[i % l->n];
        bool known = s->main != (i < l->n);
        for (int k = 0; k < n; k++) known |= strcmp(items[k].text, s->name) == 0;
        if (known) continue;
        items[n] = (struct key_item){.kind = KEY_POINT,
                                     .colour = s->style->colour,
                                     .pt = series_point(s, u),
                                     .size = series_size(s)};
        snprintf(items[n].text, sizeof items[n].text, "%s", s->name);
        n++;
    }
    return n;
}

enum list { COLOURS, POINTS, SIZES, RINGS, XBARS, YBARS, N_LISTS };

/* Whether some mark of the series has it, so that gnuplot is not asked to draw nothing. */
static bool has_any(const struct series *of, const struct mark *marks, const struct sheet *s,
                    enum list what)
{
    for (int i = of->first; i < of->first + of->n; i++) {
        const struct mark *m = &marks[i];
        if (what == RINGS && s->data->run[m->run].cache_resident) return true;
        if (what == XBARS && isfinite(m->x_lo) && isfinite(m->x_hi)) return true;
        if (what == YBARS && isfinite(m->y_lo) && isfinite(m->y_hi)) return true;
    }
    return false;
}

void series_write(const struct series_list *l, const struct mark *marks, struct sheet *s,
                  const char *suffix)
{
    static const char *const names[N_LISTS] = {"COLOURS", "POINTS", "SIZES",
                                               "RINGS",   "XBARS",  "YBARS"};
    for (enum list k = 0; k < N_LISTS; k++) {
        char name[24];
        snprintf(name, sizeof name, "%s%s", names[k], suffix);
        struct strbuf *out = sheet_slot(s, name);
        for (int i = 0; i < l->n; i++) {
            const struct series *of = &l->series[i];
            if (k >= RINGS && !has_any(of, marks, s, k)) continue;
            if (out->len) strbuf_add_char(out, ' ');
            if (k == COLOURS) strbuf_add(out, of->style->colour);
            if (k == POINTS) strbuf_addf(out, "%d", series_point(of, s->subject));
            if (k == SIZES) strbuf_addf(out, "%g", series_size(of));
            if (k >= RINGS) strbuf_addf(out, "%d", i + 1);
        }
    }
}

/* The value all runs of the subject share; NULL when they do not. */
static const char *common(const struct plot_data *d, const struct subject *u, enum field f,
                          bool *occurs)
{
    const char *value = NULL;
    bool same = true;
    for (int i = 0; i < d->n_runs; i++) {
        const struct plot_run *r = &d->run[i];
        if (&d->subject[r->subject] != u || !*r->field[f]) continue;
        if (value && strcmp(value, r->field[f]) != 0) same = false;
        value = r->field[f];
    }
    *occurs = value != NULL;
    return same ? value : NULL;
}

void series_describe(const struct plot_data *d, const struct subject *u, struct strbuf *out)
{
    static const struct {
        enum field f;
        const char *words;
    } shown[] = {
        {FIELD_BLOCK, "tokens per block"}, {FIELD_STEPS, "denoise steps per block"},
        {FIELD_STRATEGY, "unmasking"},     {FIELD_CACHE, "cache"},
        {FIELD_LOGITS, "logits"},          {FIELD_POLICY, "batches"},
        {FIELD_DRAFTS, "drafted tokens"},  {FIELD_ACCEPTANCE, "acceptance"},
        {FIELD_COMMIT, "commit"},          {FIELD_DRAFTER, "drafts"},
    };
    if (strcmp(u->field[SUBJECT_DEPTH], "0") != 0)
        strbuf_addf(out, "%s made-up cached tokens, ", u->field[SUBJECT_DEPTH]);
    strbuf_addf(out, "%s prompt and %s generated tokens", u->field[SUBJECT_PROMPT],
                u->field[SUBJECT_GEN]);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        bool occurs;
        const char *value = common(d, u, shown[i].f, &occurs);
        if (!occurs) continue;
        if (value)
            strbuf_addf(out, ", %s %s", value, shown[i].words);
        else
            strbuf_addf(out, ", %s (varies)", fields[shown[i].f].words);
    }
}
