/* text.c - see text.h. */
#include "plots/text.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Advance widths of Helvetica in thousandths of the font size, from its AFM file, for the
 * characters 32 to 126. */
static const int16_t widths[] = {
    278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, /* sp ..  / */
    556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, /* 0 ..   ? */
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, /* @ ..  O */
    667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, /* P ..   _ */
    333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, /* ` ..   o */
    556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,      /* p ..   ~ */
};

/* Other characters we print (multiplication sign, dashes, ridge of a Greek letter) are no
 * wider than this. */
enum { OTHER_WIDTH = 600 };

double text_width(const char *text, double size)
{
    double total = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p >= 32 && *p < 127)
            total += widths[*p - 32];
        else if ((*p & 0xC0) != 0x80) /* the first byte of a longer character */
            total += OTHER_WIDTH;
    }
    return total * size / 1000;
}

double text_height(double size)
{
    return 0.95 * size; /* ascender 0.73, descender 0.21 */
}

static void escaped(struct strbuf *out, const char *text, bool quoted)
{
    for (const char *p = text; *p; p++) {
        if (strchr("\\{}^_@&~", *p)) strbuf_add_char(out, '\\');
        if (*p == '\'' && quoted) strbuf_add_char(out, '\'');
        strbuf_add_char(out, iscntrl((unsigned char)*p) ? ' ' : *p);
    }
}

void text_quote(struct strbuf *out, const char *text)
{
    strbuf_add_char(out, '\'');
    escaped(out, text, true);
    strbuf_add_char(out, '\'');
}

void text_field(struct strbuf *out, const char *text)
{
    escaped(out, text, false);
}

void text_quantity(char *out, size_t size, double value, const char *unit)
{
    static const char prefixes[] = " kMGTPE";
    int i = 0;
    double x = fabs(value);
    /* 999.5 would print as 1000 with three digits. */
    while (x >= 999.5 && prefixes[i + 1]) {
        x /= 1000;
        i++;
    }
    int decimals = x >= 99.95 || x == 0 ? 0 : x >= 9.995 ? 1 : 2;
    char prefix[2] = {prefixes[i] == ' ' ? '\0' : prefixes[i], '\0'};
    char number[40];
    snprintf(number, sizeof number, "%.*f", decimals, value < 0 ? -x : x);
    /* "2.00" and "2" say the same here, the shorter one fits better. */
    if (decimals) {
        char *end = number + strlen(number);
        while (end[-1] == '0') *--end = '\0';
        if (end[-1] == '.') *--end = '\0';
    }
    snprintf(out, size, "%s%s%s%s", number, *prefix || *unit ? " " : "", prefix, unit);
}

void text_number(struct strbuf *out, double value)
{
    if (isnan(value))
        strbuf_add(out, "NA");
    else
        strbuf_addf(out, "%.7g", value);
}

static const char *find(const struct template_pair *pairs, int n, const char *name, size_t len)
{
    for (int i = 0; i < n; i++)
        if (strlen(pairs[i].name) == len && memcmp(pairs[i].name, name, len) == 0)
            return pairs[i].text;
    return NULL;
}

/* One line, its line break included. */
static void fill_line(struct strbuf *out, const char *line, const char *line_end,
                      const struct template_pair *pairs, int n_pairs)
{
    size_t before = out->len;
    const char *p = line, *at;
    while ((at = memchr(p, '@', (size_t)(line_end - p)))) {
        bool condition = at[1] == '?';
        const char *name = at + 1 + condition;
        const char *end = memchr(name, '@', (size_t)(line_end - name));
        CHECK(end);
        const char *text = find(pairs, n_pairs, name, (size_t)(end - name));
        CHECK(text);
        if (condition && !*text) {
            if (!out->failed && out->text) out->text[out->len = before] = '\0';
            return;
        }
        strbuf_add_bytes(out, p, (size_t)(at - p));
        if (!condition) strbuf_add(out, text);
        p = end + 1;
    }
    strbuf_add_bytes(out, p, (size_t)(line_end - p));
}

void template_fill(struct strbuf *out, const char *template, const struct template_pair *pairs,
                   int n_pairs)
{
    for (const char *line = template; *line;) {
        const char *end = strchrnul(line, '\n');
        end += *end == '\n';
        fill_line(out, line, end, pairs, n_pairs);
        line = end;
    }
}
