/* sweep_yaml.c - from YAML to groups of axes, every mistake with its line.
 *
 * Two readings: one of events, which alone show tags, anchors and further documents,
 * and one that builds the document. */
#include "harness/app/sweep_yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "harness/base/suggest.h"

struct reader {
    const char *label;
    const char *text;
    size_t n;
    yaml_document_t *doc;
    struct sweep *out;
};

enum { WHERE_SIZE = 600 };

/* "FILE:LINE: KEY", or without the key. */
static const char *place(const struct reader *r, const yaml_node_t *at, const char *key, char *buf)
{
    snprintf(buf, WHERE_SIZE, "%.400s:%zu%s%.100s", r->label, at->start_mark.line + 1,
             key ? ": " : "", key ? key : "");
    return buf;
}

static enum err expected(const struct reader *r, const yaml_node_t *at, const char *key,
                         const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static enum err expected(const struct reader *r, const yaml_node_t *at, const char *key,
                         const char *fmt, ...)
{
    char where[WHERE_SIZE], what[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(ERR_USAGE, "%s: %s", place(r, at, key, where), what);
}

/* ---- what YAML allows and a sweep file does not ---- */

static enum err yaml_problem(const struct reader *r, const yaml_parser_t *p)
{
    size_t line = p->problem_mark.line + 1;
    if (p->error == YAML_MEMORY_ERROR) return err_set(ERR_NOMEM, "no memory to read %s", r->label);
    if (p->error == YAML_READER_ERROR) { /* bytes, not syntax: there is only an offset */
        line = 1;
        for (size_t i = 0; i < p->problem_offset && i < r->n; i++) line += r->text[i] == '\n';
        return err_set(ERR_USAGE, "%s:%zu: %s, expected UTF-8 text", r->label, line, p->problem);
    }
    return err_set(ERR_USAGE, "%s:%zu: not YAML: %s%s%s", r->label, line,
                   p->problem ? p->problem : "?", p->context ? " " : "",
                   p->context ? p->context : "");
}

static const char *unwanted(const yaml_event_t *e, int32_t n_documents)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return "aliases are not allowed, expected the value itself";
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    case YAML_DOCUMENT_START_EVENT:
        return n_documents > 1 ? "a second document, expected one" : NULL;
    default:
        break;
    }
    if (anchor) return "anchors are not allowed, expected the value itself";
    return tag ? "tags are not allowed, expected a plain value" : NULL;
}

static void open_parser(const struct reader *r, yaml_parser_t *p)
{
    CHECK(yaml_parser_initialize(p));
    yaml_parser_set_encoding(p, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(p, (const unsigned char *)r->text, r->n);
}

static enum err check_events(const struct reader *r)
{
    yaml_parser_t p;
    open_parser(r, &p);
    enum err e = ERR_NONE;
    int32_t n_documents = 0;
    for (bool more = true; more && e == ERR_NONE;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&p, &event)) {
            e = yaml_problem(r, &p);
            break;
        }
        n_documents += event.type == YAML_DOCUMENT_START_EVENT;
        const char *why = unwanted(&event, n_documents);
        if (why) e = err_set(ERR_USAGE, "%s:%zu: %s", r->label, event.start_mark.line + 1, why);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&p);
    return e;
}

/* ---- the document ---- */

static const yaml_node_t *node(const struct reader *r, int id)
{
    return yaml_document_get_node(r->doc, id);
}

static bool is_scalar(const yaml_node_t *v)
{
    return v->type == YAML_SCALAR_NODE;
}

static const char *scalar(const yaml_node_t *v)
{
    return (const char *)v->data.scalar.value;
}

/* What one key of a mapping means. */
typedef enum err key_fn(struct reader *r, void *ctx, const yaml_node_t *key,
                        const yaml_node_t *value);

static enum err each_key(struct reader *r, const yaml_node_t *map, key_fn *fn, void *ctx)
{
    const yaml_node_pair_t *first = map->data.mapping.pairs.start,
                           *end = map->data.mapping.pairs.top;
    for (const yaml_node_pair_t *p = first; p < end; p++) {
        const yaml_node_t *key = node(r, p->key);
        if (!is_scalar(key)) return expected(r, key, NULL, "expected a word as key");
        for (const yaml_node_pair_t *q = first; q < p; q++)
            if (strcmp(scalar(node(r, q->key)), scalar(key)) == 0)
                return expected(r, key, scalar(key),
                                "given twice, first in line %zu; expected once",
                                node(r, q->key)->start_mark.line + 1);
        TRY(fn(r, ctx, key, node(r, p->value)));
    }
    return ERR_NONE;
}

