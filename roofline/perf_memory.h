/* perf_memory.h - counters of the memory controllers, where the kernel describes them in sysfs.
 *
 * They count what passes at the memory, whoever asked for it: processes, devices and hardware
 * prefetchers alike.  Only events that sysfs names, with their scale in bytes, are taken: raw codes
 * differ from one processor to the next, and a wrong one counts something else without a word. */
#ifndef ROOFLINE_PERF_MEMORY_H
#define ROOFLINE_PERF_MEMORY_H

#include <stdint.h>

#include "harness/base/err.h"

enum { MEMORY_READ, MEMORY_WRITE, MEMORY_DIRECTIONS };

/* One controller or channel, counted on one CPU for all. */
struct memory_counter {
    uint32_t type; /* of its perf_event_attr, as the next */
    uint64_t config[MEMORY_DIRECTIONS];
    double bytes[MEMORY_DIRECTIONS]; /* each count stands for */
    int32_t cpu;
};
enum { MEMORY_COUNTERS_MAX = 256 };

/* All that are described under `sysfs` ("/sys/bus/event_source/devices"), in order of their names;
 * none is no failure.  ERR_UNSUPPORTED for a description that cannot be understood. */
enum err memory_counters_find(const char *sysfs, struct memory_counter out[MEMORY_COUNTERS_MAX],
                              int32_t *n) MUST_CHECK;

#endif
