/* cpu_attention_avx2.c - attention's parts in AVX2. */
#include "harness/kernels/cpu/cpu_attention.h"

#include "harness/kernels/cpu/cpu_tiles.h"
#include "harness/kernels/cpu/cpu_vec_avx2.h"

#define TURNED_UNROLL
#define FEW_AT_ONCE 5
#define FEW_IN_TWO_GROUPS 2
#define FEW_DISPATCH FEW_ONE_EACH
#include "harness/kernels/cpu/cpu_attention_body.inc"
#include "harness/kernels/cpu/cpu_attention_few.inc"
#include "harness/kernels/cpu/cpu_attention_values_avx2.inc"

const struct cpu_attention cpu_attention_avx2 = CPU_ATTENTION_TABLE;