static enum err unknown_key(const struct reader *r, const yaml_node_t *key,
                            const char *const *names)
{
    const char *near = suggest_nearest(scalar(key), names);
    if (near) return expected(r, key, scalar(key), "no such key; the nearest is \"%s\"", near);
    char all[200] = "";
    size_t used = 0;
    for (int32_t i = 0; names[i] && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    return expected(r, key, scalar(key), "no such key; expected %s%s",
                    used < sizeof all ? all : "an axis",
                    used < sizeof all ? "" : " (regime list axes)");
}

/* A line of text: trimmed by YAML, not empty, no control characters. */
static enum err read_text(const struct reader *r, const yaml_node_t *key, const yaml_node_t *value,
                          const char *what, char **out)
{
    if (!is_scalar(value) || !*scalar(value) || strpbrk(scalar(value), "\n\r\t"))
        return expected(r, value, scalar(key), "expected %s", what);
    *out = strdup(scalar(value));
    return *out ? ERR_NONE : err_set(ERR_NOMEM, "no memory for %s", what);
}

static enum err read_name(const struct reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    static const char what[] = "a word of at most 60 letters, digits and . _ -";
    TRY(read_text(r, key, value, what, &r->out->name));
    const char *name = r->out->name;
    if (strlen(name) > 60 || strspn(name, letters) != strlen(name))
        return expected(r, value, scalar(key), "expected %s", what);
    return ERR_NONE;
}

/* Give the entry the place of the value now being read. */
static enum err move_entry(const struct reader *r, struct axis_entry *e, const yaml_node_t *at)
{
    char where[WHERE_SIZE];
    char *copy = strdup(place(r, at, e->axis->name, where));
    if (!copy) return err_set(ERR_NOMEM, "no memory for a name");
    free(e->where);
    e->where = copy;
    return ERR_NONE;
}

static enum err read_values(const struct reader *r, const yaml_node_t *value, struct axis_entry *e)
{
    static const char what[] = "expected a value or a list of values";
    const char *name = e->axis->name;
    if (is_scalar(value)) return axis_entry_parse(e, scalar(value));
    if (value->type != YAML_SEQUENCE_NODE) return expected(r, value, name, what);
    const yaml_node_item_t *item = value->data.sequence.items.start;
    const yaml_node_item_t *end = value->data.sequence.items.top;
    if (item == end) return expected(r, value, name, "the list is empty; %s", what);
    for (; item < end; item++) {
        const yaml_node_t *v = node(r, *item);
        if (!is_scalar(v)) return expected(r, v, name, "expected a value in the list");
        TRY(move_entry(r, e, v));
        TRY(axis_entry_parse(e, scalar(v)));
    }
    return ERR_NONE;
}

static enum err read_skip(const struct reader *r, struct cell_group *g, const yaml_node_t *value)
{
    static const char what[] = "expected a comparison, like `batch * block-length > 64`";
    char where[WHERE_SIZE];
    if (is_scalar(value)) return cell_group_skip(g, place(r, value, "skip", where), scalar(value));
    if (value->type != YAML_SEQUENCE_NODE) return expected(r, value, "skip", what);
    for (const yaml_node_item_t *item = value->data.sequence.items.start;
         item < value->data.sequence.items.top; item++) {
        if (!is_scalar(node(r, *item))) return expected(r, node(r, *item), "skip", what);
        TRY(read_skip(r, g, node(r, *item)));
    }
    return ERR_NONE;
}

static enum err read_axis(struct reader *r, void *ctx, const yaml_node_t *key,
                          const yaml_node_t *value)
{
    struct cell_group *g = ctx;
    if (g != &r->out->space.defaults && strcmp(scalar(key), "skip") == 0)
        return read_skip(r, g, value);
    const struct axis *a = axis_find(scalar(key));
    if (!a) {
        const char *names[64] = {NULL};
        for (int32_t i = 0; i < 63 && axis_at(i); i++) names[i] = axis_at(i)->name;
        return unknown_key(r, key, names);
    }
    char where[WHERE_SIZE];
    struct axis_entry *e;
    TRY(cell_group_add_axis(g, a, place(r, key, a->name, where), &e));
    return read_values(r, value, e);
}

static enum err read_pair_key(struct reader *r, void *ctx, const yaml_node_t *key,
                              const yaml_node_t *value)
{
    static const char *const names[] = {"axis", "baseline", "precision", NULL};
    const yaml_node_t **found = ctx; /* [3], in the order of names */
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], scalar(key)) != 0) continue;
        if (!is_scalar(value)) return expected(r, value, scalar(key), "expected one word");
        found[i] = value;
        return ERR_NONE;
    }
    return unknown_key(r, key, names);
}

