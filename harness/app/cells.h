/* cells.h - from axes to the list of cells to run, their pairs and skips. */
#ifndef APP_CELLS_H
#define APP_CELLS_H

#include "harness/app/axes.h"
#include "harness/app/expr.h"

struct planned_cell {
    struct cell cell;
    char skip_reason[160]; /* "": it runs                                        */
    int32_t pair;          /* cells of a matched group share it; -1: not paired  */
    bool baseline;         /* the pair's reference arm                           */
};

struct cell_list {
    struct planned_cell *cell; /* in the order given */
    int32_t n, n_pairs;
};
void cell_list_free(struct cell_list *l);

/* What one axis is given in one place. */
struct axis_entry {
    const struct axis *axis;
    char *where;            /* "--batch", "quickstart.yaml:12: batch"             */
    struct axis_list list;
    struct expr *tied;      /* computed from other axes instead; NULL: listed     */
};

/* A product of axes, in the order given. */
struct cell_group {
    char *where;            /* "quickstart.yaml:11"; "the command line"           */
    struct axis_entry *entry;
    int32_t n;
    struct expr **skip;     /* cells for which one holds are skipped              */
    int32_t n_skips;
};

/* A union of products. */
struct cell_space {
    const char *device;          /* of cells that name none                       */
    struct cell_group defaults;  /* what groups inherit                           */
    struct cell_group *group;
    int32_t n_groups;
    struct cell_group override;  /* replaces an axis everywhere                   */
    const struct axis *pair_axis; /* NULL: nothing is paired                      */
    struct axis_value pair_baseline;
};
void cell_space_init(struct cell_space *s, const char *device);
void cell_space_free(struct cell_space *s);

/* Add a group / an axis to a group; the caller fills it in. */
struct cell_group *cell_space_group(struct cell_space *s, const char *where);
struct axis_entry *cell_group_entry(struct cell_group *g, const struct axis *a,
                                    const char *where);
struct axis_entry *cell_group_find(const struct cell_group *g, const struct axis *a);

/* Values or, for a number, an expression over other axes ("block-length / 4").  where is
 * put before the message. */
enum err axis_entry_parse(struct axis_entry *e, const char *text) MUST_CHECK;
enum err cell_group_skip(struct cell_group *g, const char *where, const char *text) MUST_CHECK;

/* Every cell, checked, skipped with a reason where its decoder refuses it, and paired. */
enum err cells_expand(const struct cell_space *s, struct cell_list *out) MUST_CHECK;

#endif
