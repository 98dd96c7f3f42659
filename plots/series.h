/* series.h - points that belong together: one decoder, one phase, one setting, any batch. */
#ifndef PLOTS_SERIES_H
#define PLOTS_SERIES_H

#include "plots/sheet.h"

/* Colours are of Okabe and Ito's set, with one meaning in every figure; the shape says the
 * same to those who cannot see the colour.  Filled: measured, hollow: predicted. */
struct style {
    const char *name; /* a decoder, or "prefill" */
    const char *colour;
    int filled, hollow; /* gnuplot's point types */
};
const struct style *style_of_decoder(const char *decoder);
/* Of a phase of a decoder: prefill has its own, whoever does it. */
const struct style *style_of(const char *decoder, const char *phase);

/* The phase that is a decoder's point: decode, verify, denoise; others are beside it. */
bool phase_is_main(const char *phase);

/* A value of one run, with its interval (NaN: none). */
struct mark {
    int run;
    char phase[WORD_SIZE];
    double x, x_lo, x_hi, y, y_lo, y_hi;
    int row; /* the caller's: index of the row it came from */
    int series;
};

struct series {
    const struct style *style;
    char name[72];    /* for the key: "ar", "block commit", "block L=32, S=8"  */
    char variant[64]; /* what tells it from its decoder's other series, or ""  */
    bool main;
    int first, n; /* its marks, by ascending batch                         */
};

struct series_list {
    struct series *series; /* owned */
    int n;
};

/* Sort the marks into series.  ignore: fields (1 << FIELD_...) that do not make a series of
 * their own. */
enum err series_group(const struct plot_data *d, struct mark *marks, int n, unsigned ignore,
                      struct series_list *out) MUST_CHECK;
void series_free(struct series_list *l);

/* Point size of a series: main phases large. */
double series_size(const struct series *s);
int series_point(const struct series *s, const struct subject *u);

/* One key item per decoder and phase that occurs, main phases first; returns their number. */
int series_key(const struct series_list *l, const struct subject *u, struct key_item *items,
               int room);

/* Lists for the template, one word per series: colours, point types and sizes; and the series
 * that have rings, bars along x and bars along y. */
void series_write(const struct series_list *l, const struct mark *marks, struct sheet *s,
                  const char *suffix);

/* The fields all runs of a subject have in common, as "prompt 64, gen 32, ..."; and what the
 * symbols of variants stand for. */
void series_describe(const struct plot_data *d, const struct subject *u, struct strbuf *out);

#endif
