/* test_cache.c - approximate caches: what a reuse forward computes, when it is exact and when
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/diffusion.h"
#include "harness/decode/session.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { LENGTH = 24, BEGIN = 8, BLOCK = 6, GEN = 18 };

/* A prompt of BEGIN tokens, the rest masked. */
static void canvas(const struct toy *t, int32_t tokens[LENGTH])
{
    for (int32_t i = 0; i < LENGTH; i++) tokens[i] = i < BEGIN ? 3 + 11 * i : t->config.mask_id;
}

/* Logits of rows [pos0, pos0 + n) that see all positions and stay in the cache. */
static float *rows(struct toy *t, struct kv_cache *c, const int32_t *tokens, int32_t pos0,
                   int32_t n)
{
    int32_t row[LENGTH];
    for (int32_t i = 0; i < n; i++) row[i] = i;
    struct pass_seq s = {
        .span = {.n_rows = n, .pos0 = pos0, .n_visible = LENGTH, .mask = MASK_FULL},
        .tokens = tokens + pos0,
        .logit_row = row,
        .n_logits = n,
        .n_kept = n,
    };
    struct pass p = {pos0 == 0 && n == LENGTH ? PHASE_REFRESH : PHASE_REUSE, 1, &s};
    return toy_forward(t, c, &p);
}

static float *uncached(struct toy *t, const int32_t *tokens)
{
    struct kv_cache *c = toy_cache(t, 1, LENGTH);
    float *logits = rows(t, c, tokens, 0, LENGTH);
    kv_cache_free(c);
    return logits;
}

/* Largest difference of n rows, b's from row `at` on. */
static double apart(const struct toy *t, const float *a, const float *b, int32_t at, int32_t n)
{
    double worst = 0;
    int64_t v = t->config.n_vocab;
    for (int64_t i = 0; i < n * v; i++)
        worst = fmax(worst, fabs((double)a[i] - (double)b[at * v + i]));
    return worst;
}

static int32_t reuse_rows(enum cache_policy cache)
{
    return cache == CACHE_DUAL ? BLOCK : LENGTH - BEGIN;
}

/* Before anything is revealed the rows see what the refresh saw: not a bit differs. */
static void reuse_is_exact_right_after_a_refresh(void **state)
{
    struct toy t;
    int32_t tokens[LENGTH];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    canvas(&t, tokens);
    for (enum cache_policy cache = CACHE_PREFIX; cache <= CACHE_DUAL; cache++) {
        struct kv_cache *c = toy_cache(&t, 1, LENGTH);
        float *refresh = rows(&t, c, tokens, 0, LENGTH);
        for (int again = 0; again < 2; again++) {
            float *reuse = rows(&t, c, tokens, BEGIN, reuse_rows(cache));
            assert_true(apart(&t, reuse, refresh, BEGIN, reuse_rows(cache)) == 0);
            free(reuse);
        }
        free(refresh);
        kv_cache_free(c);
    }
    toy_close(&t);
}

/* After a reveal the frozen keys and values are those of a sequence with one mask more, in every
 * layer but the first. */
static void reuse_drifts_after_a_reveal(void **state)
{
    struct toy t;
    double drift[3] = {0};
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (enum cache_policy cache = CACHE_PREFIX; cache <= CACHE_DUAL; cache++) {
        int32_t tokens[LENGTH];
        canvas(&t, tokens);
        struct kv_cache *c = toy_cache(&t, 1, LENGTH);
        float *refresh = rows(&t, c, tokens, 0, LENGTH);
        tokens[BEGIN + 1] = 77;
        tokens[BEGIN + 4] = 78;
        float *reuse = rows(&t, c, tokens, BEGIN, reuse_rows(cache)), *want = uncached(&t, tokens);
        double change = apart(&t, reuse, refresh, BEGIN, BLOCK);
        drift[cache] = apart(&t, reuse, want, BEGIN, BLOCK);
        assert_true(drift[cache] > 0);
        assert_true(change > 0); /* what was revealed is seen */
        free(refresh);
        free(reuse);
        free(want);
        kv_cache_free(c);
    }
    assert_true(drift[CACHE_PREFIX] != drift[CACHE_DUAL]); /* more is frozen */
    toy_close(&t);
}

