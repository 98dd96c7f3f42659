/* cpu_rows_avx2.c - the row loops in AVX2. */
#include "harness/kernels/cpu/cpu_rows.h"

#include "harness/kernels/cpu/cpu_vec_avx2.h"

#include "harness/kernels/cpu/cpu_rows_body.inc"

const struct cpu_rows cpu_rows_avx2 = CPU_ROWS_TABLE;
