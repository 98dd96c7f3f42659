/* steadiness.h - did the machine hold still while it was measured? */
#ifndef APP_STEADINESS_H
#define APP_STEADINESS_H

#include "harness/app/present.h"
#include "harness/base/log.h"

/* One warning if, in any of the runs, a roof moved by a quarter, whole decodes took a quarter
 * longer than their forwards' medians add up to, or other processes had a quarter of a CPU: numbers
 * of one table are then not of one machine. */
enum err steadiness_warn(struct store *s, const struct shown_run *runs, int32_t n,
                         struct log *log) MUST_CHECK;

#endif
