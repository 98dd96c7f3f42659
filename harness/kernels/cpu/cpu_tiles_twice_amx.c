/* cpu_tiles_twice_amx.c - the same at half their speed. */
#define TWICE true
#include "harness/kernels/cpu/cpu_tiles_amx.inc"

TABLE(cpu_tiles_twice_amx);
