/* test_structure.c - what block diffusion's training mask, rotation, shared heads and the layout of
 * a cache must leave alone: the network against itself looked at from another side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { N = 12 };

static const int32_t clean[N] = {3, 141, 59, 26, 53, 58, 97, 93, 23, 84, 62, 64};

/* As in test_model.c: 7 dot products a layer, three layers and the head. */
static const double tolerance = 2 * 4 * 8 * 10 * 0x1p-24;

/* Rows of f32 and double logits agree. */
static void agree(const char *what, const float *got, const double *want, int64_t n)
{
    double worst = 0, scale = 0;
    for (int64_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)got[i] - want[i]));
        scale = fmax(scale, fabs(want[i]));
    }
    if (!(worst / scale < tolerance)) fail_msg("%s: error %g", what, worst / scale);
}

/* ---- the mask that block diffusion is trained with ---- */

/* Noisy and clean copies side by side, rows 0 .. N - 1 and N .. 2 N - 1: a block sees its own copy
 * of itself and the clean blocks before it; a clean one those up to itself.  Returns the pairs. */
static int32_t training_mask(int32_t block, bool sees[4 * N * N])
{
    int32_t pairs = 0;
    for (int32_t q = 0; q < 2 * N; q++)
        for (int32_t k = 0; k < 2 * N; k++) {
            int32_t bq = q % N / block, bk = k % N / block;
            bool noisy_q = q < N, noisy_k = k < N;
            bool own = bq == bk && noisy_q == noisy_k;
            sees[q * 2 * N + k] = own || (!noisy_k && bq > bk);
            pairs += sees[q * 2 * N + k];
        }
    return pairs;
}

/* One forward in double precision under that mask, both copies at the same positions, gives each
 * noisy block what this program's decoder computes for it: rows of the block alone, the blocks
 * before it in the cache as their commits left them.  Commits of noisy blocks would not. */
static void noisy_blocks_are_those_of_training(void **state)
{
    static const int32_t blocks[] = {1, 2, 3, 4, 6, 12};
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    int64_t v = t.config.n_vocab;
    for (int32_t i = 0; i < 6; i++) {
        int32_t b = blocks[i], both[2 * N], positions[2 * N];
        bool sees[4 * N * N];
        assert_int_equal(training_mask(b, sees), N * N + N * b);
        for (int32_t p = 0; p < N; p++) {
            both[N + p] = clean[p];
            both[p] = mix64((uint64_t)(p + 40 * b)) % 2 ? clean[p] : t.config.mask_id;
            positions[p] = positions[N + p] = p;
        }
        double *want = toy_reference_seeing(&t, both, positions, 2 * N, sees);
        struct kv_cache *cache = toy_cache(&t, 1, N), *wrong = toy_cache(&t, 1, N);
        double off = 0;
        for (int32_t p = 0; p < N; p += b) {
            float *got = toy_rows(&t, cache, 0, both + p, p, b, MASK_FULL, 0, false);
            agree("noisy block", got, want + p * v, b * v);
            free(got);
            got = toy_rows(&t, cache, 0, clean + p, p, b, MASK_FULL, 0, true);
            agree("clean block", got, want + (N + p) * v, b * v);
            free(got);
            got = toy_rows(&t, wrong, 0, both + p, p, b, MASK_FULL, 0, true);
            for (int64_t k = 0; k < b * v; k++)
                off = fmax(off, fabs((double)got[k] - want[p * v + k]));
            free(got);
        }
        assert_true(b == N ? off < 0.01 : off > 0.1);
        kv_cache_free(cache);
        kv_cache_free(wrong);
        free(want);
    }
    toy_close(&t);
}

/* ---- positions ---- */

/* Only distances count: the program's logits are those of a reference that stands 321 positions
 * further on.  And rows are a set: in another order with their positions, they say the same; the
 * tokens alone in another order say something else. */