/* With one layer only its own keys and values would matter, and those of frozen positions depend
 * on their tokens alone: then reuse is exact for good. */
static void one_layer_does_not_drift(void **state)
{
    struct toy t;
    int32_t tokens[LENGTH];
    struct kernels_config k = {.backend = "cpu", .n_threads = 2};
    OK(model_preset("tiny-test", 1, &t.config));
    OK(kernels_open(&k, &t.k));
    OK(model_create(t.k, &t.config, DTYPE_BF16, 7, &t.model));
    canvas(&t, tokens);
    for (enum cache_policy cache = CACHE_PREFIX; cache <= CACHE_DUAL; cache++) {
        struct kv_cache *c = toy_cache(&t, 1, LENGTH);
        free(rows(&t, c, tokens, 0, LENGTH));
        tokens[BEGIN + 1 + cache] = 77;
        float *reuse = rows(&t, c, tokens, BEGIN, reuse_rows(cache)), *want = uncached(&t, tokens);
        assert_true(apart(&t, reuse, want, BEGIN, reuse_rows(cache)) == 0);
        free(reuse);
        free(want);
        kv_cache_free(c);
    }
    toy_close(&t);
}

/* A refresh does not care what the cache held. */
static void a_refresh_is_the_uncached_forward(void **state)
{
    struct toy t;
    int32_t tokens[LENGTH];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    canvas(&t, tokens);
    struct kv_cache *c = toy_cache(&t, 1, LENGTH);
    for (int32_t i = 0; i < BLOCK; i++) {
        float *refresh = rows(&t, c, tokens, 0, LENGTH), *want = uncached(&t, tokens);
        assert_true(apart(&t, refresh, want, 0, LENGTH) == 0);
        tokens[BEGIN + i] = 50 + i;
        free(rows(&t, c, tokens, BEGIN, BLOCK));
        free(refresh);
        free(want);
    }
    kv_cache_free(c);
    toy_close(&t);
}

/* ---- whole decodes ---- */

static struct decode_spec spec(enum cache_policy cache, int32_t steps)
{
    return (struct decode_spec){.batch = 3,
                                .n_prompt = BEGIN,
                                .n_gen = GEN,
                                .block_length = BLOCK,
                                .steps = steps,
                                .cache = cache,
                                .head = HEAD_SAME,
                                .seed = 5};
}

/* Tokens (to be freed), and the rows of each forward in order. */
static int32_t *decode(struct toy *t, const struct decode_spec *s, struct step_work *work,
                       int32_t *n_forwards)
{
    struct session *n;
    size_t size = (size_t)s->batch * (size_t)(s->n_prompt + s->n_gen) * sizeof(int32_t);
    int64_t committed = 0;
    *n_forwards = 0;
    OK(decoder_diffusion.check(s, &t->config));
    OK(session_create(t->model, &decoder_diffusion, s, DTYPE_F32, &n));
    while (!session_done(n)) {
        OK(session_step(n, &work[*n_forwards]));
        committed += work[(*n_forwards)++].tokens_committed;
    }
    assert_int_equal(committed, s->batch * s->n_gen);
    int32_t *tokens = malloc(size);
    assert_non_null(tokens);
    memcpy(tokens, session_tokens(n), size);
    session_free(n);
    for (size_t i = 0; i < size / sizeof *tokens; i++)
        assert_int_not_equal(tokens[i], t->config.mask_id);
    return tokens;
}

