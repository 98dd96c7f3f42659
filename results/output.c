/* output.c - one printer per format, fed row by row. */
#include "results/output.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/query.h"

void output_json_value(struct json *j, const struct store_value *v)
{
    switch (v->type) {
    case VALUE_NULL: json_null(j); break;
    case VALUE_INT: json_int(j, v->i); break;
    case VALUE_REAL: json_double(j, v->r); break;
    case VALUE_TEXT: json_string(j, v->text); break;
    case VALUE_BOOL: json_bool(j, v->i != 0); break;
    }
}

void output_json_members(struct json *j, const struct store_result_row *row, int32_t first)
{
    for (int32_t i = first; i < row->n; i++) {
        json_key(j, row->name[i]);
        output_json_value(j, &row->value[i]);
    }
}

/* ---- numbers for people ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void scaled(double v, const char *const *unit, int n_units, char *out)
{
    int u = 0;
    /* 999.95 and more would round to 1000. */
    while (u + 1 < n_units && fabs(v) >= 999.95) v /= 1000, u++;
    snprintf(out, OUTPUT_VALUE_SIZE, "%.4g%s%s", v, *unit[u] ? " " : "", unit[u]);
}

void output_readable(const char *column, const struct store_value *v, char out[OUTPUT_VALUE_SIZE])
{
    static const char *const prefix[] = {"", "k", "M", "G", "T", "P", "E"};
    static const char *const time[] = {"ns", "us", "ms", "s"};
    double real = v->type == VALUE_INT ? (double)v->i : v->r;
    bool counted = strstr(column, "flop") || strstr(column, "bytes");
    if (v->type == VALUE_NULL)
        out[0] = '\0';
    else if (v->type == VALUE_TEXT)
        snprintf(out, OUTPUT_VALUE_SIZE, "%s", v->text);
    else if (v->type == VALUE_BOOL)
        snprintf(out, OUTPUT_VALUE_SIZE, "%s", v->i ? "yes" : "no");
    else if (ends_with(column, "_ns"))
        scaled(real, time, 4, out);
    else if (v->type == VALUE_INT && (!counted || llabs(v->i) < 100000))
        snprintf(out, OUTPUT_VALUE_SIZE, "%" PRId64, v->i);
    else if (fabs(real) >= 9999.5 && fabs(real) < 1e21)
        scaled(real, prefix, 7, out);
    else
        snprintf(out, OUTPUT_VALUE_SIZE, "%.4g", real);
}

/* ---- printers ---- */

struct printer {
    FILE *out;
    enum print_format format;
    struct json json;
    /* md and latex: all texts, one after the other, each with its NUL */
    struct strbuf cells;
    int32_t n_columns;
    int32_t *width; /* [columns], in characters */
    bool *is_text;  /* [columns] */
    bool *filled;   /* [columns] some row has a value */
    int64_t n_rows;
};

static int32_t characters(const char *utf8)
{
    int32_t n = 0;
    for (; *utf8; utf8++) n += (*utf8 & 0xC0) != 0x80;
    return n;
}

/* A text cell with what has a meaning in the format escaped. */
static void add_cell(struct printer *p, int32_t column, const char *text)
{
    size_t start = p->cells.len;
    const char *special = p->format == PRINT_LATEX ? "&%$#_{}" : "|";
    for (; *text; text++) {
        if (p->format == PRINT_LATEX && strchr("\\~^", *text)) {
            strbuf_addf(&p->cells, "\\char%d{}", *text);
            continue;
        }
        if (strchr(special, *text)) strbuf_add_char(&p->cells, '\\');
        strbuf_add_char(&p->cells, *text == '\n' ? ' ' : *text);
    }
    strbuf_add_char(&p->cells, '\0');
    if (p->cells.failed) return;
    int32_t w = characters(p->cells.text + start);
    if (w > p->width[column]) p->width[column] = w;
}

