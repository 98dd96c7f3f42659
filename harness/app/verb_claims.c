/* verb_claims.c - plan the cells that the claims are about, add what was measured, judge. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/app/claims.h"
#include "harness/app/execute.h"
#include "harness/app/verbs.h"

static enum err plan_cells(const struct cell_list *cells, const char *command,
                           struct seen_list *out)
{
    struct store *s = NULL;
    struct execution x = {0};
    struct log warnings;
    enum err e = ERR_NONE;
    /* That some of the cells do not fit a device is expected. */
    log_open(&warnings, stderr, LOG_WARN);
    struct execute_options eo = {.command = command, .only_sim = true, .log = &warnings};
    TRY_OUT(execute_check(cells, &eo));
    TRY_OUT(store_open(":memory:", STORE_WRITE, &s));
    TRY_OUT(execute_cells(s, cells, &eo, &x));
    TRY_OUT(seen_load(s, out));
out:
    execution_free(&x);
    store_close(s);
    return e;
}

/* The measured runs of `more`, after the planned ones. */
static enum err add_measured(struct seen_list *list, const struct seen_list *more)
{
    size_t n = (size_t)(list->n + more->n);
    struct seen *grown = realloc(list->run, (n + 1) * sizeof *grown);
    if (!grown) return err_set(ERR_NOMEM, "%zu runs: out of memory", n);
    list->run = grown;
    for (int32_t i = 0; i < more->n; i++)
        if (more->run[i].timed) list->run[list->n++] = more->run[i];
    list->room = (int32_t)n + 1;
    return ERR_NONE;
}

enum err claims_report(const struct cell_list *cells, struct store *measured, const char *command,
                       enum output format, FILE *f)
{
    struct seen_list runs = {0}, timed = {0};
    struct side_list sides = {0};
    struct policy_list policies = {0};
    struct finding_list findings = {0};
    enum err e = ERR_NONE;
    TRY_OUT(plan_cells(cells, command, &runs));
    if (measured) TRY_OUT(seen_load(measured, &timed));
    if (measured) TRY_OUT(sides_load(measured, &sides));
    if (measured) TRY_OUT(policies_load(measured, &policies));
    TRY_OUT(add_measured(&runs, &timed));
    TRY_OUT(claims_judge(&runs, &sides, &policies, &findings));
    e = claims_print(&findings, format, f);
out:
    finding_list_free(&findings);
    policies_free(&policies);
    sides_free(&sides);
    seen_list_free(&runs);
    seen_list_free(&timed);
    return e;
}

enum err verb_claims(const struct options *o)
{
    struct store *s = NULL;
    if (access(o->db, F_OK) == 0)
        TRY(store_open(o->db, STORE_READ, &s));
    else
        log_line(o->log, LOG_INFO, "no database %s: nothing measured takes part", o->db);
    enum err e = claims_report(&o->cells, s, o->command, o->output, stdout);
    store_close(s);
    return e;
}
