/* cpu_attention_scalar.c - attention's parts in plain C. */
#include "harness/kernels/cpu/cpu_attention.h"

#include "harness/kernels/cpu/cpu_tiles.h"
#include "harness/kernels/cpu/cpu_vec_scalar.h"

#define TURNED_UNROLL
#define FEW_AT_ONCE FEW_QUERIES
#define FEW_IN_TWO_GROUPS 0
#define FEW_DISPATCH FEW_ONE_FOR_ALL
#include "harness/kernels/cpu/cpu_attention_body.inc"
#include "harness/kernels/cpu/cpu_attention_few.inc"
#include "harness/kernels/cpu/cpu_attention_values.inc"

const struct cpu_attention cpu_attention_scalar = CPU_ATTENTION_TABLE;
