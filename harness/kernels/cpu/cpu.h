/* cpu.h - inside the CPU backend: its state, and the operations one file each.
 *
 * Every output element is summed in an order that depends on its own operands
 * alone, never on the number of rows, threads or neighbours in the call; so
 * results are bitwise equal for any batch and any team.  Work is shared out by
 * whole elements, or in pieces of a fixed size combined in a fixed order. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "harness/base/cpuinfo.h"
#include "harness/base/team.h"
#include "harness/kernels/backend.h"
#include "harness/kernels/cpu/cpu_attention.h"
#include "harness/kernels/cpu/cpu_rows.h"
#include "harness/kernels/cpu/cpu_tiles.h"

/* Steps of k of a block of w: with the 4 panels of AVX-512 as f32, a quarter of a 1 MiB L2. */
enum { MATMUL_BLOCK_K = 512 };
_Static_assert(MATMUL_BLOCK_K % INT8_GROUP == 0, "a block of w begins with scales");

/* What one instruction set offers. */
struct cpu_isa {
    const struct cpu_rows *rows;
    const struct cpu_tiles *tiles;
    const struct cpu_attention *attention;
    const struct cpu_tiles *pairs; /* multiply bf16 weights by activations rounded to bf16; NULL:
                                      those are widened to meet f32 */
    const struct cpu_tiles *quads; /* the same of int8 by int8 (cpu_tiles_quads.h) */
};

/* Buffers that operations need beside their operands.  They grow to twice what is asked when
 * an operation meets its largest shape, which a warm-up forward does outside any timing. */
enum scratch {
    SCRATCH_X,       /* matmul: rows of x in tile order                    */
    SCRATCH_MEMBERS, /* matmul, attention, load: private to each member    */
    SCRATCH_PARTS,   /* attention, rowstat: pieces still to be combined    */
    SCRATCH_ROWS,    /* attention: work items; matmul: which are begun     */
    SCRATCH_ROPE,    /* rope: cosines and sines, kept between calls        */
    SCRATCH_COUNT
};

struct buffer {
    void *data; /* owned; mem_map */
    size_t bytes;
};

struct cpu {
    struct team *team;
    struct cpu_isa isa;
    char description[160];
    struct buffer scratch[SCRATCH_COUNT];
    struct rope rope;    /* what the table in SCRATCH_ROPE is for */
    int64_t rope_half;   /* ... pairs per head                    */
    int64_t rope_length; /* ... positions it holds                */
};

/* At least n bytes, contents undefined. */
enum err cpu_scratch(struct cpu *c, enum scratch which, size_t n, void **out) MUST_CHECK;

/* Run fn on the team, or on the caller alone when waking the team would take longer than
 * moving `bytes` bytes. */
void cpu_run(struct cpu *c, int64_t bytes, team_fn *fn, void *arg);

static inline int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Element i of a bf16 or f32 array. */
float cpu_element(const void *p, enum dtype dtype, int64_t i);

/* The steps of a packed weight's panels, and what one holds of a column. */
struct panels {
    int64_t k;
    enum dtype dtype; /* f32 also for pairs of bf16 */
    bool pairs, quads;
};
struct panels panels_of(const struct cpu *c, int64_t k, enum dtype dtype);

/* Bytes of k steps of a panel; k counts from the panel's begin or from a group's. */
static inline int64_t panel_bytes(enum dtype dtype, int64_t k)
{
    return PANEL * dtype_row_bytes(dtype, k);
}

/* Where column c of a panel stands among its 32. */
static inline int64_t panel_place(enum dtype dtype, int64_t c)
{
    if (dtype != DTYPE_BF16) return c;
    return c < PANEL / 2 ? 2 * c : 2 * (c - PANEL / 2) + 1;
}

size_t cpu_packed_bytes(const void *state, int64_t rows, int64_t cols, enum dtype dtype);
enum err cpu_load_weight(void *state, struct tensor w, weight_row_fn *row, void *ctx);
/* out[k] = row `row` of a packed weight. */
void cpu_unpack_row(const struct cpu *c, float *out, struct tensor w, int64_t row);

enum err cpu_embed(void *state, struct tensor out, struct tensor table, const int32_t *ids);
enum err cpu_gather(void *state, struct tensor out, struct tensor x, const int32_t *index);
enum err cpu_rmsnorm(void *state, struct tensor out, struct tensor x, struct tensor gain,
                     float eps);
enum err cpu_matmul(void *state, struct tensor y, struct tensor x, struct tensor w,
                    struct tensor bias);
enum err cpu_rope(void *state, struct tensor x, const int32_t *pos, const struct rope *r);
void cpu_lay_out_cache(struct tensor *keys, struct tensor *values);
/* Between a cache and host[slots, hk, cap, d]. */
void cpu_copy_cache(struct tensor cache, char *host, bool to_host);
enum err cpu_kv_store(void *state, struct tensor k_cache, struct tensor v_cache,
                      struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                      int32_t n_spans);
enum err cpu_attention(void *state, struct tensor out, struct tensor q, struct tensor k_cache,
                       struct tensor v_cache, const struct span *spans, int32_t n_spans);
enum err cpu_swiglu(void *state, struct tensor out, struct tensor gate_up);
enum err cpu_add(void *state, struct tensor x, struct tensor y);
enum err cpu_guide(void *state, struct tensor z, struct tensor u, float scale) MUST_CHECK;
/* The floor of the rule's nucleus in x[n]; weight[n]: scratch. */
float cpu_nucleus(const struct cpu_rows *rows, const float *x, int64_t n,
                  const struct choice_rule *rule, float *weight);
enum err cpu_rowstat(void *state, struct row_stat *stats, struct tensor logits,
                     const struct row_key *keys, const struct choice_rule *rule);

#endif
