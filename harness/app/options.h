/* options.h - the command line, understood: what every verb is given. */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "harness/app/cells.h"
#include "harness/base/log.h"

struct verb;

enum output { OUTPUT_MD, OUTPUT_CSV, OUTPUT_JSON, OUTPUT_JSONL, OUTPUT_LATEX, OUTPUT_COUNT };

struct options {
    const struct verb *verb;
    char *command;          /* the whole command line as typed, for provenance           */

    /* every verb */
    const char *db;         /* --db, else $REGIME_DB, else "./regime.db"                 */
    enum output output;
    bool quiet, verbose, help;
    struct log *log;        /* what goes to stderr; set by main                          */

    /* some verbs: rows in options.c say which */
    bool showcmd;
    bool tiny;
    bool reuse_any;         /* --reuse any: a run of another build counts as done        */
    const char *out;        /* folder for what a verb writes; NULL: its own default      */

    /* the cells to run, from the flags or from a sweep file and flags over it */
    bool has_cells;         /* a sweep or at least one axis was given                    */
    struct cell_list cells;
    char *sweep_name;       /* NULL: the cells come from flags                           */
    char *sweep_text;

    /* other words, in order */
    const char **arg;
    int32_t n_args;
};

/* Parse argv[1..); ERR_USAGE names the flag and what was expected. */
enum err options_parse(int argc, char **argv, struct options *out) MUST_CHECK;
void options_free(struct options *o);

/* Usage of the program (verb NULL) or of one verb. */
void options_help(const struct verb *verb);

const char *output_name(enum output o);

#endif
