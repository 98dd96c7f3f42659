/* test_checkpoint.c - models read from folders: Hugging Face's transformers' logits and tokens
 * (tests/golden/make_models.py), every rule of the files, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/app/decoders.h"
#include "harness/base/file.h"
#include "harness/decode/session.h"
#include "harness/model/safetensors.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

static const char *const folders[] = {"./tests/golden/llama", "./tests/golden/qwen2",
                                      "./tests/golden/qwen3", "./tests/golden/llada"};
enum { N_TOKENS = 12, N_VOCAB = 61, N_GREEDY = 16 };

/* ---- transformers ---- */

struct golden {
    int32_t token[N_TOKENS + N_GREEDY];
    double causal[N_TOKENS * N_VOCAB], full[N_TOKENS * N_VOCAB];
};

static void golden_read(const char *folder, struct golden *g)
{
    char path[300];
    snprintf(path, sizeof path, "%s/logits.txt", folder);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("%s: missing", path);
    assert_int_equal(fscanf(f, "#%*[^\n]"), 0);
    for (int i = 0; i < N_TOKENS; i++) assert_int_equal(fscanf(f, "%d", &g->token[i]), 1);
    for (int i = 0; i < N_TOKENS * N_VOCAB; i++) assert_int_equal(fscanf(f, "%lf", &g->causal[i]), 1);
    for (int i = 0; i < N_TOKENS * N_VOCAB; i++) assert_int_equal(fscanf(f, "%lf", &g->full[i]), 1);
    for (int i = 0; i < N_GREEDY; i++)
        assert_int_equal(fscanf(f, "%d", &g->token[N_TOKENS + i]), 1);
    fclose(f);
}

/* Largest |got - want| in units of the largest |want|. */
static double worst(const float *got, const double *want)
{
    double most = 0, scale = 0;
    for (int i = 0; i < N_TOKENS * N_VOCAB; i++) {
        most = fmax(most, fabs((double)got[i] - want[i]));
        scale = fmax(scale, fabs(want[i]));
    }
    return most / scale;
}

/* Both programs compute in f32: each of the two layers' six matmuls, at most 48 terms long, and
 * the head may be off by half a unit in the last place a term, 13 x 48 halves in all, if every
 * error fell the same way and the network passed them on as they are. */
static const double bound = 13 * 48 * 0.5 * FLT_EPSILON;

static void logits_are_those_of_transformers(void **state)
{
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        for (int bf16 = 0; bf16 < 2; bf16++) {
            struct golden g;
            struct toy t;
            golden_read(folders[i], &g);
            toy_open(&t, folders[i], bf16 ? DTYPE_BF16 : DTYPE_F32, 1);
            struct kv_cache *c = toy_cache(&t, 1, N_TOKENS);
            float *causal = toy_rows(&t, c, 0, g.token, 0, N_TOKENS, MASK_CAUSAL, 0, true);
            kv_cache_clear(c);
            float *full = toy_rows(&t, c, 0, g.token, 0, N_TOKENS, MASK_FULL, 0, true);
            print_message("%s: causal %.2g, full %.2g of %.2g\n", folders[i],
                          worst(causal, g.causal), worst(full, g.full), bound);
            assert_true(worst(causal, g.causal) < bound);
            assert_true(worst(full, g.full) < bound);
            assert_true(worst(causal, g.full) > 100 * bound);
            free(causal);
            free(full);
            kv_cache_free(c);
            toy_close(&t);
        }
    }
}

/* Every part of the shape counts: with one changed, the logits are others. */
static void a_wrong_shape_is_noticed(void **state)
{
    for (int change = 0; change < 4; change++) {
        struct golden g;
        struct toy t = {.dtype = DTYPE_F32};
        struct kernels_config cpu = {.backend = "cpu", .n_threads = 1};
        const char *folder = folders[change == 3 ? 1 : 0];
        golden_read(folder, &g);
        OK(model_named(folder, 0, &t.config));
        if (change == 0) t.config.rope.factor = 0;
        if (change == 1) t.config.rope.base *= 2;
        if (change == 2) t.config.norm_eps *= 1e4f;
        if (change == 3) t.config.qkv_bias = false;
        OK(kernels_open(&cpu, &t.k));
        OK(model_create_checkpoint(t.k, &t.config, DTYPE_F32, &t.model));
        struct kv_cache *c = toy_cache(&t, 1, N_TOKENS);
        float *causal = toy_rows(&t, c, 0, g.token, 0, N_TOKENS, MASK_CAUSAL, 0, true);
        assert_true(worst(causal, g.causal) > 10 * bound);
        free(causal);
        kv_cache_free(c);
        toy_close(&t);
    }
}

