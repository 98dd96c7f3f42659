/* cpu_attention_scalar.c - attention's softmax in plain C. */
#include "harness/kernels/cpu/cpu_attention.h"

#include "harness/kernels/cpu/cpu_tiles.h"
#include "harness/kernels/cpu/cpu_vec_scalar.h"

#include "harness/kernels/cpu/cpu_attention_body.inc"

const struct cpu_attention cpu_attention_scalar = CPU_ATTENTION_TABLE;
