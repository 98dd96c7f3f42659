/* backend.h - what a backend fills in.  Only this folder includes it.
 *
 * A backend may trust its operands: kernels.c has checked every shape.  All
 * entries are required unless said otherwise.  To add an operation: declare it in kernels.h, give
 * it a formula in cost.h and a check in kernels.c, add its pointer here, write it in cpu/, cuda/
 * and null/, and list its cases in tests/kernel_cases.h. */
#ifndef KERNELS_BACKEND_H
#define KERNELS_BACKEND_H

#include "harness/kernels/kernels.h"

struct backend_info { /* filled by open */
    int32_t n_threads;
    const char *variant;     /* instruction set, chip; static storage */
    const char *description; /* of the device; NULL: none; as long as the state */
    enum dtype activation_dtype;
    struct traffic_model traffic;
};

struct backend_ops {
    const char *name;
    const char *disabled;        /* NULL, or why this build cannot open it */
    enum err (*available)(void); /* NULL, or whether this machine can: else ERR_UNSUPPORTED */
    bool computes;

    enum err (*open)(const struct kernels_config *c, void **state, struct backend_info *info);
    void (*close)(void *state);
    enum err (*sync)(void *state);
    enum err (*set_mode)(void *state, const struct kernels_mode *mode); /* NULL: the zero one */
    struct kernels_graphs (*graphs)(const void *state);                 /* NULL: none         */
    enum err (*timer_begin)(void *state);                        /* NULL: no clock of its own */
    enum err (*timer_end)(void *state, int64_t *device_ns);      /* with timer_begin          */
    enum err (*memory)(void *state, struct kernels_memory *out); /* NULL: nobody says    */
    struct kernels_extra (*extra)(const void *state, const struct kernels_mode *mode,
                                  const struct kernels_extent *x); /* NULL: little */
    enum err (*alloc)(void *state, size_t n, void **out);
    void (*free)(void *state, void *p, size_t n);
    enum err (*upload)(void *state, struct tensor dst, const void *host);
    enum err (*download)(void *state, void *host, struct tensor src);
    /* Set layout and row_stride of a cache's keys and values; NULL: rows. */
    void (*lay_out_cache)(struct tensor *keys, struct tensor *values);
    size_t (*packed_bytes)(const void *state, int64_t rows, int64_t cols, enum dtype dtype);
    enum err (*load_weight)(void *state, struct tensor w, weight_row_fn *row, void *ctx);
    /* The tiles of the kernel that such a call would run; false: nobody knows it.  NULL: never. */
    bool (*matmul_tile)(const void *state, struct tensor y, struct tensor x, struct tensor w,
                        struct matmul_tile *out);
    bool (*attention_tile)(const void *state, struct tensor out, struct tensor q,
                           struct tensor k_cache, struct tensor v_cache, const struct span *spans,
                           int32_t n_spans, struct attention_tile *tile);

    /* one pointer per kn_ call, same operands, same order */
    enum err (*embed)(void *state, struct tensor out, struct tensor table, const int32_t *ids);
    enum err (*rmsnorm)(void *state, struct tensor out, struct tensor x, struct tensor gain,
                        float eps);
    enum err (*matmul)(void *state, struct tensor y, struct tensor x, struct tensor w,
                       struct tensor bias);
    enum err (*rope)(void *state, struct tensor x, const int32_t *pos, const struct rope *r);
    enum err (*kv_store)(void *state, struct tensor k_cache, struct tensor v_cache,
                         struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                         int32_t n_spans);
    enum err (*attention)(void *state, struct tensor out, struct tensor q, struct tensor k_cache,
                          struct tensor v_cache, const struct span *spans, int32_t n_spans);
    enum err (*swiglu)(void *state, struct tensor out, struct tensor gate_up);
    enum err (*add)(void *state, struct tensor x, struct tensor y);
    enum err (*gather)(void *state, struct tensor out, struct tensor x, const int32_t *index);
    enum err (*guide)(void *state, struct tensor z, struct tensor u, float scale);
    enum err (*rowstat)(void *state, struct row_stat *stats, struct tensor logits,
                        const struct row_key *keys, const struct choice_rule *rule);
};

extern const struct backend_ops backend_cpu;
extern const struct backend_ops backend_null; /* counts, computes nothing */
extern const struct backend_ops backend_cuda; /* cuda_backend.c or cuda_stub.c */

#endif
