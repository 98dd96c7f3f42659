/* config_file.c - a shape read from config.json.
 *
 * What is not read is what no forward depends on.  A key that asks for arithmetic this
 * transformer does not do is refused, so that no model is run as something it is not. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"
#include "harness/model/config.h"

enum { MAX_CONFIG_BYTES = 1 << 24, MAX_SIZE = 1 << 20, MAX_VOCAB = 1 << 24 };

struct reader {
    const char *path;
    const cJSON *root;
};

/* Families, and how their config.json differs. */
struct family {
    const char *model_type;
    bool llada; /* names its keys as LLaDA's own code does */
    bool qkv_bias, qk_norm, head_shifted;
};
static const struct family families[] = {
    {"llama", false, false, false, false}, {"mistral", false, false, false, false},
    {"qwen2", false, true, false, false},  {"qwen3", false, false, true, false},
    {"sdar", false, false, true, false},   {"Dream", false, true, false, true},
    {"llada", true, false, false, false},
};
enum { N_FAMILIES = sizeof families / sizeof families[0] };

/* The value of a key; NULL where it is missing or null. */
static const cJSON *find(const struct reader *r, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->root, key);
    return cJSON_IsNull(v) ? NULL : v;
}

static enum err read_whole(const struct reader *r, const char *key, int32_t least, int32_t most,
                           int32_t *out)
{
    const cJSON *v = find(r, key);
    *out = 0;
    if (!v) return err_set(ERR_USAGE, "%s: key \"%s\" is missing", r->path, key);
    double d = cJSON_IsNumber(v) ? v->valuedouble : NAN;
    if (!(d >= least && d <= most && d == floor(d)))
        return err_set(ERR_USAGE, "%s: %s: expected a whole number from %d to %d", r->path, key,
                       least, most);
    *out = (int32_t)d;
    return ERR_NONE;
}

/* The same, but what `otherwise` says where the key is missing. */
static enum err read_whole_or(const struct reader *r, const char *key, int32_t least, int32_t most,
                              int32_t otherwise, int32_t *out)
{
    *out = otherwise;
    return find(r, key) ? read_whole(r, key, least, most, out) : ERR_NONE;
}

static enum err read_positive(const struct reader *r, const char *key, float *out)
{
    const cJSON *v = find(r, key);
    *out = 0;
    if (!cJSON_IsNumber(v) || !(v->valuedouble > 0 && v->valuedouble < 1e30))
        return err_set(ERR_USAGE, "%s: %s: expected a number above 0", r->path, key);
    *out = (float)v->valuedouble;
    return ERR_NONE;
}

/* One id, or a list of them; a model need not have any. */
static enum err read_eos(const struct reader *r, struct model_config *c)
{
    const cJSON *v = find(r, "eos_token_id");
    c->n_eos = 0;
    if (!v) return ERR_NONE;
    for (const cJSON *id = cJSON_IsArray(v) ? v->child : v; id;
         id = cJSON_IsArray(v) ? id->next : NULL) {
        double d = cJSON_IsNumber(id) ? id->valuedouble : -1;
        if (!(d >= 0 && d < c->n_vocab && d == (int32_t)d) || c->n_eos == MODEL_EOS_MAX)
            return err_set(ERR_USAGE,
                           "%s: eos_token_id: expected an id below %d, or a list of at most %d",
                           r->path, c->n_vocab, MODEL_EOS_MAX);
        c->eos[c->n_eos++] = (int32_t)d;
    }
    return ERR_NONE;
}

static enum err read_flag(const struct reader *r, const char *key, bool otherwise, bool *out)
{
    const cJSON *v = find(r, key);
    *out = v ? cJSON_IsTrue(v) : otherwise;
    if (v && !cJSON_IsBool(v))
        return err_set(ERR_USAGE, "%s: %s: expected true or false", r->path, key);
    return ERR_NONE;
}

/* Refuse a flag that is set: this transformer has no such part. */
static enum err refuse_flag(const struct reader *r, const char *key)
{
    bool set;
    TRY(read_flag(r, key, false, &set));
    if (!set) return ERR_NONE;
    return err_set(ERR_UNSUPPORTED, "%s: %s is true, which is not supported", r->path, key);
}

static enum err read_family(const struct reader *r, const struct family **out)
{
    const cJSON *v = find(r, "model_type");
    if (!cJSON_IsString(v))
        return err_set(ERR_USAGE, "%s: key \"model_type\" is missing, or not a word", r->path);
    for (int i = 0; i < N_FAMILIES; i++) {
        *out = &families[i];
        if (strcmp(families[i].model_type, v->valuestring) == 0) return ERR_NONE;
    }
    return err_set(ERR_UNSUPPORTED,
                   "%s: model_type \"%.40s\" is not supported; expected llama, mistral, qwen2, "
                   "qwen3, sdar, Dream or llada",
                   r->path, v->valuestring);
}

/* Rotations: rope_theta beside rope_scaling, or, since transformers 5, both in rope_parameters. */
static enum err read_rope(const struct reader *r, struct rope *out)
{
    const cJSON *parameters = find(r, "rope_parameters");
    struct reader in = {r->path, parameters ? parameters : r->root};
    const cJSON *scaling = parameters ? parameters : find(r, "rope_scaling");
    TRY(read_positive(&in, "rope_theta", &out->base));
    if (!scaling) return ERR_NONE;
    in.root = scaling;
    const cJSON *type = find(&in, "rope_type");
    if (!type) type = find(&in, "type");
    if (!type || (cJSON_IsString(type) && strcmp(type->valuestring, "default") == 0))
        return ERR_NONE;
    if (!cJSON_IsString(type) || strcmp(type->valuestring, "llama3") != 0)
        return err_set(ERR_UNSUPPORTED,
                       "%s: rope_type %.40s is not supported; expected default or "
                       "llama3",
                       r->path, cJSON_IsString(type) ? type->valuestring : "of this kind");
    float low, high;
    TRY(read_positive(&in, "factor", &out->factor));
    TRY(read_positive(&in, "low_freq_factor", &low));
    TRY(read_positive(&in, "high_freq_factor", &high));
    if (low != 1 || high != 4)
        return err_set(ERR_UNSUPPORTED,
                       "%s: low_freq_factor %g and high_freq_factor %g are not "
                       "supported; expected 1 and 4",
                       r->path, (double)low, (double)high);
    return read_whole(&in, "original_max_position_embeddings", 1, 1 << 30, &out->original);
}

