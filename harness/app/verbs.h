/* verbs.h - what the program can be asked to do.
 *
 * To add a verb: declare it here, give it a row in verbs.c and, if it has flags of its
 * own, a field in struct options and a row in flags.c. */
#ifndef APP_VERBS_H
#define APP_VERBS_H

#include "harness/app/options.h"

enum verb_takes {
    TAKES_AXES = 1,         /* flags that describe cells, put over a sweep's if there is one */
    TAKES_SWEEP = 2,        /* a sweep file, or the name of a built-in one                   */
    TAKES_AXES_ALONE = 4,   /* the sweep may be left out                                     */
    TAKES_ARGS = 8,         /* other words, left in options.arg for the verb to check        */
    TAKES_CLAIM_CELLS = 16, /* without a sweep: the built-in CLAIMS_SWEEP                  */
    WRITES_CSV = 32,        /* unless another format is asked for                          */
    TAKES_PROCESS = 64      /* an exact process decides in its cells                       */
};

#define CLAIMS_SWEEP "a100-claims"

struct verb {
    const char *name;
    enum err (*run)(const struct options *o);
    unsigned takes;
    const char *device; /* of cells that name none; NULL: "cpu" */
    const char *args;   /* for usage: "[SWEEP]"                 */
    const char *help;   /* one line                             */
};

/* Verbs in order; NULL past the last. */
const struct verb *verb_at(int32_t i);
const struct verb *verb_find(const char *name);

enum err verb_list(const struct options *o);
enum err verb_doctor(const struct options *o);
enum err verb_plan(const struct options *o);
enum err verb_run(const struct options *o);
enum err verb_sweep(const struct options *o);
enum err verb_bench(const struct options *o);
enum err verb_bound(const struct options *o);
enum err verb_ceilings(const struct options *o);
enum err verb_quickstart(const struct options *o);
enum err verb_plot(const struct options *o);
enum err verb_claims(const struct options *o);
enum err verb_report(const struct options *o);
enum err verb_quality(const struct options *o);
enum err verb_nelbo(const struct options *o);
enum err verb_generate(const struct options *o);
enum err verb_gaussian(const struct options *o);
enum err verb_status(const struct options *o);
enum err verb_compare(const struct options *o);
enum err verb_verify(const struct options *o);
enum err verb_merge(const struct options *o);
enum err verb_export(const struct options *o);
enum err verb_explain(const struct options *o);
enum err verb_counters(const struct options *o);

/* plan --showcmd: each cell as a command line on stdout, skipped ones as comments. */
enum err show_commands(const struct options *o);

#endif
