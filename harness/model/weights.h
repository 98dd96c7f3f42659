/* weights.h - the parameters of a model on its backend.
 *
 * Matrices that share their input are stored as one: rows of wqkv are the query,
 * key and value heads in that order, rows of w_gate_up the gate and then the up
 * projection.  Seeded values depend on the logical matrix only, never on this.
 *
 * int8 storage is of what a matmul reads, the layers' matrices and the head; gains, biases and
 * an embedding of its own stay bf16. */
#ifndef MODEL_WEIGHTS_H
#define MODEL_WEIGHTS_H

#include "harness/model/config.h"

struct layer_weights {
    struct tensor attn_norm;      /* [D]                       */
    struct tensor wqkv, qkv_bias; /* [(h + 2 hk) d, D], [...]  */
    struct tensor q_norm, k_norm; /* [d], or absent            */
    struct tensor wo;             /* [D, h d]                  */
    struct tensor mlp_norm;       /* [D]                       */
    struct tensor w_gate_up;      /* [2 F, D]                  */
    struct tensor w_down;         /* [D, F]                    */
};

struct weights {
    struct tensor embedding; /* [V, D]; the head itself when tied */
    struct tensor head;      /* [V, D]                            */
    struct tensor final_norm;
    struct layer_weights *layer; /* owned; as many as are stored  */
    int32_t n_layers_stored;     /* 1 on a backend that only counts */
    void *base;                  /* owned device memory           */
    size_t n_bytes;
};

/* A logical tensor, as checkpoints have them; the model's own three come after a layer's. */
enum weight_part {
    PART_ATTN_NORM,
    PART_Q,
    PART_K,
    PART_V,
    PART_Q_BIAS,
    PART_K_BIAS,
    PART_V_BIAS,
    PART_Q_NORM,
    PART_K_NORM,
    PART_O,
    PART_MLP_NORM,
    PART_GATE,
    PART_UP,
    PART_DOWN,
    PART_FINAL_NORM,
    PART_HEAD,
    PART_EMBEDDING,
    PART_COUNT
};
enum weight_kind { WEIGHT_MATRIX, WEIGHT_BIAS, WEIGHT_GAIN };

/* A row of one: row `row` of its n_cols columns; vectors are row 0. */
struct weight_row {
    enum weight_part part;
    enum weight_kind kind;
    int32_t layer; /* 0 for the model's own */
    int64_t row, n_cols;
};

/* Where values come from: columns begin .. begin + n - 1 of a row, begin a multiple of 4.
 * Called from several threads at once. */
struct weight_source {
    void (*values)(const void *ctx, const struct weight_row *row, int64_t begin, int64_t n,
                   float *out);
    const void *ctx;
};

size_t weights_bytes(const struct kernels *k, const struct model_config *c, enum dtype dtype);

/* Allocate and fill. */
enum err weights_create(struct kernels *k, const struct model_config *c, enum dtype dtype,
                        const struct weight_source *from, struct weights *out) MUST_CHECK;
enum err weights_create_seeded(struct kernels *k, const struct model_config *c, enum dtype dtype,
                               uint64_t seed, struct weights *out) MUST_CHECK;
/* The same from the safetensors files of the folder that c->name names. */
enum err weights_create_checkpoint(struct kernels *k, const struct model_config *c,
                                   enum dtype dtype, struct weights *out) MUST_CHECK;
void weights_free(struct kernels *k, struct weights *w);

#endif
