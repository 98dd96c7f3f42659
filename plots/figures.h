/* figures.h - the figures' drawing functions, and what their captions share. */
#ifndef PLOTS_FIGURES_H
#define PLOTS_FIGURES_H

#include "plots/plot.h"
#include "plots/series.h"

extern const struct figure figure_roofline;

/* First line of a caption: what is shown of which device, model and setting. */
void caption_begin(struct sheet *s, const char *what);
/* Where times and counts come from. */
void caption_evidence(struct sheet *s);
/* Last lines: dates, program versions, data file. */
void caption_end(struct sheet *s);
/* "20" or "8 to 40"; "0" when there is no finite value. */
void caption_span(struct strbuf *out, double lo, double hi);

/* "(timed)" or "(predicted)". */
const char *evidence_word(const struct subject *u);
/* The type the matmuls compute in, whose peak is the roof. */
const char *arithmetic_name(const struct subject *u);

#endif
