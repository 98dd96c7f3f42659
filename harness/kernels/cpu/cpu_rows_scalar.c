/* cpu_rows_scalar.c - the row loops in plain C. */
#include "harness/kernels/cpu/cpu_rows.h"

#include "harness/kernels/cpu/cpu_vec_scalar.h"

#include "harness/kernels/cpu/cpu_rows_body.inc"

const struct cpu_rows cpu_rows_scalar = CPU_ROWS_TABLE;
