/* cpu_attention_avx512.c - attention's parts in AVX-512. */
#include "harness/kernels/cpu/cpu_attention.h"

#include "harness/kernels/cpu/cpu_tiles.h"
#include "harness/kernels/cpu/cpu_vec_avx512.h"

#define TURNED_UNROLL _Pragma("GCC unroll 16")
#define FEW_AT_ONCE FEW_QUERIES
#define FEW_IN_TWO_GROUPS 0
#define FEW_DISPATCH FEW_ONE_EACH
#include "harness/kernels/cpu/cpu_attention_body.inc"
#include "harness/kernels/cpu/cpu_attention_few.inc"
#include "harness/kernels/cpu/cpu_attention_values.inc"

const struct cpu_attention cpu_attention_avx512 = CPU_ATTENTION_TABLE;
