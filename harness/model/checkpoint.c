/* checkpoint.c - weights of a trained model, found by name in safetensors files. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/hash.h"
#include "harness/model/model.h"
#include "harness/model/safetensors.h"
#include "harness/model/weights.h"

/* Names of the parts: Hugging Face's (Llama, Qwen, Dream, SDAR), and LLaDA's. */
static const struct family {
    const char *layers;           /* what comes before a layer's number */
    const char *name[PART_COUNT]; /* of a layer's parts: what follows it */
} families[] = {
    {"model.layers.",
     {[PART_ATTN_NORM] = "input_layernorm.weight",
     [PART_Q] = "self_attn.q_proj.weight",
     [PART_K] = "self_attn.k_proj.weight",
     [PART_V] = "self_attn.v_proj.weight",
     [PART_Q_BIAS] = "self_attn.q_proj.bias",
     [PART_K_BIAS] = "self_attn.k_proj.bias",
     [PART_V_BIAS] = "self_attn.v_proj.bias",
     [PART_Q_NORM] = "self_attn.q_norm.weight",
     [PART_K_NORM] = "self_attn.k_norm.weight",
     [PART_O] = "self_attn.o_proj.weight",
     [PART_MLP_NORM] = "post_attention_layernorm.weight",
     [PART_GATE] = "mlp.gate_proj.weight",
     [PART_UP] = "mlp.up_proj.weight",
     [PART_DOWN] = "mlp.down_proj.weight",
     [PART_FINAL_NORM] = "model.norm.weight",
     [PART_HEAD] = "lm_head.weight",
     [PART_EMBEDDING] = "model.embed_tokens.weight"}},
    {"model.transformer.blocks.",
     {[PART_ATTN_NORM] = "attn_norm.weight",
     [PART_Q] = "q_proj.weight",
     [PART_K] = "k_proj.weight",
     [PART_V] = "v_proj.weight",
     [PART_O] = "attn_out.weight",
     [PART_MLP_NORM] = "ff_norm.weight",
     [PART_GATE] = "ff_proj.weight",
     [PART_UP] = "up_proj.weight",
     [PART_DOWN] = "ff_out.weight",
     [PART_FINAL_NORM] = "model.transformer.ln_f.weight",
     [PART_HEAD] = "model.transformer.ff_out.weight",
     [PART_EMBEDDING] = "model.transformer.wte.weight"}},
};

enum { N_FAMILIES = sizeof families / sizeof families[0] };

struct checkpoint {
    struct safetensors *files;
    const struct stored_tensor *tensor[]; /* [n_layer][PART_COUNT], the model's own with layer 0;
                                             NULL: the model has no such part */
};

/* [rows, cols] of a part; vectors have 0 rows.  False: the model has no such part. */
static bool shape_of(const struct model_config *c, enum weight_part p, int64_t *rows, int64_t *cols)
{
    int64_t q = (int64_t)c->n_head * c->d_head, kv = (int64_t)c->n_kv_head * c->d_head;
    bool has = true;
    *rows = 0;
    *cols = c->d_model;
    switch (p) {
    case PART_Q: *rows = q; break;
    case PART_K:
    case PART_V: *rows = kv; break;
    case PART_O:
        *rows = c->d_model;
        *cols = q;
        break;
    case PART_GATE:
    case PART_UP: *rows = c->d_ff; break;
    case PART_DOWN:
        *rows = c->d_model;
        *cols = c->d_ff;
        break;
    case PART_EMBEDDING:
    case PART_HEAD: *rows = c->n_vocab; break;
    case PART_Q_BIAS:
        *cols = q;
        has = c->qkv_bias;
        break;
    case PART_K_BIAS:
    case PART_V_BIAS:
        *cols = kv;
        has = c->qkv_bias;
        break;
    case PART_Q_NORM:
    case PART_K_NORM:
        *cols = c->d_head;
        has = c->qk_norm;
        break;
    default: break; /* gains of d_model */
    }
    return has;
}

static bool is_of_model(enum weight_part p)
{
    return p == PART_FINAL_NORM || p == PART_HEAD || p == PART_EMBEDDING;
}

