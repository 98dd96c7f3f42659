/* cells.h - from axes to the list of cells to run, their pairs and skips. */
#ifndef APP_CELLS_H
#define APP_CELLS_H

#include "harness/app/axes.h"
#include "harness/app/cell_inputs.h"
#include "harness/app/expr.h"
#include "harness/decode/commit_trace.h"

struct planned_cell {
    struct cell cell;
    char skip_reason[300]; /* "": it runs                                        */
    enum err skip_err;     /* what that is for a cell asked for alone; NONE: a usage error */
    int32_t pair;          /* cells of a matched group share it; -1: not paired  */
    bool baseline;         /* the pair's reference arm                           */
};

struct cell_list {
    struct planned_cell *cell; /* in the order given */
    int32_t n, n_pairs;
    double precision; /* as cell_space has it                                       */
    struct commit_trace **trace; /* owned: what the cells replay, each file once   */
    int32_t n_traces;
    struct cell_inputs inputs; /* what else cells read                           */
};
void cell_list_free(struct cell_list *l);

/* What one axis is given in one place. */
struct axis_entry {
    const struct axis *axis;
    char *where; /* "--batch", "quickstart.yaml:12: batch"             */
    struct axis_list list;
    struct expr *tied; /* computed from other axes instead; NULL: listed     */
};

/* A product of axes; the first given varies slowest. */
struct cell_group {
    char *where; /* "quickstart.yaml:11", "command line"               */
    struct axis_entry *entry;
    int32_t n;
    struct expr **skip; /* cells for which one holds are skipped              */
    int32_t n_skips;
};

/* A union of products. */
struct cell_space {
    const char *device;         /* of cells that name none                      */
    bool informed;              /* an exact process decides, as decode_spec has it */
    struct cell_group defaults; /* what groups inherit                          */
    struct cell_group *group;
    int32_t n_groups;
    struct cell_group override;   /* replaces an axis everywhere                  */
    const struct axis *pair_axis; /* NULL: nothing is paired                      */
    struct axis_value pair_baseline;
    double precision; /* how well a pair's time ratio is to be known; 0: as it comes */
};
void cell_space_init(struct cell_space *s, const char *device);
void cell_space_free(struct cell_space *s);

/* Add an empty group, or an axis to a group.  Valid until the next one is added. */
enum err cell_space_add_group(struct cell_space *s, const char *where,
                              struct cell_group **out) MUST_CHECK;
enum err cell_group_add_axis(struct cell_group *g, const struct axis *a, const char *where,
                             struct axis_entry **out) MUST_CHECK;
void cell_group_free(struct cell_group *g);
struct axis_entry *cell_group_find(const struct cell_group *g, const struct axis *a);

/* Append values or, for a number, take an expression over other axes
 * ("block-length / 4").  Errors begin with the entry's place. */
enum err axis_entry_parse(struct axis_entry *e, const char *text) MUST_CHECK;
enum err cell_group_skip(struct cell_group *g, const char *where, const char *text) MUST_CHECK;

enum { CELLS_MAX = 50000 };

/* Every cell, skipped with a reason where an expression or its decoder says so, and paired:
 * a cell belongs to the baseline that equals it in every axis which that baseline has.
 * Cells that differ only in axes their decoder has not are one cell; others that appear
 * twice are an error. */
enum err cells_expand(const struct cell_space *s, struct cell_list *out) MUST_CHECK;

/* The flags that give this cell: "--model tiny-25m --batch 4"; what every cell has anyway
 * is left out, the device is not. */
void cell_flags(const struct cell *c, struct strbuf *out);

#endif