static void positions_are_distances_and_rows_a_set(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    int64_t v = t.config.n_vocab;
    int32_t positions[N], moved[N], tokens[N];
    bool all[N * N];
    memset(all, 1, sizeof all);
    struct kv_cache *cache = toy_cache(&t, 1, N);
    float *got = toy_rows(&t, cache, 0, clean, 0, N, MASK_FULL, 0, false);
    for (int32_t i = 0; i < N; i++) positions[i] = i + 321;
    double *want = toy_reference_seeing(&t, clean, positions, N, all);
    agree("321 further on", got, want, N * v);
    free(want);

    for (int32_t i = 0; i < N; i++) {
        moved[i] = 5 * i % N; /* 5 and 12 have no common factor */
        tokens[i] = clean[moved[i]];
    }
    want = toy_reference_seeing(&t, tokens, moved, N, all);
    for (int32_t i = 0; i < N; i++) agree("another order", got + moved[i] * v, want + i * v, v);
    free(want);

    float *other = toy_rows(&t, cache, 0, tokens, 0, N, MASK_FULL, 0, false);
    for (int32_t i = 0; i < N; i++) {
        double off = 0;
        for (int64_t k = 0; k < v; k++)
            off = fmax(off, fabs((double)(other[i * v + k] - got[moved[i] * v + k])));
        assert_true(off > 0.01);
    }
    free(other);
    free(got);
    kv_cache_free(cache);
    toy_close(&t);
}

/* ---- attention ---- */

enum { H = 6, D = 12, KEYS = 75, QUERIES = 9 };

static void fill(float *x, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((double)(mix64(seed * 1000003 + (uint64_t)i) >> 11) * 0x1p-52 - 1);
}

/* Keys of a cache [1, hk, KEYS, D], rotated for positions first + i, stored at place order[i], and
 * attended by queries that stand behind them: out[QUERIES, H, D].  Values come with their keys.
 * copies: key heads that are one head again. */
static void attend(struct kernels *k, int32_t hk, int32_t copies, int32_t first,
                   const int32_t *order, float *out)
{
    static float key[KEYS * H * D], value[KEYS * H * D], query[QUERIES * H * D];
    static float one[KEYS * H * D];
    const struct rope rope = {.base = 10000};
    int32_t place[KEYS + QUERIES], stored = hk * copies;
    for (int32_t i = 0; i < KEYS + QUERIES; i++) place[i] = first + i;
    fill(one, KEYS * hk * D, 1);
    fill(query, QUERIES * H * D, 3);
    OK(kn_rope(k, tensor_3d(one, DTYPE_F32, ROLE_ACTIVATION, KEYS, hk, D), place, &rope));
    OK(kn_rope(k, tensor_3d(query, DTYPE_F32, ROLE_ACTIVATION, QUERIES, H, D), place + KEYS,
               &rope));
    for (int32_t i = 0; i < KEYS; i++)
        for (int32_t a = 0; a < stored; a++)
            memcpy(key + (a * KEYS + order[i]) * D, one + (i * hk + a / copies) * D,
                   D * sizeof *key);
    fill(one, KEYS * hk * D, 2);
    for (int32_t i = 0; i < KEYS; i++)
        for (int32_t a = 0; a < stored; a++)
            memcpy(value + (a * KEYS + order[i]) * D, one + (i * hk + a / copies) * D,
                   D * sizeof *value);
    struct tensor keys, values;
    kernels_cache(k, DTYPE_F32, 1, stored, KEYS, D, &keys, &values);
    OK(kernels_alloc(k, (size_t)tensor_room(keys), &keys.data));
    OK(kernels_alloc(k, (size_t)tensor_room(values), &values.data));
    OK(kernels_upload(k, keys, key));
    OK(kernels_upload(k, values, value));
    struct span s = {.n_rows = QUERIES, .n_visible = KEYS, .mask = MASK_FULL};
    OK(kn_attention(k, tensor_3d(out, DTYPE_F32, ROLE_ACTIVATION, QUERIES, H, D),
                    tensor_3d(query, DTYPE_F32, ROLE_ACTIVATION, QUERIES, H, D), keys, values, &s,
                    1));
    OK(kernels_sync(k));
    kernels_free(k, keys.data, (size_t)tensor_room(keys));
    kernels_free(k, values.data, (size_t)tensor_room(values));
}

