/* price.h - how fast a machine could do a call: the slower of its FLOPs at the
 * peak of their class and its DRAM bytes at the bandwidth, plus a launch cost. */
#ifndef KERNELS_PRICE_H
#define KERNELS_PRICE_H

#include "harness/kernels/ledger.h"

struct price {
    bool known;                  /* false: this tier predicts nothing (NULL in results) */
    double matmul_flop_per_s;    /* peak for the dtype of the arithmetic                */
    double attention_flop_per_s;
    double vector_flop_per_s;
    double bytes_per_s;          /* of the memory level the weights live in             */
    double launch_ns;            /* per call                                            */
};

/* Nanoseconds of one call of op; *memory_side: its traffic takes at least as long as
 * its arithmetic. */
double price_call(const struct price *p, enum op op, const struct cost *c, bool *memory_side);

#endif