static enum err read_precision(const struct reader *r, const yaml_node_t *value, double *out)
{
    char *end;
    double percent = strtod(scalar(value), &end);
    if (end == scalar(value) || strcmp(end, "%") != 0 || !(percent > 0 && percent <= 100))
        return expected(r, value, "precision", "expected a percentage above 0, like 1%%");
    *out = percent / 100;
    return ERR_NONE;
}

static enum err read_pair(struct reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
    static const char what[] = "expected the form {axis: decoder, baseline: ar}";
    struct cell_space *s = &r->out->space;
    const yaml_node_t *found[3] = {NULL, NULL, NULL};
    if (value->type != YAML_MAPPING_NODE) return expected(r, value, "pair", what);
    TRY(each_key(r, value, read_pair_key, found));
    if (!found[0] || !found[1]) return expected(r, key, "pair", what);
    s->pair_axis = axis_find(scalar(found[0]));
    if (!s->pair_axis || s->pair_axis->not_yet)
        return expected(r, found[0], "axis", "\"%.40s\" is no axis; %s", scalar(found[0]), what);
    if (axis_parse(s->pair_axis, scalar(found[1]), &s->pair_baseline) != ERR_NONE) {
        char why[240];
        snprintf(why, sizeof why, "%.230s", err_msg());
        return expected(r, found[1], "baseline", "%s", why);
    }
    return found[2] ? read_precision(r, found[2], &s->precision) : ERR_NONE;
}

static enum err read_groups(struct reader *r, const yaml_node_t *value)
{
    static const char what[] = "expected a list of groups, each a mapping of axes";
    if (value->type != YAML_SEQUENCE_NODE ||
        value->data.sequence.items.start == value->data.sequence.items.top)
        return expected(r, value, "groups", what);
    for (const yaml_node_item_t *item = value->data.sequence.items.start;
         item < value->data.sequence.items.top; item++) {
        const yaml_node_t *map = node(r, *item);
        char where[WHERE_SIZE];
        struct cell_group *g;
        if (map->type != YAML_MAPPING_NODE) return expected(r, map, "groups", what);
        TRY(cell_space_add_group(&r->out->space, place(r, map, NULL, where), &g));
        TRY(each_key(r, map, read_axis, g));
    }
    return ERR_NONE;
}

static enum err read_top(struct reader *r, void *ctx, const yaml_node_t *key,
                         const yaml_node_t *value)
{
    static const char *const names[] = {"name", "title", "defaults", "pair", "groups", NULL};
    (void)ctx;
    const char *k = scalar(key);
    if (strcmp(k, "name") == 0) return read_name(r, key, value);
    if (strcmp(k, "title") == 0)
        return read_text(r, key, value, "one line of text", &r->out->title);
    if (strcmp(k, "pair") == 0) return read_pair(r, key, value);
    if (strcmp(k, "groups") == 0) return read_groups(r, value);
    if (strcmp(k, "defaults") != 0) return unknown_key(r, key, names);
    if (value->type != YAML_MAPPING_NODE)
        return expected(r, value, "defaults", "expected a mapping of axes");
    return each_key(r, value, read_axis, &r->out->space.defaults);
}

static enum err read_root(struct reader *r)
{
    const yaml_node_t *root = yaml_document_get_root_node(r->doc);
    if (!root || root->type != YAML_MAPPING_NODE)
        return err_set(ERR_USAGE, "%s:%zu: expected a mapping with name and groups", r->label,
                       root ? root->start_mark.line + 1 : 1);
    TRY(each_key(r, root, read_top, NULL));
    if (!r->out->name) return expected(r, root, "name", "missing, expected the name of the sweep");
    if (!r->out->space.n_groups)
        return expected(r, root, "groups", "missing, expected a list of groups");
    if (!r->out->title) r->out->title = strdup("");
    return r->out->title ? ERR_NONE : err_set(ERR_NOMEM, "no memory for a title");
}

enum err sweep_read_yaml(const char *label, const char *text, size_t n, struct sweep *out)
{
    static const char mark[] = "\xef\xbb\xbf"; /* that some editors write before UTF-8 */
    size_t skip = n >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    struct reader r = {.label = label, .text = text + skip, .n = n - skip, .out = out};
    yaml_parser_t p;
    yaml_document_t doc;
    TRY(check_events(&r));
    open_parser(&r, &p);
    enum err e = ERR_NONE;
    if (yaml_parser_load(&p, &doc)) {
        r.doc = &doc;
        e = read_root(&r);
        yaml_document_delete(&doc);
    } else {
        e = yaml_problem(&r, &p);
    }
    yaml_parser_delete(&p);
    return e;
}
