/* options.h - the command line, understood: what every verb is given. */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "harness/app/cells.h"
#include "harness/app/count.h"
#include "harness/base/log.h"

struct verb;

enum output { OUTPUT_MD, OUTPUT_CSV, OUTPUT_JSON, OUTPUT_JSONL, OUTPUT_LATEX, OUTPUT_COUNT };
const char *output_name(enum output o);

struct options {
    const struct verb *verb; /* NULL: only help or version was asked for                 */
    char *command;           /* the whole command line as typed, for provenance          */
    struct log *log;         /* what goes to stderr; set by main                         */

    /* every verb */
    const char *db; /* --db, else $REGIME_DB, else "./regime.db"                */
    enum output output;
    bool quiet, verbose, help, version;

    /* some verbs: the rows of flags.c say which */
    bool showcmd;
    bool tiny;
    bool reuse_any; /* --reuse any: a run of another build counts as done       */
    bool allow_mixed;
    const char *rows; /* bench: rows and keys to time, in range notation; NULL: default */
    const char *keys;
    double tolerance;           /* a time ratio this near to 1 is no change                   */
    const char *write_trace;    /* --write-trace: file for the cell's commits; NULL: none    */
    const char *process;        /* --process: a preset's name, a file, or "none"          */
    int64_t samples, draws;     /* --samples: sequences; --draws: masked ones of each       */
    int64_t rounds;             /* --rounds; 0: as many as usual */
    double precision;           /* --precision; 0: not given    */
    int64_t time_budget_s;      /* 0: none */
    const char *device;         /* of a verb that has no cells; NULL: "cpu"                 */
    struct count_options count; /* what is counted after timing                         */
    int32_t l2;      /* --l2: 1 steady, 2 cold; 0: not given                                 */
    int32_t only;    /* --only: which checks of verify, from 1; 0: all                       */
    const char *out; /* folder for what a verb writes; NULL: its own default     */

    /* the cells: of the flags, or of a sweep file with flags put over it */
    bool has_cells; /* a sweep or at least one axis was given                   */
    struct cell_list cells;
    char note[200];   /* about axes that change nothing; "": none                 */
    char *sweep_name; /* NULL: the cells come from flags                          */
    char *sweep_title, *sweep_text;

    const char **arg; /* other words, in order                                    */
    int32_t n_args;
};

/* Parse argv[1..); ERR_USAGE names the flag and what was expected.  out is valid, and
 * verbose is set if it was asked for, even after a failure. */
enum err options_parse(int argc, char **argv, struct options *out) MUST_CHECK;
void options_free(struct options *o);

/* Load a sweep as if it had been named on the command line. */
enum err options_load_sweep(struct options *o, const char *name_or_path) MUST_CHECK;

/* Usage of the program (verb NULL) or of one verb, on stdout. */
void options_help(const struct verb *verb);

#endif
