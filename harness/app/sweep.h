/* sweep.h - sweep files: which cells answer one question.
 *
 *     name: batch                      word used in results and on the command line
 *     title: Who gains from batching?  one line
 *     defaults: {model: tiny-25m}      axes that every group inherits
 *     pair: {axis: decoder, baseline: ar}     also precision: 1%
 *     groups:                          cells are the union of the groups;
 *       - decoder: block               a group is the product of its axes
 *         batch: 1-64*2
 *         steps: block-length / 4      computed from other axes
 *         skip: batch > 8              leaves cells out, with the reason
 *
 * YAML without tags, anchors and aliases, one document, at most 1 MiB. */
#ifndef APP_SWEEP_H
#define APP_SWEEP_H

#include "harness/app/cells.h"

struct sweep {
    char *name, *title; /* title "" when there is none */
    char *text;         /* the whole file              */
    struct cell_space space;
};

/* A built-in sweep by its name, else a file by its path.  device: of cells that name
 * none.  ERR_USAGE reads "FILE:LINE: key: what was expected". */
enum err sweep_load(const char *name_or_path, const char *device, struct sweep *out) MUST_CHECK;

/* From memory; label stands for the file in messages. */
enum err sweep_parse(const char *label, const char *text, size_t n, const char *device,
                     struct sweep *out) MUST_CHECK;
void sweep_free(struct sweep *s); /* a zeroed one is allowed */

/* Name of the built-in sweep i, to be freed; NULL past the last. */
char *sweep_builtin(int32_t i);

#endif
