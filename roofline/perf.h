/* perf.h - what the kernel counts for this process: cycles, instructions, cache misses and, where
 * sysfs describes them, bytes at the memory; or its own events, which need no hardware.
 *
 * Every thread that exists when counters are opened is counted, and its spinning while it waits for
 * work, too.  A count is exact or refused: where more events are wanted than the hardware has
 * counters, the kernel lets them take turns and what it returns has to be extrapolated. */
#ifndef ROOFLINE_PERF_H
#define ROOFLINE_PERF_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/base/err.h"
#include "roofline/counter.h"

/* What is asked of the operating system, so that a test can answer instead. */
struct perf_system {
    int (*open)(void *ctx, struct perf_event_attr *attr, pid_t thread, int cpu, int group);
    ssize_t (*read)(void *ctx, int fd, void *buf, size_t n);
    void (*close)(void *ctx, int fd);
    void *ctx;
    const char *tasks;    /* folder with a folder for each thread     */
    const char *sysfs;    /* folder of what can count                 */
    const char *paranoid; /* file: who may count what                 */
};
extern const struct perf_system perf_linux;

enum perf_kind {
    PERF_HARDWARE, /* cycles, instructions and misses in user mode; bytes at the memory by all   */
    PERF_SOFTWARE  /* task clock, page faults and, where the kernel may be counted, context
                      switches                                                                   */
};

struct perf;

/* ERR_UNSUPPORTED with the cause and the cure.  sys outlives it. */
enum err perf_open(const struct perf_system *sys, enum perf_kind kind,
                   struct perf **out) MUST_CHECK;
void perf_close(struct perf *p); /* NULL is allowed */

/* That no thread began since they were opened: its work would be missing. */
enum err perf_check_threads(struct perf *p) MUST_CHECK;
/* Counts between the two, summed over threads; what is not counted stays -1.  ERR_UNSUPPORTED when
 * counters took turns or were taken away meanwhile. */
enum err perf_begin(struct perf *p) MUST_CHECK;
enum err perf_end(struct perf *p, struct counters *out) MUST_CHECK;

/* What is counted and what is not, and why: "cycles, instructions ... of 3 threads; ...". */
void perf_describe(const struct perf *p, char *buf, size_t size);

#endif
