/* gnuplot.h - gnuplot as a process. */
#ifndef PLOTS_GNUPLOT_H
#define PLOTS_GNUPLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"

/* The program on PATH; false when there is none. */
bool gnuplot_find(char *path, size_t size);

/* Run `gnuplot script` in dir, without a shell and without the user's start-up file.
 * ERR_UNSUPPORTED with its first complaint when it fails, does not end within timeout_ms (it
 * is then killed) or is not installed. */
enum err gnuplot_run(const char *dir, const char *script, int timeout_ms) MUST_CHECK;

#endif