static void decoders_continue_as_transformers_does(void **state)
{
    static const struct {
        const char *decoder;
        struct decode_spec spec;
    } how[] = {
        {"ar", {.batch = 1}},
        {"block",
         {.batch = 1, .block_length = 1, .steps = 1, .head = HEAD_SHIFTED,
          .strategy = STRATEGY_LOW_CONFIDENCE, .informed = true}},
    };
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        struct golden g;
        struct toy t;
        golden_read(folders[i], &g);
        toy_open(&t, folders[i], DTYPE_F32, 1);
        for (size_t h = 0; h < sizeof how / sizeof how[0]; h++) {
            struct decode_spec s = how[h].spec;
            struct session *n;
            struct step_work w;
            s.n_prompt = N_TOKENS;
            s.n_gen = N_GREEDY;
            s.prompts = g.token;
            OK(session_create(t.model, decoder_find(how[h].decoder), &s, DTYPE_F32, &n));
            while (!session_done(n)) OK(session_step(n, &w));
            assert_memory_equal(session_tokens(n), g.token, sizeof g.token);
            session_free(n);
        }
        toy_close(&t);
    }
}

/* ---- folders that are not right ---- */

static char dir[] = "/tmp/regime-checkpoint-XXXXXX";

static int make_dir(void **state)
{
    return mkdtemp(dir) ? 0 : -1;
}

static void write_file(const char *name, const void *data, size_t n)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"config.json", "model.safetensors",
                                        "model.safetensors.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

/* A golden model's file with every `from` replaced; the caller frees it. */
static char *edited(const char *name, const char *from, const char *to, size_t *len)
{
    char path[300], *text, *out;
    size_t n, used = 0, skip = strlen(from);
    snprintf(path, sizeof path, "%s/%s", folders[0], name);
    OK(file_read(path, 1 << 20, &text, &n));
    out = malloc(2 * n + 4096);
    assert_non_null(out);
    for (size_t i = 0; i < n;) {
        if (skip && n - i >= skip && memcmp(text + i, from, skip) == 0) {
            memcpy(out + used, to, strlen(to));
            used += strlen(to);
            i += skip;
        } else {
            out[used++] = text[i++];
        }
    }
    free(text);
    *len = used;
    return out;
}

static void write_edited(const char *name, const char *from, const char *to)
{
    size_t n;
    char *text = edited(name, from, to, &n);
    write_file(name, text, n);
    free(text);
}