/* Per block one forward over all 26 positions, then over the block, or over it and what follows. */
static void a_block_is_one_refresh_then_reuse(void **state)
{
    struct toy t;
    struct step_work work[64];
    int32_t n;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (enum head_policy head = HEAD_SAME; head <= HEAD_SHIFTED; head++)
        for (enum cache_policy cache = CACHE_PREFIX; cache <= CACHE_DUAL; cache++) {
            struct decode_spec s = spec(cache, 4); /* reveals 2, 2, 1, 1 */
            static const int32_t left[] = {6, 4, 2, 1};
            s.head = head;
            free(decode(&t, &s, work, &n));
            assert_int_equal(n, 3 * 4);
            for (int32_t i = 0; i < n; i++) {
                int32_t begin = BEGIN + i / 4 * BLOCK;
                int32_t reuse = cache == CACHE_DUAL ? BLOCK : 26 - begin;
                assert_int_equal(work[i].phase, i % 4 ? PHASE_REUSE : PHASE_REFRESH);
                assert_int_equal(work[i].rows, 3 * (i % 4 ? reuse : 26));
                assert_int_equal(work[i].logit_rows, 3 * left[i % 4]);
            }
        }
    toy_close(&t);
}

static void assert_same_decode(struct toy *t, const struct decode_spec *a,
                               const struct decode_spec *b)
{
    struct step_work work[64];
    int32_t n, m;
    int32_t *x = decode(t, a, work, &n), *y = decode(t, b, work, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, (size_t)(a->batch * (a->n_prompt + a->n_gen)) * sizeof *x);
    free(x);
    free(y);
}

/* One step per block is a refresh every step, and a block that is everything freezes nothing: both
 * are the uncached decoder. */
static void where_nothing_is_stale_tokens_are_uncached(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (enum cache_policy cache = CACHE_PREFIX; cache <= CACHE_DUAL; cache++) {
        struct decode_spec s = spec(cache, 1), plain = spec(CACHE_NONE, 1);
        s.head = plain.head = cache == CACHE_DUAL ? HEAD_SHIFTED : HEAD_SAME;
        assert_same_decode(&t, &s, &plain);
        s = spec(cache, 5);
        s.n_prompt = 0;
        s.block_length = s.n_gen;
        plain = s;
        plain.cache = CACHE_NONE;
        assert_same_decode(&t, &s, &plain);
    }
    toy_close(&t);
}

/* Logits nobody asked for, company, and a batch whose sequences take different numbers of steps
 * change no token. */
static void what_is_beside_changes_nothing(void **state)
{
    struct toy t;
    struct step_work work[64];
    int32_t n;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int i = 0; i < 24; i++) {
        enum cache_policy cache = i >= 16 ? CACHE_DKV : i % 2 ? CACHE_DUAL : CACHE_PREFIX;
        struct decode_spec s = spec(cache, 4), other = s;
        s.refresh = other.refresh = i % 3 ? 0 : 2;
        s.head = other.head = i & 2 && cache != CACHE_DKV ? HEAD_SHIFTED : HEAD_SAME;
        s.batch_policy = other.batch_policy = i & 4 ? BATCH_RAGGED : BATCH_LOCKSTEP;
        s.temperature = other.temperature = i & 8 ? 0.9f : 0;
        other.logits = LOGITS_ALL;
        assert_same_decode(&t, &s, &other);
        int32_t *all = decode(&t, &s, work, &n);
        s.batch = 1;
        int32_t *alone = decode(&t, &s, work, &n);
        assert_memory_equal(all, alone, 26 * sizeof *all);
        free(all);
        free(alone);
    }
    toy_close(&t);
}

/* ---- rows that are not side by side ---- */

/* Logits of the rows at these positions, which see all positions and stay in the cache. */
static float *scattered(struct toy *t, struct kv_cache *c, const int32_t *tokens, const int32_t *at,
                        int32_t n)
{
    int32_t row[LENGTH], ids[LENGTH];
    for (int32_t i = 0; i < n; i++) {
        row[i] = i;
        ids[i] = tokens[at[i]];
    }
    struct pass_seq s = {
        .span = {.n_rows = n, .n_visible = LENGTH, .mask = MASK_FULL},
        .tokens = ids,
        .positions = at,
        .logit_row = row,
        .n_logits = n,
        .n_kept = n,
    };
    struct pass p = {PHASE_REUSE, 1, &s};
    return toy_forward(t, c, &p);
}