static enum err check_shape(const struct model_config *m, const struct stored_tensor *t,
                            int64_t rows, int64_t cols)
{
    char want[64];
    bool fits = rows ? t->n_dims == 2 && t->dim[0] == rows && t->dim[1] == cols
                     : t->n_dims == 1 && t->dim[0] == cols;
    if (rows)
        snprintf(want, sizeof want, "[%" PRId64 ", %" PRId64 "]", rows, cols);
    else
        snprintf(want, sizeof want, "[%" PRId64 "]", cols);
    if (!fits)
        return err_set(ERR_USAGE, "%s: tensor %s is not the %s that config.json says", m->name,
                       t->name, want);
    if (t->dtype == STORED_OTHER)
        return err_set(ERR_UNSUPPORTED, "%s: tensor %s is stored as neither F32, F16 nor BF16",
                       m->name, t->name);
    return ERR_NONE;
}

static enum err find_part(const struct checkpoint *c, const struct model_config *m,
                          const struct family *f, int32_t layer, enum weight_part p,
                          const struct stored_tensor **out)
{
    char name[120];
    int64_t rows, cols;
    *out = NULL;
    if (!shape_of(m, p, &rows, &cols)) return ERR_NONE;
    /* A tied head is stored as the embedding. */
    const char *last = f->name[m->tied && p == PART_HEAD ? PART_EMBEDDING : p];
    if (!last) return err_set(ERR_UNSUPPORTED, "%s: LLaDA's layers have no such parts", m->name);
    if (is_of_model(p))
        snprintf(name, sizeof name, "%s", last);
    else
        snprintf(name, sizeof name, "%s%d.%s", f->layers, layer, last);
    *out = safetensors_find(c->files, name);
    if (!*out) return err_set(ERR_USAGE, "%s: tensor %s is missing", m->name, name);
    return check_shape(m, *out, rows, cols);
}

static enum err find_all(struct checkpoint *c, const struct model_config *m)
{
    const struct family *f = NULL;
    for (int i = 0; i < N_FAMILIES && !f; i++)
        if (safetensors_find(c->files, families[i].name[PART_EMBEDDING])) f = &families[i];
    if (!f)
        return err_set(ERR_UNSUPPORTED, "%s: expected a tensor %s or %s", m->name,
                       families[0].name[PART_EMBEDDING], families[1].name[PART_EMBEDDING]);
    for (int32_t i = 0; i < m->n_layer; i++)
        for (int p = 0; p < PART_COUNT; p++)
            if (i == 0 || !is_of_model(p))
                TRY(find_part(c, m, f, i, p, &c->tensor[i * PART_COUNT + p]));
    return ERR_NONE;
}

static void stored_values(const void *ctx, const struct weight_row *w, int64_t begin, int64_t n,
                          float *out)
{
    const struct checkpoint *c = ctx;
    stored_read(c->tensor[w->layer * PART_COUNT + w->part], w->row * w->n_cols + begin, n, out);
}

static void checkpoint_close(struct checkpoint *c)
{
    safetensors_close(c->files);
    free(c);
}

enum err weights_create_checkpoint(struct kernels *k, const struct model_config *m,
                                   enum dtype dtype, struct weights *out)
{
    memset(out, 0, sizeof *out);
    size_t n = (size_t)m->n_layer * PART_COUNT;
    struct checkpoint *c = calloc(1, sizeof *c + n * sizeof c->tensor[0]);
    if (!c) return err_set(ERR_NOMEM, "%s: out of memory", m->name);
    enum err e = safetensors_open(m->name, &c->files);
    if (e == ERR_NONE) e = find_all(c, m);
    struct weight_source from = {.values = stored_values, .ctx = c};
    if (e == ERR_NONE) e = weights_create(k, m, dtype, &from, out);
    checkpoint_close(c);
    return e;
}

enum err model_fingerprint(const char *folder, bool weights, char out[65])
{
    char path[MODEL_NAME_SIZE + 16], both[2 * (SHA256_HEX_SIZE - 1) + 1] = "";
    struct safetensors *files;
    snprintf(path, sizeof path, "%s/config.json", folder);
    TRY(sha256_file_hex(path, both));
    if (weights) {
        TRY(safetensors_open(folder, &files));
        enum err e = safetensors_fingerprint(files, both + SHA256_HEX_SIZE - 1);
        safetensors_close(files);
        if (e != ERR_NONE) return err_trace(e, __FILE__, __LINE__);
    }
    sha256_hex(both, strlen(both), out);
    return ERR_NONE;
}