static void config_files_say_what_is_wrong(void **state)
{
    static const struct {
        const char *from, *to, *says;
        enum err err;
    } wrong[] = {
        {"\"model_type\": \"llama\"", "\"model_type\": \"gpt2\"", "model_type \"gpt2\"",
         ERR_UNSUPPORTED},
        {"\"hidden_size\": 32,", "", "key \"hidden_size\" is missing", ERR_USAGE},
        {"\"hidden_size\": 32", "\"hidden_size\": 3.5", "hidden_size: expected a whole number",
         ERR_USAGE},
        {"\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "evenly", ERR_USAGE},
        {"\"head_dim\": 8", "\"head_dim\": 7", "no pairs to rotate", ERR_USAGE},
        {"\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "only silu", ERR_UNSUPPORTED},
        {"\"mlp_bias\": false", "\"mlp_bias\": true", "mlp_bias is true", ERR_UNSUPPORTED},
        {"\"pretraining_tp\": 1", "\"num_experts\": 8", "mixtures of experts", ERR_UNSUPPORTED},
        {"\"pretraining_tp\": 1", "\"sliding_window\": 16", "only full attention", ERR_UNSUPPORTED},
        {"\"rope_type\": \"llama3\"", "\"rope_type\": \"yarn\"", "rope_type yarn", ERR_UNSUPPORTED},
        {"\"high_freq_factor\": 4.0", "\"high_freq_factor\": 5.0", "expected 1 and 4",
         ERR_UNSUPPORTED},
        {"\"rope_theta\": 10000.0,", "", "rope_theta: expected a number above 0", ERR_USAGE},
        {"\"tie_word_embeddings\": true", "\"tie_word_embeddings\": 1", "expected true or false",
         ERR_USAGE},
        {"\"vocab_size\": 61", "\"vocab_size\": ", "not JSON", ERR_USAGE},
    };
    struct model_config c;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_edited("config.json", wrong[i].from, wrong[i].to);
        enum err e = model_named(dir, 0, &c);
        if (e != wrong[i].err || !strstr(err_msg(), wrong[i].says) || !strstr(err_msg(), dir))
            fail_msg("%s: error %d: %s", wrong[i].to, e, err_msg());
    }
    write_edited("config.json", "", "");
    OK(model_named(dir, 0, &c));
    assert_int_equal(model_named(dir, 3, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "has 2 layers; 3 were asked for"));
}

static enum err create(void)
{
    struct kernels_config cpu = {.backend = "cpu", .n_threads = 1};
    struct kernels *k;
    struct model_config c;
    struct model *m;
    OK(model_named(dir, 0, &c));
    OK(kernels_open(&cpu, &k));
    enum err e = model_create_checkpoint(k, &c, DTYPE_BF16, &m);
    if (e == ERR_NONE) model_free(m);
    kernels_close(k);
    return e;
}

/* Edits of the header that leave its length: the file's other rules then speak. */
static void weight_files_say_what_is_wrong(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } wrong[] = {
        {"model.norm.weight", "model.morn.weight", "model.norm.weight is missing"},
        {"\"model.norm.weight\":{\"dtype\":\"BF16\"", "\"model.norm.weight\":{\"dtype\":\"BF17\"",
         "dtype is missing or not known"},
        {"\"model.norm.weight\":{\"dtype\":\"BF16\"", "\"model.norm.weight\":{\"dtype\":\"U16\" ",
         "neither F32, F16 nor BF16"},
        {"mlp.down_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[32,48]",
         "mlp.down_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[48,32]", "is not the [32, 48]"},
        {"mlp.down_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[32,48]",
         "mlp.down_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[32,49]", "its shape says"},
        {"\"shape\":[61,32],\"data_offsets\":[0,3904]", "\"shape\":[60,32],\"data_offsets\":[0,3840]",
         "overlap or leave a hole"},
        {"\"data_offsets\":[0,", "\"data_offsets\":[9,", "its shape says"},
        {"model.layers.1.input_layernorm", "model.layers.0.input_layernorm", "is there twice"},
    };
    write_edited("config.json", "", "");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_edited("model.safetensors", wrong[i].from, wrong[i].to);
        enum err e = create();
        if (e == ERR_NONE || !strstr(err_msg(), wrong[i].says) || !strstr(err_msg(), dir))
            fail_msg("%s: error %d: %s", wrong[i].to, e, err_msg());
    }
    size_t n;
    char *good = edited("model.safetensors", "", "", &n);
    static const struct {
        size_t keep;
        uint8_t first;
        const char *says;
    } cut[] = {{4, 0, "too short"}, {64, 0, "a header of"}, {0, 0, "the file is cut short"},
               {0, 255, "is not JSON"}};
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        uint8_t was = (uint8_t)good[9];
        if (cut[i].first) good[9] = (char)cut[i].first;
        write_file("model.safetensors", good, cut[i].keep ? cut[i].keep : n - !cut[i].first);
        good[9] = (char)was;
        if (create() != ERR_USAGE || !strstr(err_msg(), cut[i].says)) fail_msg("%s", err_msg());
    }
    good[n] = 0;
    write_file("model.safetensors", good, n + 1);
    assert_int_equal(create(), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "1 bytes follow the last tensor"));
    static const char index[] = "{\"weight_map\":{\"model.norm.weight\":\"../elsewhere\"}}";
    write_file("model.safetensors.index.json", index, strlen(index));
    assert_int_equal(create(), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "expected the name of a file beside it"));
    char path[300];
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    unlink(path);
    assert_int_equal(create(), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "model.safetensors: No such file"));
    free(good);
}

static void fingerprints_tell_models_apart(void **state)
{
    char here[65], there[65], shape[65], other[65];
    size_t n;
    write_edited("config.json", "", "");
    char *good = edited("model.safetensors", "", "", &n);
    write_file("model.safetensors", good, n);
    OK(model_fingerprint(folders[0], true, there));
    OK(model_fingerprint(dir, true, here));
    OK(model_fingerprint(dir, false, shape));
    assert_string_equal(here, there);
    assert_string_not_equal(here, shape);
    good[n - 1] ^= 1;
    write_file("model.safetensors", good, n);
    OK(model_fingerprint(dir, true, other));
    assert_string_not_equal(here, other);
    OK(model_fingerprint(dir, false, other));
    assert_string_equal(shape, other);
    free(good);
}

static void halves_become_floats(void **state)
{
    static const uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x83ff, 0x7bff, 0x7c00, 0x3555, 0x8000};
    static const float want[] = {1, -2, 0x1p-24f, -1023 * 0x1p-24f, 65504, INFINITY, 0x1.554p-2f, -0.0f};
    float got[8];
    struct stored_tensor t = {.dtype = STORED_F16, .data = (const uint8_t *)half};
    stored_read(&t, 0, 8, got);
    assert_memory_equal(got, want, sizeof want);
    uint16_t nan = 0x7e00;
    t.data = (const uint8_t *)&nan;
    stored_read(&t, 0, 1, got);
    assert_true(isnan(got[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_transformers),
        cmocka_unit_test(a_wrong_shape_is_noticed),
        cmocka_unit_test(decoders_continue_as_transformers_does),
        cmocka_unit_test(config_files_say_what_is_wrong),
        cmocka_unit_test(weight_files_say_what_is_wrong),
        cmocka_unit_test(fingerprints_tell_models_apart),
        cmocka_unit_test(halves_become_floats),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, make_dir, remove_dir);
}
