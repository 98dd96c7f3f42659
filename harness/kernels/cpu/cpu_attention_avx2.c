/* cpu_attention_avx2.c - attention's softmax in AVX2. */
#include "harness/kernels/cpu/cpu_attention.h"

#include "harness/kernels/cpu/cpu_tiles.h"
#include "harness/kernels/cpu/cpu_vec_avx2.h"

#include "harness/kernels/cpu/cpu_attention_body.inc"

const struct cpu_attention cpu_attention_avx2 = CPU_ATTENTION_TABLE;
