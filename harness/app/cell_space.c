/* cell_space.c - collect the axes of groups, from flags or a sweep file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/cells.h"
#include "harness/base/range.h"

void cell_space_init(struct cell_space *s, const char *device)
{
    *s = (struct cell_space){.device = device};
}

void cell_group_free(struct cell_group *g)
{
    for (int32_t i = 0; i < g->n; i++) {
        free(g->entry[i].where);
        free(g->entry[i].list.value);
        expr_free(g->entry[i].tied);
    }
    for (int32_t i = 0; i < g->n_skips; i++) expr_free(g->skip[i]);
    free(g->entry);
    free(g->skip);
    free(g->where);
    *g = (struct cell_group){0};
}

void cell_space_free(struct cell_space *s)
{
    cell_group_free(&s->defaults);
    cell_group_free(&s->override);
    for (int32_t i = 0; i < s->n_groups; i++) cell_group_free(&s->group[i]);
    free(s->group);
    *s = (struct cell_space){0};
}

static enum err copy_text(const char *text, char **out)
{
    *out = strdup(text);
    return *out ? ERR_NONE : err_set(ERR_NOMEM, "no memory for a name");
}

enum err cell_space_add_group(struct cell_space *s, const char *where, struct cell_group **out)
{
    struct cell_group *grown = realloc(s->group, (size_t)(s->n_groups + 1) * sizeof *grown);
    if (!grown) return err_set(ERR_NOMEM, "no memory for a group");
    s->group = grown;
    *out = &grown[s->n_groups];
    **out = (struct cell_group){0};
    TRY(copy_text(where, &(*out)->where));
    s->n_groups++;
    return ERR_NONE;
}

struct axis_entry *cell_group_find(const struct cell_group *g, const struct axis *a)
{
    for (int32_t i = 0; i < g->n; i++)
        if (g->entry[i].axis == a) return &g->entry[i];
    return NULL;
}

enum err cell_group_add_axis(struct cell_group *g, const struct axis *a, const char *where,
                             struct axis_entry **out)
{
    struct axis_entry *grown = realloc(g->entry, (size_t)(g->n + 1) * sizeof *grown);
    if (!grown) return err_set(ERR_NOMEM, "no memory for an axis");
    g->entry = grown;
    *out = &grown[g->n];
    **out = (struct axis_entry){.axis = a};
    TRY(copy_text(where, &(*out)->where));
    g->n++;
    return ERR_NONE;
}

/* Put the place before the sentence. */
static enum err placed(const char *where, enum err e)
{
    if (e == ERR_NONE) return e;
    return err_set(e, "%s: %s", where, err_msg());
}

static enum err tie(struct axis_entry *e, const char *text)
{
    TRY(expr_create(e->where, text, EXPR_NUMBER, &e->tied));
    if (expr_uses(e->tied, e->axis))
        return err_set(ERR_USAGE, "%s: %s cannot be computed from itself", e->where, e->axis->name);
    return ERR_NONE;
}

enum err axis_entry_parse(struct axis_entry *e, const char *text)
{
    const struct axis *a = e->axis;
    if (a->not_yet) return err_set(ERR_USAGE, "%s: %s", e->where, a->not_yet);
    bool number = a->kind == AXIS_INT || a->kind == AXIS_FLOAT;
    bool expression = number && !range_matches(text) && expr_looks_like(text);
    if (e->tied || (expression && e->list.n))
        return err_set(ERR_USAGE, "%s: expected values or one expression, not both", e->where);
    if (expression) return tie(e, text);
    return placed(e->where, axis_parse_list(a, text, &e->list));
}

enum err cell_group_skip(struct cell_group *g, const char *where, const char *text)
{
    struct expr **grown = realloc(g->skip, (size_t)(g->n_skips + 1) * sizeof *grown);
    if (!grown) return err_set(ERR_NOMEM, "no memory for an expression");
    g->skip = grown;
    TRY(expr_create(where, text, EXPR_TRUTH, &g->skip[g->n_skips]));
    g->n_skips++;
    return ERR_NONE;
}
