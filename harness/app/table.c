/* table.c - Markdown, CSV, JSON, JSON lines and LaTeX from one table. */
#include "harness/app/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

void table_open(struct table *t, const char *name, const char *const *columns)
{
    *t = (struct table){.name = name, .column = columns};
    while (columns[t->n_columns]) t->n_columns++;
    CHECK(t->n_columns > 0 && t->n_columns <= TABLE_MAX_COLUMNS);
}

static void append(struct table *t, const struct table_value *v)
{
    if (t->n == t->room && !t->failed) {
        int64_t room = t->room ? 2 * t->room : 64;
        struct table_value *grown = realloc(t->value, (size_t)room * sizeof *grown);
        t->failed = !grown;
        if (grown) t->value = grown, t->room = room;
    }
    if (t->failed)
        free(v->text);
    else
        t->value[t->n++] = *v;
}

void table_text(struct table *t, const char *text)
{
    struct table_value v = {.kind = TABLE_TEXT, .text = text ? strdup(text) : NULL};
    if (text && !v.text) t->failed = true;
    append(t, &v);
}

void table_int(struct table *t, int64_t i)
{
    append(t, &(struct table_value){.kind = TABLE_INT, .i = i});
}

void table_real(struct table *t, double r)
{
    append(t, &(struct table_value){.kind = TABLE_REAL, .r = r});
}

void table_bool(struct table *t, bool b)
{
    append(t, &(struct table_value){.kind = TABLE_BOOL, .i = b});
}

/* For people: four digits are enough. */
static void format_value(const struct table_value *v, bool exact, char *buf, size_t size)
{
    buf[0] = '\0';
    if (v->kind == TABLE_INT)
        snprintf(buf, size, "%" PRId64, v->i);
    else if (v->kind == TABLE_BOOL)
        snprintf(buf, size, "%s", v->i ? "yes" : "no");
    else if (v->kind == TABLE_REAL && isfinite(v->r))
        snprintf(buf, size, exact ? "%.17g" : "%.4g", v->r);
}

static void json_value(struct json *j, const struct table_value *v)
{
    switch (v->kind) {
    case TABLE_TEXT:
        json_string(j, v->text);
        break;
    case TABLE_INT:
        json_int(j, v->i);
        break;
    case TABLE_REAL:
        json_double(j, v->r);
        break;
    case TABLE_BOOL:
        json_bool(j, v->i);
        break;
    }
}

static enum err print_json(const struct table *t, bool lines)
{
    struct json j;
    json_to_file(&j, stdout);
    if (!lines) {
        json_object_begin(&j);
        json_key(&j, t->name);
        json_array_begin(&j);
    }
    for (int64_t i = 0; i < t->n; i += t->n_columns) {
        json_object_begin(&j);
        for (int32_t c = 0; c < t->n_columns; c++) {
            json_key(&j, t->column[c]);
            json_value(&j, &t->value[i + c]);
        }
        json_object_end(&j);
        if (lines) TRY(json_finish(&j));
    }
    if (lines) return ERR_NONE;
    json_array_end(&j);
    json_object_end(&j);
    return json_finish(&j);
}

