/* cpuset.h - the CPUs this process may use, whatever its threads are pinned to. */
#ifndef BASE_CPUSET_H
#define BASE_CPUSET_H

#include <sched.h>
#include <stdint.h>

/* Union of the affinity masks of all threads of the process, because the calling
 * thread may be pinned by a team; returns their number, at least 1. */
int32_t cpuset_process(cpu_set_t *out);

#endif
