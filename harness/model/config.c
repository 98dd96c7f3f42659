/* config.c - presets, each with where its numbers come from, and their sizes. */
#include "harness/model/config.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/suggest.h"

/* Llama-style blocks throughout: RMSNorm, rotary positions, grouped-query attention, SwiGLU. */
static const struct model_config presets[] = {
    {.name = "llama3-8b",
     .source = "Meta-Llama-3-8B config.json",
     .n_layer = 32, .d_model = 4096, .n_head = 32, .n_kv_head = 8, .d_head = 128, .d_ff = 14336,
     .n_vocab = 128256, .n_ids = 128256, .mask_id = 128255, .max_positions = 8192,
     .rope = {.base = 500000}, .norm_eps = 1e-5f},
    {.name = "llada-8b",
     .source = "GSAI-ML/LLaDA-8B-Base config.json; mask <|mdm_mask|> 126336",
     .n_layer = 32, .d_model = 4096, .n_head = 32, .n_kv_head = 32, .d_head = 128, .d_ff = 12288,
     .n_vocab = 126464, .n_ids = 126349, .mask_id = 126336, .max_positions = 4096,
     .rope = {.base = 500000}, .norm_eps = 1e-5f},
    {.name = "qwen2.5-7b",
     .source = "Qwen/Qwen2.5-7B config.json",
     .n_layer = 28, .d_model = 3584, .n_head = 28, .n_kv_head = 4, .d_head = 128, .d_ff = 18944,
     .n_vocab = 152064, .n_ids = 151665, .mask_id = 152063, .max_positions = 131072,
     .qkv_bias = true, .rope = {.base = 1000000}, .norm_eps = 1e-6f},
    {.name = "dream-7b",
     .source = "Dream-org/Dream-v0-Instruct-7B config.json; mask <|mask|> 151666, shifted head",
     .n_layer = 28, .d_model = 3584, .n_head = 28, .n_kv_head = 4, .d_head = 128, .d_ff = 18944,
     .n_vocab = 152064, .n_ids = 151667, .mask_id = 151666, .max_positions = 131072,
     .qkv_bias = true, .head_shifted = true, .rope = {.base = 1000000}, .norm_eps = 1e-6f},
    {.name = "sdar-8b",
     .source = "JetLM/SDAR-8B-Chat config.json (Qwen3 shape); mask 151669",
     .n_layer = 36, .d_model = 4096, .n_head = 32, .n_kv_head = 8, .d_head = 128, .d_ff = 12288,
     .n_vocab = 151936, .n_ids = 151670, .mask_id = 151669, .max_positions = 32768,
     .qk_norm = true, .rope = {.base = 1000000}, .norm_eps = 1e-6f},
    {.name = "qwen2.5-0.5b",
     .source = "Qwen/Qwen2.5-0.5B config.json",
     .n_layer = 24, .d_model = 896, .n_head = 14, .n_kv_head = 2, .d_head = 64, .d_ff = 4864,
     .n_vocab = 151936, .n_ids = 151665, .mask_id = 151935, .max_positions = 32768,
     .tied = true, .qkv_bias = true, .rope = {.base = 1000000}, .norm_eps = 1e-6f},
    {.name = "tinyllama-1.1b",
     .source = "TinyLlama/TinyLlama-1.1B-Chat-v1.0 config.json",
     .n_layer = 22, .d_model = 2048, .n_head = 32, .n_kv_head = 4, .d_head = 64, .d_ff = 5632,
     .n_vocab = 32000, .n_ids = 32000, .mask_id = 31999, .max_positions = 2048,
     .rope = {.base = 10000}, .norm_eps = 1e-5f},
    {.name = "mdlm-110m-like",
     .source = "the DiT of MDLM and BD3-LM small (12 layers, 768 wide) as a Llama-style block with "
               "the same matmul parameters: SwiGLU of 2048 for a two-matrix MLP of 3072; "
               "vocabulary of bert-base-uncased",
     .n_layer = 12, .d_model = 768, .n_head = 12, .n_kv_head = 12, .d_head = 64, .d_ff = 2048,
     .n_vocab = 30522, .n_ids = 30522, .mask_id = 103, .max_positions = 1024,
     .rope = {.base = 10000}, .norm_eps = 1e-5f},
    {.name = "tiny-25m",
     .source = "made for demonstrations: 25 M parameters",
     .n_layer = 8, .d_model = 448, .n_head = 7, .n_kv_head = 1, .d_head = 64, .d_ff = 1280,
     .n_vocab = 16384, .n_ids = 16383, .mask_id = 16383, .max_positions = 4096,
     .tied = true, .rope = {.base = 10000}, .norm_eps = 1e-5f},
    {.name = "tiny-test",
     .source = "made for tests: every option on, nothing a multiple of a tile",
     .n_layer = 3, .d_model = 72, .n_head = 6, .n_kv_head = 2, .d_head = 12, .d_ff = 100,
     .n_vocab = 211, .n_ids = 205, .mask_id = 204, .max_positions = 512,
     .qkv_bias = true, .qk_norm = true, .rope = {.base = 10000}, .norm_eps = 1e-5f},
    {.name = "tiny-deep",
     .source = "made for tests: a thousand operations of next to no bytes and arithmetic",
     .n_layer = 128, .d_model = 16, .n_head = 1, .n_kv_head = 1, .d_head = 16, .d_ff = 16,
     .n_vocab = 64, .n_ids = 63, .mask_id = 63, .max_positions = 512,
     .rope = {.base = 10000}, .norm_eps = 1e-5f},
};
enum { N_PRESETS = sizeof presets / sizeof presets[0] };

