/* write_trace.h - --write-trace FILE: what one cell's decode commits, to be replayed. */
#ifndef APP_WRITE_TRACE_H
#define APP_WRITE_TRACE_H

#include "harness/app/options.h"
#include "harness/decode/process.h"

/* Both do nothing where no file is asked for.  ERR_USAGE, before anything runs, where the cells
 * are not one denoiser on a real device. */
enum err write_trace_check(const struct options *o) MUST_CHECK;
enum err write_trace(const struct options *o) MUST_CHECK;
/* The same of a decode on a process. */
enum err write_trace_of_process(const struct options *o, struct kernels *k,
                                const struct process *p) MUST_CHECK;

#endif
