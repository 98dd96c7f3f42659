/* ledger.h - the arithmetic and the traffic each kernel call *must* do.
 *
 * kernels.c adds one cost per call from the operands' shapes, before the backend
 * runs.  The numbers depend on the algorithm alone: a step costs the same on
 * every backend, whatever tiling or fusion it uses.  What the hardware really
 * did is the probe's business (roofline/probe.h); their ratio is a result, so
 * they are never mixed.  docs/COUNTING.md derives every formula. */
#ifndef KERNELS_LEDGER_H
#define KERNELS_LEDGER_H

#include <stdbool.h>

#include "harness/kernels/tensor.h"

enum op {
    OP_EMBED,
    OP_RMSNORM,
    OP_MATMUL, /* the layers' linear maps        */
    OP_HEAD,   /* the matmul that makes logits   */
    OP_ROPE,
    OP_KV_STORE,
    OP_ATTENTION,
    OP_SWIGLU,
    OP_ADD,
    OP_GATHER,
    OP_ROWSTAT,
    OP_GUIDE, /* logits with and without the prompt, put together */
    OP_COUNT
};

struct cost {
    int64_t flop_matmul;    /* a multiply-add is 2                                     */
    int64_t flop_attention; /* visible (query, key) pairs only                         */
    int64_t flop_vector;    /* everything else; never part of `flop`                   */
    int64_t flop_executed;  /* matmul + attention in whole tiles                       */
    int64_t bytes[ROLE_COUNT]; /* operands, each once per call, unpadded               */
    int64_t bytes_dram;     /* estimate: weights, K/V, operands too big for the cache  */
    int64_t bytes_dram_lo;  /* weights and K/V only                                    */
    int64_t bytes_dram_hi;  /* every operand, and what blocking reads again            */
};

/* Three ways to say how fast the machine could do it; see struct price. */
enum tier { TIER_DATASHEET, TIER_CEILINGS, TIER_TABLE, TIER_COUNT };

struct ledger_entry {
    int64_t calls;
    struct cost cost;
    double predicted_ns[TIER_COUNT]; /* sum over calls of the slower of compute and traffic */
    double memory_ns[TIER_COUNT];    /* the part of it in calls on their bandwidth side     */
    int64_t time_ns;                 /* measured per call; 0 unless kernels_trace is on     */
};

struct ledger {
    struct ledger_entry op[OP_COUNT];
    bool overflow; /* some count passed 2^63 - 1: no number here may be used */
};

void ledger_clear(struct ledger *l);
/* Add the cost of n_times identical calls. */
void ledger_add(struct ledger *l, enum op op, const struct cost *c, int64_t n_times,
                const double predicted_ns[TIER_COUNT], const double memory_ns[TIER_COUNT]);
void ledger_merge(struct ledger *into, const struct ledger *from);
/* Sum over operations; overflow is carried over. */
struct ledger_entry ledger_total(const struct ledger *l, bool *overflow);

int64_t cost_flop(const struct cost *c);         /* matmul + attention */
int64_t cost_bytes_kernel(const struct cost *c); /* all roles          */
const char *op_name(enum op op);                 /* "matmul"           */
const char *tier_name(enum tier t);              /* "ceilings"         */

#endif
