/* write_trace.h - --write-trace FILE: what one cell's decode commits, to be replayed. */
#ifndef APP_WRITE_TRACE_H
#define APP_WRITE_TRACE_H

#include "harness/app/options.h"

/* Both do nothing where no file is asked for.  ERR_USAGE, before anything runs, where the cells
 * are not one denoiser on a real device. */
enum err write_trace_check(const struct options *o) MUST_CHECK;
enum err write_trace(const struct options *o) MUST_CHECK;

#endif