/* What this transformer does not do. */
static enum err refuse_others(const struct reader *r)
{
    static const char *const act[] = {"hidden_act", "activation_type"};
    for (int i = 0; i < 2; i++) {
        const cJSON *v = find(r, act[i]);
        if (v && (!cJSON_IsString(v) || strcmp(v->valuestring, "silu") != 0))
            return err_set(ERR_UNSUPPORTED, "%s: %s: only silu is supported", r->path, act[i]);
    }
    static const char *const experts[] = {"num_experts", "num_local_experts", "n_routed_experts"};
    for (int i = 0; i < 3; i++)
        if (find(r, experts[i]))
            return err_set(ERR_UNSUPPORTED, "%s: %s: mixtures of experts are not supported",
                           r->path, experts[i]);
    static const char *const flags[] = {
        "attention_bias", "mlp_bias",         "use_sliding_window",
        "include_bias",   "include_qkv_bias", "attention_layer_norm",
        "input_emb_norm", "scale_logits",     "alibi"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) TRY(refuse_flag(r, flags[i]));
    /* Qwen's stands beside use_sliding_window; Mistral's is used wherever it is given. */
    const cJSON *window = find(r, "sliding_window");
    if (window && !find(r, "use_sliding_window"))
        return err_set(ERR_UNSUPPORTED, "%s: sliding_window: only full attention is supported",
                       r->path);
    return ERR_NONE;
}

/* Key names, Hugging Face's and LLaDA's. */
static enum err read_shape(const struct reader *r, const struct family *f, struct model_config *c)
{
    bool l = f->llada;
    TRY(read_whole(r, l ? "n_layers" : "num_hidden_layers", 1, 4096, &c->n_layer));
    TRY(read_whole(r, l ? "d_model" : "hidden_size", 1, MAX_SIZE, &c->d_model));
    TRY(read_whole(r, l ? "n_heads" : "num_attention_heads", 1, MAX_SIZE, &c->n_head));
    TRY(read_whole_or(r, l ? "n_kv_heads" : "num_key_value_heads", 1, MAX_SIZE, c->n_head,
                      &c->n_kv_head));
    TRY(read_whole_or(r, "head_dim", 2, 1024, c->d_model / c->n_head, &c->d_head));
    TRY(read_whole(r, l ? "mlp_hidden_size" : "intermediate_size", 1, MAX_SIZE, &c->d_ff));
    TRY(read_whole(r, l && find(r, "embedding_size") ? "embedding_size" : "vocab_size", 2,
                   MAX_VOCAB, &c->n_vocab));
    TRY(read_whole(r, l ? "max_sequence_length" : "max_position_embeddings", 1, 1 << 30,
                   &c->max_positions));
    TRY(read_whole_or(r, "mask_token_id", 0, c->n_vocab - 1, c->n_vocab - 1, &c->mask_id));
    TRY(read_eos(r, c));
    TRY(read_flag(r, l ? "weight_tying" : "tie_word_embeddings", false, &c->tied));
    TRY(read_positive(r, "rms_norm_eps", &c->norm_eps));
    if (c->n_head % c->n_kv_head != 0)
        return err_set(ERR_USAGE, "%s: %d query heads do not share %d key and value heads evenly",
                       r->path, c->n_head, c->n_kv_head);
    if (c->d_head % 2 != 0)
        return err_set(ERR_USAGE, "%s: heads of %d have no pairs to rotate", r->path, c->d_head);
    return read_rope(r, &c->rope);
}

static enum err read_root(const struct reader *r, struct model_config *out)
{
    const struct family *f;
    if (!cJSON_IsObject(r->root))
        return err_set(ERR_USAGE, "%s: not JSON; expected an object", r->path);
    TRY(read_family(r, &f));
    TRY(refuse_others(r));
    TRY(read_shape(r, f, out));
    out->qkv_bias = f->qkv_bias;
    out->qk_norm = f->qk_norm;
    out->head_shifted = f->head_shifted;
    out->n_ids = out->n_vocab;
    out->source = "config.json of the folder";
    return ERR_NONE;
}

bool model_is_folder(const char *name)
{
    return strchr(name, '/') != NULL;
}

enum err model_config_read(const char *folder, struct model_config *out)
{
    char path[MODEL_NAME_SIZE + 16], *text;
    size_t len;
    memset(out, 0, sizeof *out);
    if (strlen(folder) >= MODEL_NAME_SIZE)
        return err_set(ERR_USAGE, "model %.40s...: longer than %d characters", folder,
                       MODEL_NAME_SIZE - 1);
    snprintf(out->name, sizeof out->name, "%s", folder);
    snprintf(path, sizeof path, "%s/config.json", folder);
    TRY(file_read(path, MAX_CONFIG_BYTES, &text, &len));
    cJSON *root = cJSON_Parse(text);
    struct reader r = {path, root};
    enum err e = read_root(&r, out);
    cJSON_Delete(root);
    free(text);
    return e;
}
