/* price.c - one call on an ideal machine. */
#include "harness/kernels/price.h"

double price_call(const struct price *p, enum op op, const struct cost *c, bool *memory_side)
{
    double compute_s;
    if (op == OP_MATMUL || op == OP_HEAD)
        compute_s = (double)c->flop_matmul / p->matmul_flop_per_s;
    else if (op == OP_ATTENTION)
        compute_s = (double)c->flop_attention / p->attention_flop_per_s;
    else
        compute_s = (double)c->flop_vector / p->vector_flop_per_s;
    double memory_s = (double)c->bytes_dram / p->bytes_per_s;
    *memory_side = memory_s >= compute_s;
    return 1e9 * (*memory_side ? memory_s : compute_s) + p->launch_ns;
}
