/* chart.h - points of series on a panel: ranges, obstacles, labels. */
#ifndef PLOTS_CHART_H
#define PLOTS_CHART_H

#include "plots/series.h"

/* Where a mark's numbers stand in a row; -1: there is none.  BATCH_X: the run's batch. */
enum { BATCH_X = -2 };
struct chart_columns {
    int x, x_lo, x_hi, y, y_lo, y_hi;
    int phase_word;  /* -1: all rows are of the decoder's main phase */
    bool main_only;  /* leave out prefill, commit and the like       */
    unsigned ignore; /* fields that make no series, as series_group  */
};

struct chart {
    struct panel *panel; /* borrowed; charts may share one             */
    struct mark *marks;  /* owned; mark.row: index of its row          */
    int n;
    struct series_list series;
    int unplaced;      /* labels that found no room                  */
    bool has_resident; /* some run's weights stay in the cache       */
};

/* The subject's rows that have a place on the panel's axes. */
enum err chart_open(const struct plot_rows *rows, const struct sheet *s, struct panel *panel,
                    const struct chart_columns *columns, struct chart *out) MUST_CHECK;
void chart_free(struct chart *c);

/* Take every point and, up to four times its value, its interval into the panel's ranges. */
void chart_include(struct chart *c);

/* Symbols, lines and bars into the panel's scene. */
enum err chart_obstacles(struct chart *c, const struct sheet *s) MUST_CHECK;

enum chart_labels {
    LABEL_BATCHES, /* the batch at points, and at a series' last one what sets it apart */
    LABEL_LAST     /* what sets a series apart, at its last point                      */
};
enum err chart_label(struct chart *c, const struct sheet *s, enum chart_labels kind,
                     struct strbuf *out) MUST_CHECK;

/* Text along a line of the panel; what finds no room is counted in the chart. */
enum err chart_line_name(struct chart *c, const struct sheet *s, struct line_label l,
                         const char *text, const char *colour, struct strbuf *out) MUST_CHECK;

/* The page's key: the chart's decoders and phases, the ring if there is one, and more items.
 * Returns the height it takes. */
double chart_key(const struct chart *c, struct sheet *s, const struct key_item *more, int n_more);

/* Lay out a page of one column, 3.5 in wide: key, then the chart's panel with its titles.  Its
 * ranges must be set; its scene is opened. */
void chart_page(struct chart *c, struct sheet *s, const struct axis_titles *titles,
                const struct key_item *more, int n_more);

/* A figure of one panel: open a chart of rows[0], lay it out unless it is empty, free it. */
typedef enum err chart_layout(const struct plot_rows *rows, struct sheet *s, struct chart *c);
enum err chart_draw(const struct plot_rows *rows, struct sheet *s,
                    const struct chart_columns *columns, chart_layout *lay_out,
                    bool *empty) MUST_CHECK;

/* Smallest and largest number of a column over the chart's marks. */
void chart_span(const struct chart *c, const struct plot_rows *rows, int column, double *lo,
                double *hi);

#endif
