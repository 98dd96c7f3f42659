/* ceilings_cpu.c - which loops an instruction set has, and how much cache there is in all. */
#include "roofline/ceilings_cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/cpuset.h"

const struct cpu_loops *cpu_loops_of(enum isa isa)
{
    switch (isa) {
    case ISA_AMX:
        return &cpu_loops_amx;
    case ISA_AVX512:
        return &cpu_loops_avx512;
    case ISA_AVX2:
        return &cpu_loops_avx2;
    case ISA_SCALAR:
    case ISA_AUTO:
    case ISA_COUNT:
        break;
    }
    return &cpu_loops_sse2;
}

/* First integer of a sysfs file; -1: none. */
static long sysfs_number(int cpu, int index, const char *leaf)
{
    char path[128];
    long value = -1;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, index, leaf);
    FILE *f = fopen(path, "re");
    if (f == NULL) return -1;
    if (fscanf(f, "%ld", &value) != 1) value = -1;
    fclose(f);
    return value;
}

/* The lowest-numbered CPU that shares this one's last-level cache; the CPU itself if the
 * system does not say. */
static long llc_leader(int cpu)
{
    long best_level = 0, leader = cpu;
    for (int index = 0; index < 16; index++) {
        long level = sysfs_number(cpu, index, "level");
        if (level < 0) break;
        if (level <= best_level) continue;
        long first = sysfs_number(cpu, index, "shared_cpu_list");
        best_level = level;
        leader = first >= 0 ? first : cpu;
    }
    return best_level > 0 ? leader : 0;
}

int64_t cpu_llc_bytes(void)
{
    struct cpuinfo info;
    cpu_set_t cpus, leaders;
    cpuinfo_read(&info);
    cpuset_process(&cpus);
    CPU_ZERO(&leaders);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &cpus)) continue;
        long leader = llc_leader(cpu);
        if (leader < CPU_SETSIZE) CPU_SET(leader, &leaders);
    }
    int n = CPU_COUNT(&leaders);
    return info.llc_bytes * (n > 0 ? n : 1);
}
