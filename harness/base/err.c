/* err.c - the per-thread sentence, the program's only mutable state at file scope. */
#include "harness/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[1024];
static _Thread_local char where[512];

static const struct {
    const char *name;
    int exit_code;
} codes[ERR_COUNT] = {
    [ERR_NONE] = {"ok", 0},
    [ERR_INTERNAL] = {"internal", 1},
    [ERR_USAGE] = {"usage", 2},
    [ERR_NOMEM] = {"nomem", 1},
    [ERR_IO] = {"io", 1},
    [ERR_DEVICE] = {"device", 6},
    [ERR_DB] = {"db", 7},
    [ERR_UNSUPPORTED] = {"unsupported", 6},
    [ERR_VERIFY] = {"verify", 8},
    [ERR_SOME_FAILED] = {"some_failed", 3},
    [ERR_REGRESSION] = {"regression", 4},
    [ERR_INCONCLUSIVE] = {"inconclusive", 5},
    [ERR_BUDGET] = {"budget", 75},
};

enum err err_set(enum err code, const char *fmt, ...)
{
    /* The arguments may quote the previous sentence, so build the new one aside. */
    char next[sizeof message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(next, sizeof next, fmt, ap);
    va_end(ap);
    memcpy(message, next, sizeof message);
    where[0] = '\0';
    return code;
}

const char *err_msg(void)
{
    return message;
}

const char *err_where(void)
{
    return where;
}

const char *err_name(enum err code)
{
    return code >= 0 && code < ERR_COUNT ? codes[code].name : "unknown";
}

int err_exit_code(enum err code)
{
    return code >= 0 && code < ERR_COUNT ? codes[code].exit_code : 1;
}

enum err err_trace(enum err code, const char *file, int line)
{
    const char *slash = strrchr(file, '/');
    size_t used = strlen(where);
    snprintf(where + used, sizeof where - used, " < %s:%d", slash ? slash + 1 : file, line);
    return code;
}

void err_abort(const char *cond, const char *file, int line)
{
    fprintf(stderr, "regime: bug: %s does not hold at %s:%d (last failure: %s)\n", cond, file, line,
            message[0] ? message : "none");
    abort();
}
