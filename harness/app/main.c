/* main.c - from a command line to a verb, from an error to a sentence and an exit code. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "harness/app/verbs.h"
#include "harness/base/build_info.h"

static void print_version(void)
{
    const struct build_info *b = &build_info;
    printf("regime 0.1.0\n");
    printf("commit    %s%s\n", b->git_sha,
           b->git_dirty == 1   ? " with changes"
           : b->git_dirty == 0 ? ""
                               : " (changes unknown)");
    printf("sources   %s\n", b->source_sha256);
    printf("compiler  %s\n", b->compiler);
    printf("build     %s%s%s, %s\n", b->config, b->sanitizers[0] ? " with sanitizers " : "",
           b->sanitizers, b->has_cuda ? "with CUDA" : "without CUDA");
}

static enum err answer(const struct options *o)
{
    if (o->help)
        options_help(o->verb);
    else if (o->version)
        print_version();
    else
        return o->verb->run(o);
    return ERR_NONE;
}

/* Output that a full disk swallowed was not delivered. */
static enum err flush_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return ERR_NONE;
    return err_set(ERR_IO, "standard output: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    struct options o;
    struct log log;
    enum err e = options_parse(argc, argv, &o);
    log_open(&log, stderr, o.verbose ? LOG_DEBUG : o.quiet ? LOG_WARN : LOG_INFO);
    o.log = &log;
    if (o.note[0]) log_line(&log, LOG_INFO, "regime: %s", o.note);
    if (e == ERR_NONE) e = answer(&o);
    if (e == ERR_NONE) e = flush_output();
    log_progress_end(&log);
    if (e != ERR_NONE) {
        fflush(stdout);
        fprintf(stderr, "regime: %s\n", err_msg());
        if (o.verbose) fprintf(stderr, "regime: passed%s\n", err_where());
    }
    options_free(&o);
    return err_exit_code(e);
}
