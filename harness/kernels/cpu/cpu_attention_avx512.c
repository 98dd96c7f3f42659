/* cpu_attention_avx512.c - attention's softmax in AVX-512. */
#include "harness/kernels/cpu/cpu_attention.h"

#include "harness/kernels/cpu/cpu_tiles.h"
#include "harness/kernels/cpu/cpu_vec_avx512.h"

#include "harness/kernels/cpu/cpu_attention_body.inc"

const struct cpu_attention cpu_attention_avx512 = CPU_ATTENTION_TABLE;