static void csv_field(FILE *out, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void csv_row(FILE *out, const struct store_result_row *row)
{
    char text[JSON_DOUBLE_SIZE];
    for (int32_t i = 0; i < row->n; i++) {
        const struct store_value *v = &row->value[i];
        if (i) fputc(',', out);
        if (v->type == VALUE_INT) fprintf(out, "%" PRId64, v->i);
        if (v->type == VALUE_TEXT) csv_field(out, v->text);
        if (v->type == VALUE_BOOL) fputs(v->i ? "yes" : "no", out);
        if (v->type == VALUE_REAL) {
            if (isfinite(v->r)) json_format_double(v->r, text);
            else snprintf(text, sizeof text, "%s", v->r > 0 ? "inf" : "-inf");
            fputs(text, out);
        }
    }
    fputc('\n', out);
}

/* Called once, before the first row. */
static enum err begin(void *ctx, const struct store_result_row *row)
{
    struct printer *p = ctx;
    if (p->format == PRINT_CSV) {
        for (int32_t i = 0; i < row->n; i++) {
            if (i) fputc(',', p->out);
            csv_field(p->out, row->name[i]);
        }
        fputc('\n', p->out);
    }
    if (p->format != PRINT_MD && p->format != PRINT_LATEX) return ERR_NONE;
    p->n_columns = row->n;
    p->width = calloc((size_t)row->n, sizeof *p->width);
    p->is_text = calloc((size_t)row->n, sizeof *p->is_text);
    p->filled = calloc((size_t)row->n, sizeof *p->filled);
    if (!p->width || !p->is_text || !p->filled)
        return err_set(ERR_NOMEM, "printing a table: out of memory");
    for (int32_t i = 0; i < row->n; i++) add_cell(p, i, row->name[i]);
    return strbuf_check(&p->cells);
}

static enum err print_row(void *ctx, const struct store_result_row *row)
{
    struct printer *p = ctx;
    p->n_rows++;
    if (p->format == PRINT_CSV) {
        csv_row(p->out, row);
        return ERR_NONE;
    }
    if (p->format == PRINT_JSON || p->format == PRINT_JSONL) {
        json_object_begin(&p->json);
        output_json_members(&p->json, row, 0);
        json_object_end(&p->json);
        return p->format == PRINT_JSONL ? json_finish(&p->json) : ERR_NONE;
    }
    for (int32_t i = 0; i < row->n; i++) {
        char text[OUTPUT_VALUE_SIZE];
        const struct store_value *v = &row->value[i];
        output_readable(row->name[i], v, text);
        p->is_text[i] |= v->type == VALUE_TEXT || v->type == VALUE_BOOL;
        p->filled[i] |= v->type != VALUE_NULL;
        add_cell(p, i, v->type == VALUE_TEXT ? v->text : text);
    }
    return strbuf_check(&p->cells);
}

/* People are spared columns without any value; a table without rows shows them all. */
static bool is_shown(const struct printer *p, int32_t column)
{
    return p->filled[column] || p->n_rows == 0;
}

static const char *table_line(const struct printer *p, const char *cell)
{
    bool latex = p->format == PRINT_LATEX;
    const char *before = latex ? "" : "| ";
    for (int32_t i = 0; i < p->n_columns; i++, cell += strlen(cell) + 1) {
        int32_t pad = p->width[i] - characters(cell);
        if (!is_shown(p, i)) continue;
        fprintf(p->out, "%s%*s%s%*s", before, p->is_text[i] ? 0 : pad, "", cell,
                p->is_text[i] ? pad : 0, "");
        before = latex ? " & " : " | ";
    }
    fputs(latex ? " \\\\\n" : " |\n", p->out);
    return cell;
}

static void print_table(const struct printer *p)
{
    if (!p->n_columns) return;
    const char *cell = strbuf_text(&p->cells);
    if (p->format == PRINT_LATEX) {
        fputs("% needs \\usepackage{booktabs}\n\\begin{tabular}{", p->out);
        for (int32_t i = 0; i < p->n_columns; i++)
            if (is_shown(p, i)) fputc(p->is_text[i] ? 'l' : 'r', p->out);
        fputs("}\n\\toprule\n", p->out);
        cell = table_line(p, cell);
        fputs("\\midrule\n", p->out);
    } else {
        cell = table_line(p, cell);
        for (int32_t i = 0; i < p->n_columns; i++) {
            if (!is_shown(p, i)) continue;
            fputc('|', p->out);
            for (int32_t k = 0; k < p->width[i] + 1; k++) fputc('-', p->out);
            fputc(p->is_text[i] ? '-' : ':', p->out);
        }
        fputs("|\n", p->out);
    }
    for (int64_t r = 0; r < p->n_rows; r++) cell = table_line(p, cell);
    if (p->format == PRINT_LATEX) fputs("\\bottomrule\n\\end{tabular}\n", p->out);
}

/* name as output_query has it. */
static void start(struct printer *p, enum print_format format, const char *name, FILE *out)
{
    *p = (struct printer){.out = out, .format = format};
    json_to_file(&p->json, out);
    if (format != PRINT_JSON) return;
    if (name) {
        json_object_begin(&p->json);
        json_key(&p->json, name);
    }
    json_array_begin(&p->json);
}

/* What is left to print unless a row failed. */
static enum err finish(struct printer *p, const char *name, enum err e)
{
    if (e == ERR_NONE && p->format == PRINT_JSON) {
        json_array_end(&p->json);
        if (name) json_object_end(&p->json);
        e = json_finish(&p->json);
    }
    if (e == ERR_NONE) print_table(p);
    if (e == ERR_NONE && ferror(p->out))
        e = err_set(ERR_IO, "cannot print a table: %s", strerror(errno));
    strbuf_free(&p->cells);
    free(p->width);
    free(p->is_text);
    free(p->filled);
    return e;
}

enum err output_query(struct store *s, const char *sql, const struct store_value *args,
                      int32_t n_args, enum print_format format, const char *name, FILE *out)
{
    struct printer p;
    start(&p, format, name, out);
    return finish(&p, name, query_with_columns(s, sql, args, n_args, begin, print_row, &p));
}

enum err output_table(const struct output_table *t, enum print_format format, const char *name,
                      FILE *out)
{
    struct printer p;
    struct store_result_row row = {t->n_columns, t->column, t->value};
    start(&p, format, name, out);
    enum err e = begin(&p, &row);
    for (int64_t i = 0; i < t->n && e == ERR_NONE; i += t->n_columns) {
        row.value = t->value + i;
        e = print_row(&p, &row);
    }
    return finish(&p, name, e);
}
