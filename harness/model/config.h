/* config.h - the shape of a transformer, and the shapes papers talk about. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/kernels/kernels.h"

enum { MODEL_NAME_SIZE = 200, MODEL_EOS_MAX = 8 };

struct model_config {
    char name[MODEL_NAME_SIZE]; /* "llama3-8b", or a folder: "./my-model"                  */
    const char *source;    /* where the numbers come from; static storage             */
    int32_t n_layer;
    int32_t d_model;
    int32_t n_head, n_kv_head, d_head;
    int32_t d_ff;          /* SwiGLU: three matrices of d_model x d_ff                */
    int32_t n_vocab;       /* rows of embedding and head                              */
    int32_t n_ids;         /* ids from here on name no token and are never chosen     */
    int32_t eos[MODEL_EOS_MAX], n_eos; /* any of these ids ends a sequence; a folder's only  */
    int32_t mask_id;       /* never chosen; the last vocabulary row where a preset has none */
    int32_t max_positions; /* longest sequence the model was made for                 */
    bool tied;             /* head and embedding are one tensor                       */
    bool qkv_bias;
    bool qk_norm;          /* RMSNorm of each query and key head before rotation      */
    bool head_shifted;     /* a row predicts the next position's token (AR-adapted)   */
    struct rope rope;
    float norm_eps;
};

/* A preset by name; ERR_USAGE names the nearest one. n_layers 0: all. */
enum err model_preset(const char *name, int32_t n_layers, struct model_config *out) MUST_CHECK;

/* Whether a model's name is a folder's: it has a slash. */
bool model_is_folder(const char *name);
/* The shape in the folder's config.json, as Hugging Face's transformers writes it: Llama, Mistral,
 * Qwen2, Qwen3, Dream, SDAR and LLaDA.  ERR_USAGE names the file and the key that is missing or asks
 * for what this transformer does not have (experts, sliding windows, other rotations). */
enum err model_config_read(const char *folder, struct model_config *out) MUST_CHECK;
/* A preset, or a folder. */
enum err model_named(const char *name, int32_t n_layers, struct model_config *out) MUST_CHECK;

/* Presets in order; NULL past the last. */
const struct model_config *model_preset_at(int32_t i);

/* Parameters in the layers' linear maps, all layers: n (2 D h d + 2 D hk d + 3 D F). */
int64_t model_linear_params(const struct model_config *c);
/* V D. */
int64_t model_head_params(const struct model_config *c);
/* Norm gains and biases: vectors read by every forward. */
int64_t model_vector_params(const struct model_config *c);
/* All parameters, a tied head once. */
int64_t model_params(const struct model_config *c);
/* Bytes of K and V one position occupies, all layers. */
int64_t model_kv_bytes_per_position(const struct model_config *c, enum dtype kv);
/* FLOPs of one visible (query, key) pair, all layers: 4 h d n. */
int64_t model_pair_flop(const struct model_config *c);

#endif