static struct kv_cache *scattered_cache(struct toy *t)
{
    struct kv_cache *c;
    struct kv_cache_size s = {.n_slots = 1,
                              .capacity = LENGTH,
                              .max_rows = LENGTH,
                              .max_logits = LENGTH,
                              .dtype = DTYPE_F32,
                              .scattered = true};
    OK(kv_cache_create(t->model, &s, &c));
    return c;
}

/* Unchanged tokens give the refresh's logits; side by side they are an ordinary pass; and the
 * keys and values are where later rows look for them: every position computed again, in two
 * halves, is a refresh as far as the first layer goes, and all of it for the second half. */
static void scattered_rows_stand_where_they_say(void **state)
{
    static const int32_t some[] = {0, 3, 4, 9, 10, 11, 17, 23}, row[] = {7, 8, 9, 10};
    int32_t tokens[LENGTH];
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    int64_t v = t.config.n_vocab;
    canvas(&t, tokens);
    struct kv_cache *c = scattered_cache(&t);
    float *refresh = rows(&t, c, tokens, 0, LENGTH), *again = scattered(&t, c, tokens, some, 8);
    for (int32_t i = 0; i < 8; i++)
        assert_memory_equal(again + i * v, refresh + some[i] * v, (size_t)v * sizeof *again);
    free(refresh);
    free(again);

    tokens[8] = 70;
    float *apart_ = scattered(&t, c, tokens, row, 4);
    struct kv_cache *d = scattered_cache(&t);
    tokens[8] = t.config.mask_id;
    free(rows(&t, d, tokens, 0, LENGTH));
    tokens[8] = 70;
    float *beside = rows(&t, d, tokens, 7, 4);
    assert_memory_equal(apart_, beside, (size_t)(4 * v) * sizeof *beside);
    free(apart_);
    free(beside);
    /* Position 8 is new in both caches now: what another row sees of it is the same. */
    float *x = rows(&t, c, tokens, 12, 3), *y = rows(&t, d, tokens, 12, 3);
    assert_memory_equal(x, y, (size_t)(3 * v) * sizeof *x);
    free(x);
    free(y);
    kv_cache_free(c);
    kv_cache_free(d);
    toy_close(&t);
}

/* ---- the delayed cache ---- */

static struct decode_spec dkv(int32_t steps, int32_t refresh)
{
    struct decode_spec s = spec(CACHE_DKV, steps);
    s.refresh = refresh;
    return s;
}

/* Each forward against the definition: everything in a block's first two and in every refresh-th,
 * else all that was not decided before the previous forward. */
static void what_is_computed_is_what_was_open_before(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int32_t refresh = 0; refresh <= 4; refresh += 2) {
        struct decode_spec s = dkv(6, refresh);
        struct decoder *d;
        struct row_stat stats[3 * GEN] = {{0}};
        int32_t open_until[3][BEGIN + GEN], step = 0; /* the last forward it was masked in */
        s.logits = refresh == 2 ? LOGITS_ALL : LOGITS_MASKED;
        OK(decoder_diffusion.check(&s, &t.config));
        OK(decoder_diffusion.create(&s, &t.config, &d));
        memset(open_until, -1, sizeof open_until);
        for (; !decoder_diffusion.done(d); step++) {
            const int32_t *tokens = decoder_diffusion.tokens(d);
            int32_t in_block = step % 6;
            bool full = in_block <= 1 || (refresh && in_block % refresh == 0);
            struct step_work work = {0};
            struct pass p;
            for (int32_t b = 0; b < 3; b++)
                for (int32_t i = 0; i < BEGIN + GEN; i++)
                    if (tokens[b * (BEGIN + GEN) + i] == t.config.mask_id) open_until[b][i] = step;
            decoder_diffusion.next(d, &p);
            assert_int_equal(p.phase, full ? PHASE_REFRESH : PHASE_REUSE);
            assert_int_equal(p.n_seqs, 3);
            for (int32_t b = 0; b < 3; b++) {
                const struct pass_seq *q = &p.seq[b];
                int32_t n = 0;
                for (int32_t i = 0; i < BEGIN + GEN; i++) {
                    if (!full && open_until[b][i] < step - 1) continue;
                    assert_true(n < q->span.n_rows);
                    if (!full) assert_int_equal(q->positions[n], i);
                    assert_int_equal(q->tokens[n++], tokens[b * (BEGIN + GEN) + i]);
                }
                assert_int_equal(q->span.n_rows, n);
                assert_int_equal(q->n_kept, n);
                assert_int_equal(q->span.n_visible, BEGIN + GEN);
                if (s.logits == LOGITS_ALL) continue;
                for (int32_t j = 0; j < q->n_logits; j++)
                    assert_int_equal(q->tokens[q->logit_row[j]], t.config.mask_id);
                assert_int_equal(q->n_logits, 6 - in_block);
            }
            decoder_diffusion.accept(d, &p, stats, &work);
            assert_int_equal(work.tokens_committed, 3);
        }
        assert_int_equal(step, 18);
        decoder_diffusion.free(d);
    }
    toy_close(&t);
}

