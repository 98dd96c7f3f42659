/* cpuset.c - affinity masks of every task of this process. */
#include "harness/base/cpuset.h"

#include <dirent.h>
#include <stdlib.h>

int32_t cpuset_process(cpu_set_t *out)
{
    cpu_set_t mask;
    CPU_ZERO(out);
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) CPU_OR(out, out, &mask);
    DIR *tasks = opendir("/proc/self/task");
    if (tasks != NULL) {
        for (struct dirent *d = readdir(tasks); d != NULL; d = readdir(tasks)) {
            int tid = atoi(d->d_name);
            if (tid > 0 && sched_getaffinity(tid, sizeof mask, &mask) == 0) CPU_OR(out, out, &mask);
        }
        closedir(tasks);
    }
    if (CPU_COUNT(out) == 0) CPU_SET(0, out);
    return CPU_COUNT(out);
}
