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

size_t weights_bytes(const struct kernels *k, const struct model_config *c, enum dtype dtype);

/* Allocate and fill from seed. */
enum err weights_create_seeded(struct kernels *k, const struct model_config *c, enum dtype dtype,
                               uint64_t seed, struct weights *out) MUST_CHECK;
void weights_free(struct kernels *k, struct weights *w);

#endif