/* A refresh every forward is the uncached decoder, and so are blocks of two forwards.  With
 * one layer nothing is stale: keys and values are those of the tokens themselves. */
static void delayed_caching_is_exact_where_nothing_is_stale(void **state)
{
    struct toy t, one;
    struct kernels_config k = {.backend = "cpu", .n_threads = 2};
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (enum cache_policy cache = CACHE_PREFIX; cache <= CACHE_DKV; cache++) {
        struct decode_spec s = spec(cache, 5), plain = spec(CACHE_NONE, 5);
        s.refresh = 1;
        s.strategy = plain.strategy = STRATEGY_RANDOM;
        s.batch_policy = plain.batch_policy = cache == CACHE_DUAL ? BATCH_RAGGED : BATCH_LOCKSTEP;
        assert_same_decode(&t, &s, &plain);
    }
    struct decode_spec two = dkv(2, 0), plain = spec(CACHE_NONE, 2);
    assert_same_decode(&t, &two, &plain);

    OK(model_preset("tiny-test", 1, &one.config));
    OK(kernels_open(&k, &one.k));
    OK(model_create(one.k, &one.config, DTYPE_BF16, 7, &one.model));
    for (int i = 0; i < 4; i++) {
        two = dkv(6, i & 1 ? 3 : 0);
        two.block_length = i & 2 ? 0 : BLOCK;
        plain = two;
        plain.cache = CACHE_NONE;
        plain.refresh = 0;
        assert_same_decode(&one, &two, &plain);
    }
    toy_close(&one);
    toy_close(&t);
}

static void a_cache_wants_blocks(void **state)
{
    struct model_config c;
    struct decode_spec s = spec(CACHE_DUAL, 4);
    OK(model_preset("tiny-test", 0, &c));
    s.block_length = 0;
    assert_int_equal(decoder_diffusion.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "cache dual is renewed at each block: want a block-length"));
    s = dkv(4, 0);
    s.head = HEAD_SHIFTED;
    assert_int_equal(decoder_diffusion.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "want head same"));
    s = spec(CACHE_NONE, 4);
    s.refresh = 3;
    assert_int_equal(decoder_diffusion.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "refresh 3 renews a cache"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reuse_is_exact_right_after_a_refresh),
        cmocka_unit_test(reuse_drifts_after_a_reveal),
        cmocka_unit_test(one_layer_does_not_drift),
        cmocka_unit_test(a_refresh_is_the_uncached_forward),
        cmocka_unit_test(a_block_is_one_refresh_then_reuse),
        cmocka_unit_test(where_nothing_is_stale_tokens_are_uncached),
        cmocka_unit_test(what_is_beside_changes_nothing),
        cmocka_unit_test(scattered_rows_stand_where_they_say),
        cmocka_unit_test(what_is_computed_is_what_was_open_before),
        cmocka_unit_test(delayed_caching_is_exact_where_nothing_is_stale),
        cmocka_unit_test(a_cache_wants_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