const struct model_config *model_preset_at(int32_t i)
{
    return i >= 0 && i < N_PRESETS ? &presets[i] : NULL;
}

static enum err keep_layers(struct model_config *c, int32_t n_layers)
{
    if (n_layers < 0 || n_layers > c->n_layer)
        return err_set(ERR_USAGE, "%s has %d layers; %d were asked for", c->name, c->n_layer,
                       n_layers);
    if (n_layers) c->n_layer = n_layers;
    return ERR_NONE;
}

enum err model_preset(const char *name, int32_t n_layers, struct model_config *out)
{
    const char *names[N_PRESETS + 1] = {NULL};
    for (int32_t i = 0; i < N_PRESETS; i++) {
        names[i] = presets[i].name;
        if (strcmp(presets[i].name, name) != 0) continue;
        *out = presets[i];
        return keep_layers(out, n_layers);
    }
    char near[SUGGEST_SIZE];
    if (access(name, F_OK) == 0)
        return err_set(ERR_USAGE, "no model \"%s\"; the folder of that name is ./%s", name, name);
    return err_set(ERR_USAGE, "no model \"%s\"%s (regime list models)", name,
                   suggest_phrase(name, names, near));
}

enum err model_named(const char *name, int32_t n_layers, struct model_config *out)
{
    if (!model_is_folder(name)) return model_preset(name, n_layers, out);
    TRY(model_config_read(name, out));
    return keep_layers(out, n_layers);
}

int64_t model_linear_params(const struct model_config *c)
{
    int64_t d = c->d_model, q = (int64_t)c->n_head * c->d_head;
    int64_t kv = (int64_t)c->n_kv_head * c->d_head;
    return c->n_layer * (2 * d * q + 2 * d * kv + 3 * d * c->d_ff);
}

int64_t model_head_params(const struct model_config *c)
{
    return (int64_t)c->n_vocab * c->d_model;
}

int64_t model_vector_params(const struct model_config *c)
{
    int64_t per_layer = 2 * c->d_model;
    if (c->qkv_bias) per_layer += (int64_t)(c->n_head + 2 * c->n_kv_head) * c->d_head;
    if (c->qk_norm) per_layer += 2 * c->d_head;
    return c->n_layer * per_layer + c->d_model;
}

int64_t model_params(const struct model_config *c)
{
    return model_linear_params(c) + model_vector_params(c) +
           model_head_params(c) * (c->tied ? 1 : 2);
}

int64_t model_kv_bytes_per_position(const struct model_config *c, enum dtype kv)
{
    return (int64_t)2 * c->n_kv_head * c->d_head * c->n_layer * dtype_bytes(kv);
}

int64_t model_pair_flop(const struct model_config *c)
{
    return (int64_t)4 * c->n_head * c->d_head * c->n_layer;
}
