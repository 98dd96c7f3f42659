/* ledger.c - sums of costs, with overflow noticed rather than wrapped. */
#include "harness/kernels/ledger.h"

#include <string.h>

const char *op_name(enum op op)
{
    static const char *const name[OP_COUNT] = {
        "embed",     "rmsnorm", "matmul", "head",   "rope",    "kv_store",
        "attention", "swiglu",  "add",    "gather", "rowstat", "guide",
    };
    return name[op];
}

const char *tier_name(enum tier t)
{
    static const char *const name[TIER_COUNT] = {"datasheet", "ceilings", "table"};
    return name[t];
}

void ledger_clear(struct ledger *l)
{
    memset(l, 0, sizeof *l);
}

/* *sum += x * n; true when it does not fit.  Nothing is added then. */
static inline bool add_times(int64_t *sum, int64_t x, int64_t n)
{
    int64_t product;
    return __builtin_mul_overflow(x, n, &product) || __builtin_add_overflow(*sum, product, sum);
}

static bool cost_add_times(struct cost *sum, const struct cost *c, int64_t n)
{
    bool over = add_times(&sum->flop_matmul, c->flop_matmul, n);
    over |= add_times(&sum->flop_attention, c->flop_attention, n);
    over |= add_times(&sum->flop_vector, c->flop_vector, n);
    over |= add_times(&sum->flop_executed, c->flop_executed, n);
    for (int r = 0; r < ROLE_COUNT; r++) over |= add_times(&sum->bytes[r], c->bytes[r], n);
    over |= add_times(&sum->bytes_dram, c->bytes_dram, n);
    over |= add_times(&sum->bytes_dram_lo, c->bytes_dram_lo, n);
    over |= add_times(&sum->bytes_dram_hi, c->bytes_dram_hi, n);
    return over;
}

void ledger_add(struct ledger *l, enum op op, const struct cost *c, int64_t n_times,
                const double predicted_ns[TIER_COUNT], const double memory_ns[TIER_COUNT])
{
    struct ledger_entry *e = &l->op[op];
    l->overflow |= add_times(&e->calls, 1, n_times);
    l->overflow |= cost_add_times(&e->cost, c, n_times);
    for (int t = 0; t < TIER_COUNT; t++) {
        e->predicted_ns[t] += predicted_ns[t] * (double)n_times;
        e->memory_ns[t] += memory_ns[t] * (double)n_times;
    }
}

static bool entry_merge(struct ledger_entry *into, const struct ledger_entry *from)
{
    bool over = add_times(&into->calls, from->calls, 1);
    over |= cost_add_times(&into->cost, &from->cost, 1);
    over |= add_times(&into->time_ns, from->time_ns, 1);
    for (int t = 0; t < TIER_COUNT; t++) {
        into->predicted_ns[t] += from->predicted_ns[t];
        into->memory_ns[t] += from->memory_ns[t];
    }
    return over;
}

void ledger_merge(struct ledger *into, const struct ledger *from)
{
    into->overflow |= from->overflow;
    for (int op = 0; op < OP_COUNT; op++) {
        if (from->op[op].calls == 0) continue;
        into->overflow |= entry_merge(&into->op[op], &from->op[op]);
    }
}

struct ledger_entry ledger_total(const struct ledger *l, bool *overflow)
{
    struct ledger_entry total = {0};
    bool over = l->overflow;
    for (int op = 0; op < OP_COUNT; op++)
        if (l->op[op].calls) over |= entry_merge(&total, &l->op[op]);
    /* The derived sums are read without a check, so they have to fit too. */
    int64_t sum = 0;
    over |=
        add_times(&sum, total.cost.flop_matmul, 1) | add_times(&sum, total.cost.flop_attention, 1);
    sum = 0;
    for (int r = 0; r < ROLE_COUNT; r++) over |= add_times(&sum, total.cost.bytes[r], 1);
    *overflow = over;
    return total;
}

int64_t cost_flop(const struct cost *c)
{
    return c->flop_matmul + c->flop_attention;
}

int64_t cost_bytes_kernel(const struct cost *c)
{
    int64_t sum = 0;
    for (int r = 0; r < ROLE_COUNT; r++) sum += c->bytes[r];
    return sum;
}