/* |q|, |k| of D numbers below 1 make scores below D / sqrt(D) = 3.5.  A rotated number is off by 4
 * roundings of its size (cos, sin, two products), at most sqrt(2): a score by less than 2 x 6
 * + D of 3.5 x 2^-24, so a weight by e^that - 1 of itself, twice with its sum; values are below 1.
 */
static const double attention_tolerance = 2 * (12 + D) * 3.5 * 0x1p-24 + KEYS * 0x1p-24;

static void near(const char *what, const float *a, const float *b)
{
    for (int32_t i = 0; i < QUERIES * H * D; i++)
        if (!(fabs((double)(a[i] - b[i])) < attention_tolerance))
            fail_msg("%s, element %d: %g and %g", what, i, (double)a[i], (double)b[i]);
}

/* What a cache keeps may lie in any order, at any distance from position 0; key heads that several
 * query heads share are as good as copies of them, to the bit. */
static void a_cache_is_a_set_of_rotated_keys(void **state)
{
    static float plain[QUERIES * H * D], other[QUERIES * H * D];
    struct kernels *k;
    struct kernels_config c = {.backend = "cpu", .n_threads = 2};
    int32_t in_order[KEYS], mixed[KEYS];
    OK(kernels_open(&c, &k));
    for (int32_t i = 0; i < KEYS; i++) {
        in_order[i] = i;
        mixed[i] = 31 * i % KEYS;
    }
    attend(k, 2, 1, 0, in_order, plain);
    attend(k, 2, 1, 200, in_order, other);
    near("200 further on", plain, other);
    assert_memory_not_equal(plain, other, sizeof plain); /* it is another computation */
    attend(k, 2, 1, 0, mixed, other);
    near("mixed", plain, other);
    attend(k, 2, 3, 0, in_order, other);
    assert_memory_equal(plain, other, sizeof plain);
    attend(k, 1, 6, 0, in_order, other);
    assert_memory_not_equal(plain, other, sizeof plain);
    kernels_close(k);
}

/* Sequences in any slots and in any order have the same logits, and rows beside them, of whatever
 * length, have no say. */
static void slots_and_order_of_sequences_do_not_matter(void **state)
{
    static const int32_t slot[2][3] = {{0, 1, 2}, {3, 0, 1}}, order[2][3] = {{0, 1, 2}, {2, 0, 1}};
    static const int32_t length[3] = {7, N, 3};
    int32_t text[3][N];
    struct toy t;
    int32_t row[N];
    float *logits[2][3];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    size_t v = (size_t)t.config.n_vocab;
    for (int32_t i = 0; i < N; i++) row[i] = i;
    for (int32_t i = 0; i < 3 * N; i++) text[i / N][i % N] = clean[(i % N + 4 * (i / N)) % N];
    for (int32_t way = 0; way < 2; way++) {
        struct kv_cache *cache = toy_cache(&t, 4, N);
        struct pass_seq s[3];
        for (int32_t i = 0; i < 3; i++) {
            int32_t of = order[way][i], n = length[of];
            s[i] = (struct pass_seq){
                .span = {.slot = slot[way][of], .n_rows = n, .n_visible = n, .mask = MASK_FULL},
                .tokens = text[of],
                .logit_row = row,
                .n_logits = n,
                .n_kept = n};
        }
        struct pass p = {PHASE_DENOISE, 3, s};
        float *all = toy_forward(&t, cache, &p);
        size_t at = 0;
        for (int32_t i = 0; i < 3; i++) {
            int32_t of = order[way][i];
            size_t n = (size_t)length[of] * v;
            logits[way][of] = malloc(n * sizeof *all);
            memcpy(logits[way][of], all + at, n * sizeof *all);
            at += n;
        }
        free(all);
        kv_cache_free(cache);
    }
    for (int32_t of = 0; of < 3; of++) {
        assert_memory_equal(logits[0][of], logits[1][of],
                            (size_t)length[of] * v * sizeof *logits[0][of]);
        free(logits[0][of]);
        free(logits[1][of]);
    }
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noisy_blocks_are_those_of_training),
        cmocka_unit_test(positions_are_distances_and_rows_a_set),
        cmocka_unit_test(a_cache_is_a_set_of_rotated_keys),
        cmocka_unit_test(slots_and_order_of_sequences_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
