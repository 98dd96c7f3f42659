/* figures.h - the figures' drawing functions, and what their captions share. */
#ifndef PLOTS_FIGURES_H
#define PLOTS_FIGURES_H

#include "harness/kernels/tensor.h"
#include "plots/chart.h"
#include "plots/plot.h"
#include "plots/roofs.h"

extern const struct figure figure_roofline, figure_intensity_batch, figure_throughput,
    figure_break_even, figure_regime, figure_breakdown, figure_speed_at_quality, figure_gaussian,
    figure_model_vs_counter, figure_levels, figure_executed, figure_elasticity;

/* ---- data files ---- */
/* What a row says of the run it is about, ending with a tab, and the columns' names. */
#define DATA_RUN_COLUMNS                                                                           \
    "series\tdecoder\tphase\tbatch_seqs\tblock_tokens\tdenoise_steps\tprompt_tokens\t"             \
    "gen_tokens\tcache_resident\trun_id\t"
void data_run(struct sheet *s, const struct mark *m);

/* ---- captions ---- */
/* First sentence: what is shown of which device, model and setting. */
void caption_begin(struct sheet *s, const char *what);
/* Where times and counts come from. */
void caption_evidence(struct sheet *s);
/* What a point of pinned forwards is; n repetitions, from lo to hi. */
void caption_pinned(struct sheet *s, double lo, double hi);
/* What the rings mean, if there are any, and that labels are missing, if some are. */
void caption_resident(struct sheet *s, const struct chart *c);
void caption_unplaced(struct sheet *s, int n);
/* Last sentence: dates and program versions. */
void caption_end(struct sheet *s);
/* "20" or "8 to 40"; "0" when there is no finite value. */
void caption_span(struct strbuf *out, double lo, double hi);

/* "timed" or "predicted". */
const char *evidence_word(const struct subject *u);
/* The type the matmuls compute in, whose peak is the roof. */
const char *arithmetic_name(const struct subject *u);
/* Of a subject's weights, or keys and values. */
enum dtype dtype_named(const char *name);

#endif
