/* axes.h - the one table of everything that describes a cell.
 *
 * From it come the flags and their help, the keys of sweep files, defaults, range
 * checks, expressions and `plan --showcmd`.  To add an axis: a field in struct cell
 * (or decode_spec), its column and its place in cell_canonical, and one row here. */
#ifndef APP_AXES_H
#define APP_AXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "results/cell.h"

enum axis_kind {
    AXIS_INT, /* whole numbers, ranges, sizes */
    AXIS_FLOAT,
    AXIS_ENUM, /* one of a few words, stored as its number */
    AXIS_TEXT  /* a name that `check` knows */
};

struct axis {
    const char *name; /* long option and sweep key: "n-prompt"                       */
    char letter;      /* short option; 0: none                                       */
    enum axis_kind kind;
    const char *group;    /* heading in --help                                           */
    size_t offset, size;  /* of the field in struct cell                                 */
    int64_t min, max;     /* INT, FLOAT: allowed values; ENUM: number of the last word    */
    const char *fallback; /* value of a cell nobody gave one, as text; NULL: absent then  */
    int64_t absent;       /* what the field holds while it is absent                     */
    const char *derived;  /* what stands in for it then, in words                        */
    const char *(*word)(int32_t i);      /* ENUM                                      */
    enum err (*check)(const char *text); /* TEXT: ERR_USAGE with the reason           */
    const char *only_for;    /* decoders that have it, a blank after each; NULL: all      */
    bool of_strategy;        /* only strategies that take it have it, and no commit trace */
    bool untraced;           /* a commit trace takes its place                            */
    bool sampled;            /* only at a temperature above 0                             */
    const char *device_kind; /* only devices of this kind have it; NULL: all              */
    const char *help;
    const char *not_yet; /* why this build does not have it; NULL: it does            */
};

/* One value of an axis. */
struct axis_value {
    int64_t i; /* INT, ENUM */
    double f;  /* FLOAT     */
    char text[200];
};

/* Axes in order; NULL past the last.  Those not in this build come last. */
const struct axis *axis_at(int32_t i);
/* By long name; NULL when there is none. */
const struct axis *axis_find(const char *name);
const struct axis *axis_by_letter(char letter);

/* Whether the cell's decoder and device have this axis. */
bool axis_applies(const struct axis *a, const struct cell *c);
/* Whether the cell has a value on it: an optional one may be absent. */
bool axis_is_set(const struct axis *a, const struct cell *c);

/* One word or number; ERR_USAGE says what was expected. */
enum err axis_parse(const struct axis *a, const char *text, struct axis_value *out) MUST_CHECK;
/* Whether a number is in range. */
enum err axis_check(const struct axis *a, const struct axis_value *v) MUST_CHECK;
bool axis_value_equal(const struct axis *a, const struct axis_value *v, const struct axis_value *w);
/* Comma-separated values, ranges (1-64*2, 128-512+128) and sizes (2k, 4Ki), appended to
 * a list that the caller frees. */
struct axis_list {
    struct axis_value *value;
    int32_t n;
};
enum err axis_parse_list(const struct axis *a, const char *text, struct axis_list *list) MUST_CHECK;

void axis_set(const struct axis *a, struct cell *c, const struct axis_value *v);
struct axis_value axis_get(const struct axis *a, const struct cell *c);
/* As one would type it: "64", "bf16". */
void axis_text(const struct axis *a, const struct cell *c, char *buf, size_t buf_size);

/* Every fallback; what is derived is left absent. */
void axes_default(struct cell *c, const char *device);
/* Fill in what is derived from other axes, and drop what the decoder or device has no use
 * for, so that equal experiments are equal cells. */
void axes_resolve(struct cell *c);
/* Only the block length a decoder has when none is given: other axes may be tied to it. */
void axes_resolve_block_length(struct cell *c);

bool cells_equal(const struct cell *c, const struct cell *d);

#endif
