/* price.c - one call on an ideal machine, or as long as it took. */
#include "harness/kernels/price.h"

double price_call(const struct price *p, enum op op, const struct cost *c, struct tensor y,
                  struct tensor w, bool *memory_side)
{
    bool matmul = op == OP_MATMUL || op == OP_HEAD;
    double compute_s;
    if (matmul)
        compute_s = (double)c->flop_matmul / p->matmul_flop_per_s;
    else if (op == OP_ATTENTION)
        compute_s = (double)c->flop_attention / p->attention_flop_per_s;
    else
        compute_s = (double)c->flop_vector / p->vector_flop_per_s;
    double memory_s = (double)c->bytes_dram / p->bytes_per_s;
    *memory_side = memory_s >= compute_s;
    if (matmul && p->times) {
        struct matmul_shape s = {w.dim[0], w.dim[1], w.dtype,
                                 p->threads, p->cache_resident, p->compute};
        return matmul_times_ns(p->times, &s, y.dim[0]);
    }
    return 1e9 * (*memory_side ? memory_s : compute_s) + p->launch_ns;
}