static void print_csv_field(const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        printf("%s", text);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv(const struct table *t)
{
    for (int32_t c = 0; c < t->n_columns; c++) printf("%s%s", c ? "," : "", t->column[c]);
    putchar('\n');
    for (int64_t i = 0; i < t->n; i++) {
        char buf[64];
        const struct table_value *v = &t->value[i];
        format_value(v, true, buf, sizeof buf);
        if (i % t->n_columns) putchar(',');
        print_csv_field(v->kind == TABLE_TEXT ? v->text ? v->text : "" : buf);
        if (i % t->n_columns == t->n_columns - 1) putchar('\n');
    }
}

/* Columns on a screen: a letter is one column, however many bytes. */
static int32_t width(const char *text)
{
    int32_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static const char *cell_text(const struct table_value *v, char *buf, size_t size)
{
    if (v->kind == TABLE_TEXT) return v->text ? v->text : "";
    format_value(v, false, buf, size);
    return buf;
}

/* A bar in a value would end its column. */
static const char *md_text(const struct table_value *v, char *buf, size_t size)
{
    const char *text = cell_text(v, buf, size);
    if (!strchr(text, '|')) return text;
    size_t n = 0;
    for (; *text && n + 3 < size; text++) {
        if (*text == '|') buf[n++] = '\\';
        buf[n++] = *text;
    }
    buf[n] = '\0';
    return buf;
}

/* Numbers stand right, text left. */
static void print_md(const struct table *t)
{
    int32_t wide[TABLE_MAX_COLUMNS];
    bool right[TABLE_MAX_COLUMNS];
    char buf[1024];
    for (int32_t c = 0; c < t->n_columns; c++) {
        wide[c] = width(t->column[c]);
        right[c] = t->n > 0;
        for (int64_t i = c; i < t->n; i += t->n_columns) {
            int32_t w = width(md_text(&t->value[i], buf, sizeof buf));
            if (w > wide[c]) wide[c] = w;
            right[c] &= t->value[i].kind == TABLE_INT || t->value[i].kind == TABLE_REAL;
        }
    }
    for (int32_t c = 0; c < t->n_columns; c++)
        printf(right[c] ? "| %*s " : "| %-*s ", wide[c], t->column[c]);
    printf("|\n");
    for (int32_t c = 0; c < t->n_columns; c++) {
        printf("|");
        for (int32_t i = 0; i < wide[c] + 2; i++) putchar(right[c] && i == wide[c] + 1 ? ':' : '-');
    }
    printf("|\n");
    for (int64_t i = 0; i < t->n; i++) {
        int32_t c = (int32_t)(i % t->n_columns);
        const char *text = md_text(&t->value[i], buf, sizeof buf);
        int32_t pad = wide[c] - width(text);
        printf("| %*s%s%*s ", right[c] ? pad : 0, "", text, right[c] ? 0 : pad, "");
        if (c == t->n_columns - 1) printf("|\n");
    }
}

static void print_latex_text(const char *text)
{
    for (; *text; text++) {
        if (strchr("&%$#_{}", *text))
            printf("\\%c", *text);
        else if (strchr("~^\\", *text))
            printf("\\char%d{}", *text);
        else
            putchar(*text);
    }
}

static void print_latex(const struct table *t)
{
    printf("\\begin{tabular}{");
    for (int32_t c = 0; c < t->n_columns; c++)
        putchar(t->n && t->value[c].kind != TABLE_TEXT ? 'r' : 'l');
    printf("}\n\\hline\n");
    for (int32_t c = 0; c < t->n_columns; c++) {
        if (c) printf(" & ");
        print_latex_text(t->column[c]);
    }
    printf(" \\\\\n\\hline\n");
    for (int64_t i = 0; i < t->n; i++) {
        char buf[64];
        if (i % t->n_columns) printf(" & ");
        print_latex_text(cell_text(&t->value[i], buf, sizeof buf));
        if (i % t->n_columns == t->n_columns - 1) printf(" \\\\\n");
    }
    printf("\\hline\n\\end{tabular}\n");
}

enum err table_print(const struct table *t, enum output format)
{
    if (t->failed) return err_set(ERR_NOMEM, "no memory for a table of %s", t->name);
    CHECK(t->n % t->n_columns == 0);
    switch (format) {
    case OUTPUT_JSON:
    case OUTPUT_JSONL:
        return print_json(t, format == OUTPUT_JSONL);
    case OUTPUT_CSV:
        print_csv(t);
        break;
    case OUTPUT_LATEX:
        print_latex(t);
        break;
    default:
        print_md(t);
        break;
    }
    return ERR_NONE;
}

void table_free(struct table *t)
{
    for (int64_t i = 0; i < t->n; i++) free(t->value[i].text);
    free(t->value);
    *t = (struct table){0};
}
