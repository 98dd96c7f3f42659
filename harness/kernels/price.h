/* price.h - how fast a machine could do a call: the slower of its FLOPs at the
 * peak of their class and its DRAM bytes at the bandwidth, plus a launch cost. */
#ifndef KERNELS_PRICE_H
#define KERNELS_PRICE_H

#include "harness/kernels/ledger.h"

struct matmul_time; /* a measured table of matmul time against rows; roofline fills it */

struct price {
    bool known;                   /* false: this tier predicts nothing (NULL in results)    */
    double matmul_flop_per_s;     /* peak for the dtype of the arithmetic                   */
    double attention_flop_per_s;
    double vector_flop_per_s;
    double bytes_per_s;           /* of the level the weights live in                       */
    double launch_ns;             /* per call                                               */
    const struct matmul_time *table; /* TIER_TABLE only; borrowed                           */
};

/* Nanoseconds of one call, and whether its bandwidth side is the longer one. */
double price_call(const struct price *p, enum op op, const struct cost *c, bool *memory_side);

#endif
