/* cpuinfo.h - what this CPU is: name, caches, instruction sets, noise from others. */
#ifndef BASE_CPUINFO_H
#define BASE_CPUINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"

/* Instruction sets the kernels are written for, in order of preference; AUTO: the best.  AMX is
 * AVX-512 and amx_bf16. */
enum isa { ISA_AUTO, ISA_SCALAR, ISA_AVX2, ISA_AVX512, ISA_AMX, ISA_COUNT };

struct cpuinfo {
    char model[96];          /* "AMD EPYC 9R14"                           */
    int32_t n_cpus;          /* CPUs in this process's affinity mask      */
    int64_t l1d_bytes;       /* per core; 0: unknown                      */
    int64_t l2_bytes;        /* per core; 0: unknown                      */
    int64_t llc_bytes;       /* one instance of the last level            */
    int64_t mem_total_bytes; /* of the machine                            */
    enum isa isa;            /* the best one the CPU and the OS support   */
};

void cpuinfo_read(struct cpuinfo *out);

const char *isa_name(enum isa isa); /* "avx512" */

/* The instruction set to use: the one wished for, or for AUTO the one REGIME_ISA names or the
 * best.  ERR_USAGE for an unknown name, ERR_UNSUPPORTED for one this CPU lacks. */
enum err isa_choose(enum isa wish, enum isa *out) MUST_CHECK;

/* Whether an instruction set, on this CPU, multiplies bf16 by bf16 (amx_bf16, or avx512_bf16); else
 * ERR_UNSUPPORTED with the reason. */
enum err isa_has_bf16(enum isa isa) MUST_CHECK;

/* Whether kernels of an instruction set multiply int8 faster than f32. */
enum err isa_has_int8(enum isa isa) MUST_CHECK;

/* avx512_vnni: AVX-512 kernels multiply bytes; without it AVX2's are taken. */
bool cpu_has_vnni(void);

/* CPU time used by this process and by everything on the machine so far. */
struct cpu_usage {
    double own_s, all_s, wall_s;
};
void cpu_usage_now(struct cpu_usage *out);

/* CPUs' worth of time that *other* processes used since the first reading;
 * -1 when /proc/stat cannot be read. */
double cpu_usage_others(const struct cpu_usage *since);

#endif
