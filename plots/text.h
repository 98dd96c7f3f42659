/* text.h - words in a figure: how wide they print, how they are quoted, how templates are
 * filled. */
#ifndef PLOTS_TEXT_H
#define PLOTS_TEXT_H

#include "harness/base/strbuf.h"

/* Points a line of UTF-8 text takes in Liberation Sans (the metrics of Helvetica) at a font
 * size in points. */
double text_width(const char *text, double size);
/* From the bottom of a descender to the top of an ascender. */
double text_height(double size);

/* A gnuplot string literal that prints text as it stands: in single quotes, where nothing is
 * substituted, with the marks of enhanced mode escaped. */
void text_quote(struct strbuf *out, const char *text);

/* The same escaping without quotes, for a field of a data file that is drawn as text; tabs
 * and line breaks become spaces. */
void text_field(struct strbuf *out, const char *text);

/* Three significant digits and a prefix: 12.3e9, "B/s" gives "12.3 GB/s". */
void text_quantity(char *out, size_t size, double value, const char *unit);

/* A number for a script or data file: seven digits, "NA" for NaN. */
void text_number(struct strbuf *out, double value);

/* A pair's name is the word between the two @ of a placeholder. */
struct template_pair {
    const char *name;
    const char *text; /* borrowed */
};
/* Copy a template, replacing every @NAME@ by its pair's text.  @?NAME@ prints nothing, but a
 * line with it is left out when that pair's text is empty.  CHECKs that a pair exists for each:
 * templates are part of the program. */
void template_fill(struct strbuf *out, const char *template, const struct template_pair *pairs,
                   int n_pairs);

#endif
