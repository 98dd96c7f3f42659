/* price.h - how fast a machine could do a call: the slower of its FLOPs at the
 * peak of their class and its DRAM bytes at the bandwidth, plus a launch cost.  With a table
 * of matmul times, matmuls take what the table says instead. */
#ifndef KERNELS_PRICE_H
#define KERNELS_PRICE_H

#include "harness/kernels/ledger.h"
#include "harness/kernels/matmul_times.h"

struct price {
    bool known;               /* false: this tier predicts nothing (NULL in results) */
    double matmul_flop_per_s; /* peak for the dtype of the arithmetic                */
    double attention_flop_per_s;
    double vector_flop_per_s;
    double bytes_per_s;               /* of the memory level the weights live in             */
    double launch_ns;                 /* per call                                            */
    const struct matmul_times *times; /* borrowed, knows every matmul that is priced; NULL: none */
    int32_t threads;                  /* whose times ... */
    bool cache_resident;              /* ... from where     */
    enum dtype compute;               /* ... and multiplied in which dtype */
};

/* Nanoseconds of one call of op; *memory_side: its traffic takes at least as long as
 * its arithmetic.  y and w are a matmul's result and weight, ignored for other calls. */
double price_call(const struct price *p, enum op op, const struct cost *c, struct tensor y,
                  struct tensor w, bool *memory_side);

#endif
