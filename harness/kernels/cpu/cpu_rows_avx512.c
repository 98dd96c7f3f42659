/* cpu_rows_avx512.c - the row loops in AVX-512. */
#include "harness/kernels/cpu/cpu_rows.h"

#include "harness/kernels/cpu/cpu_vec_avx512.h"

#include "harness/kernels/cpu/cpu_rows_body.inc"

const struct cpu_rows cpu_rows_avx512 = CPU_ROWS_TABLE;
