/* test_counts.c - whole decodes on the counting backend against an independent count.
 *
 * The count below follows docs/COUNTING.md forward by forward, from shapes alone; it
 * shares no code with cost.c, the model or the decoders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/app/plan.h"
#include "harness/base/rng.h"

struct totals {
    int64_t forwards, matmul, attention, weight, kv, committed, useful, rows, logit_rows;
};

struct shape {
    int64_t p_lin, head, d, v, n, h, hk, dh, s_kv;
    int64_t bytes_lin, bytes_head, bytes_vectors, bytes_embedded_row;
    int64_t batch, prompt, gen, block, steps;
    bool shifted, all_logits;
    enum cache_policy cache;
    bool fused, causal;
    int64_t refresh;
    enum strategy strategy;
    enum schedule schedule;
    bool guided;
    int64_t drafts;
    double acceptance;
    uint64_t seed;
};

/* A forward of B sequences: q rows each from position pos0, m logit rows in all; twice of
 * everything but the weights where each is computed without its prompt, too. */
static void forward(struct totals *t, const struct shape *g, int64_t pairs, int64_t q, int64_t seen,
                    int64_t m)
{
    int64_t batch = g->batch * (g->guided ? 2 : 1);
    if (g->guided) m *= 2;
    t->forwards++;
    t->rows += batch * q;
    t->logit_rows += m;
    t->matmul += 2 * batch * q * g->p_lin + 2 * m * g->v * g->d;
    t->attention += 4 * g->h * g->dh * g->n * batch * pairs;
    t->weight += g->bytes_lin + g->bytes_vectors + (m > 0 ? g->bytes_head : 0) +
                 g->bytes_embedded_row * batch * q;
    t->kv += 2 * g->hk * g->dh * g->s_kv * g->n * batch * (seen + q);
}

static void commit(struct totals *t, const struct shape *g, int64_t position)
{
    t->committed += g->batch;
    t->useful += g->batch * (2 * (g->p_lin + g->head) + 4 * g->h * g->dh * g->n * position);
}

static void count_ar(struct totals t[PHASE_COUNT], const struct shape *g)
{
    int64_t pairs = 0;
    for (int64_t i = 0; i < g->prompt; i++) pairs += i + 1;
    forward(&t[PHASE_PREFILL], g, pairs, g->prompt, g->prompt, g->batch);
    commit(&t[PHASE_PREFILL], g, g->prompt);
    for (int64_t i = 1; i < g->gen; i++) {
        int64_t len = g->prompt + i;
        forward(&t[PHASE_DECODE], g, len, 1, len, g->batch);
        commit(&t[PHASE_DECODE], g, len);
    }
}

/* Sequence by sequence: forwards over the last token and its drafts.  The draws are those of the
 * decoder, from the definition: word 0 of Philox at (position, 0, 4, request) below p 2^32. */
static void count_ar_verify(struct totals t[PHASE_COUNT], const struct shape *g)
{
    struct shape one = *g;
    int64_t pairs = 0, longest = 0, all = 0;
    struct totals *v = &t[PHASE_VERIFY];
    for (int64_t i = 0; i < g->prompt; i++) pairs += i + 1;
    forward(&t[PHASE_PREFILL], g, pairs, g->prompt, g->prompt, g->batch);
    commit(&t[PHASE_PREFILL], g, g->prompt);
    one.batch = 1;
    for (int64_t r = 0; r < g->batch; r++) {
        int64_t forwards = 0;
        for (int64_t len = g->prompt + 1, end = g->prompt + g->gen; len < end; forwards++) {
            int64_t q = g->drafts + 1 < end - len ? g->drafts + 1 : end - len, right = 0;
            for (bool ok = true; ok && right < q - 1; right += ok) {
                uint32_t at[4] = {(uint32_t)(len + right), 0, 4, (uint32_t)r};
                ok = philox4x32(at, g->seed).word[0] < g->acceptance * 4294967296.0;
            }
            for (pairs = 0, all = 0; all < q; all++) pairs += len + all;
            forward(v, &one, pairs, q, len + q - 1, q);
            for (int64_t j = 0; j <= right; j++) commit(v, &one, len++);
        }
        if (forwards > longest) longest = forwards;
    }
    /* The weights are read once for the sequences of a forward, not once for each. */
    v->weight -= (v->forwards - longest) * (g->bytes_lin + g->bytes_vectors + g->bytes_head);
    v->forwards = longest;
}

/* A canvas of random tokens: steps are steps of time, and all of it is decided by each. */
static bool is_noisy(const struct shape *g)
{
    return g->strategy == STRATEGY_UNIFORM || g->strategy == STRATEGY_RENOISE;
}

static int64_t steps_of(const struct shape *g, int64_t n)
{
    if (is_noisy(g)) return n > 0 ? g->steps : 0;
    return g->steps < n && g->strategy != STRATEGY_FIRST_HITTING ? g->steps : n;
}

/* Masks left of n after forward j of `steps`. */
static int64_t left_after(const struct shape *g, int64_t n, int64_t steps, int64_t j, int64_t left)
{
    if (g->strategy == STRATEGY_FIRST_HITTING) return left - 1;
    if (is_noisy(g)) return j == steps - 1 ? 0 : n;
    if (g->schedule == SCHEDULE_LINEAR) return left - n / steps - (j < n % steps ? 1 : 0);
    long double share = cosl(acosl(-1) / 2 * (j + 1) / steps);
    int64_t want = (int64_t)(n * share + 1e-12L), to_come = steps - j - 1;
    if (want >= left) want = left - 1;
    return want > to_come ? want : to_come;
}

/* Denoise n masks of [first, first + n) in at most `steps` forwards of q rows that see `seen`;
 * all: logit rows per sequence of every forward, when not just the masked ones. */
static void count_denoise(struct totals *t, const struct shape *g, int64_t n, int64_t q,
                          int64_t seen, int64_t all)
{
    int64_t steps = steps_of(g, n), left = n;
    for (int64_t j = 0; j < steps; j++) {
        forward(t, g, q * seen, q, seen, g->batch * (g->all_logits ? all : left));
        left = left_after(g, n, steps, j, left);
    }
}

static void commit_range(struct totals *t, const struct shape *g, int64_t begin, int64_t end)
{
    for (int64_t p = begin; p < end; p++) commit(t, g, p);
}

/* Forwards that compute everything, and between them others: over the block, or it and all after
 * it, or whatever was masked one forward earlier.  The reveals are counted from left to right; at
 * random they are the same ones in another order. */
static void count_cached(struct totals t[PHASE_COUNT], const struct shape *g, int64_t b,
                         int64_t block)
{
    int64_t len = g->prompt + g->gen, steps = steps_of(g, block);
    int64_t left = block, open_before = 0;
    for (int64_t j = 0; j < steps; j++) {
        int64_t next = left_after(g, block, steps, j, left), open = len - b - block + left;
        bool full =
            j == 0 || (g->refresh && j % g->refresh == 0) || (g->cache == CACHE_DKV && j == 1);
        int64_t q = full                     ? len
                    : g->cache == CACHE_DUAL ? block
                    : g->cache == CACHE_DKV  ? open_before
                                             : len - b;
        /* Generated rows among them: of everything, g->gen. */
        int64_t all = full ? g->gen : q - (g->shifted && b > 0 ? 1 : 0);
        struct totals *to = &t[full ? PHASE_REFRESH : PHASE_REUSE];
        forward(to, g, q * len, q, len, g->batch * (g->all_logits ? all : left));
        commit_range(to, g, b + block - left, b + block - next);
        left = next;
        open_before = open;
    }
}

static void count_diffusion(struct totals t[PHASE_COUNT], const struct shape *g)
{
    int64_t len = g->prompt + g->gen, block = g->block ? g->block : g->gen;
    for (int64_t b = g->prompt; b < len && g->cache != CACHE_NONE; b += block)
        count_cached(t, g, b, block);
    if (g->cache != CACHE_NONE) return;
    for (int64_t b = g->prompt; b < len; b += block) {
        count_denoise(&t[PHASE_DENOISE], g, block, len, len, g->gen);
        commit_range(&t[PHASE_DENOISE], g, b, b + block);
    }
}

/* Turn the first of the block's denoise forwards, just counted, into one that has the b clean
 * rows of the block before in front: they see what is before `begin` and give no logits. */
static void fuse(struct totals t[PHASE_COUNT], const struct shape *g, int64_t begin, int64_t all)
{
    int64_t b = g->block, end = begin + b;
    int64_t reveal = b - left_after(g, b, steps_of(g, b), 0, b),
            m = g->batch * (g->all_logits ? all : b);
    struct totals plain = {0}, *d = &t[PHASE_DENOISE];
    forward(&plain, g, b * end, b, end, m);
    commit_range(&plain, g, begin, begin + reveal);
    d->forwards -= plain.forwards;
    d->rows -= plain.rows;
    d->logit_rows -= plain.logit_rows;
    d->matmul -= plain.matmul;
    d->attention -= plain.attention;
    d->weight -= plain.weight;
    d->kv -= plain.kv;
    d->committed -= plain.committed;
    d->useful -= plain.useful;
    forward(&t[PHASE_FUSED], g, b * begin + b * end, 2 * b, end, m);
    commit_range(&t[PHASE_FUSED], g, begin, begin + reveal);
}

static void count_block(struct totals t[PHASE_COUNT], const struct shape *g)
{
    int64_t len = g->prompt + g->gen, b = g->block, start = g->prompt / b * b, pairs = 0;
    bool first_known = false;
    for (int64_t i = 0; i < start; i++) pairs += g->causal ? i + 1 : (i / b + 1) * b;
    if (start > 0) {
        first_known = g->shifted && start == g->prompt;
        forward(&t[PHASE_PREFILL], g, pairs, start, start, first_known ? g->batch : 0);
        if (first_known) commit(&t[PHASE_PREFILL], g, g->prompt);
    }
    for (int64_t begin = start; begin < len; begin += b) {
        int64_t end = begin + b, first = begin > g->prompt ? begin : g->prompt;
        if (first_known) first++;
        int64_t all = end - (g->prompt > begin ? g->prompt : begin + (g->shifted ? 1 : 0));
        bool carried = g->fused && begin > start;
        count_denoise(&t[PHASE_DENOISE], g, end - first, b, end, all);
        commit_range(&t[PHASE_DENOISE], g, first, end);
        if (carried) fuse(t, g, begin, all);
        if (g->fused && end < len) continue;
        first_known = g->shifted && end < len;
        pairs = g->causal ? b * begin + b * (b + 1) / 2 : b * end;
        forward(&t[PHASE_COMMIT], g, pairs, b, end, first_known ? g->batch : 0);
        if (first_known) commit(&t[PHASE_COMMIT], g, end);
    }
}

/* Bytes of a matrix: 4 or 2 a weight; int8's are 1, and 1 for each 32 of a row or part of 32. */
static int64_t matrix(const struct cell *c, int64_t rows, int64_t cols)
{
    if (c->dtype == DTYPE_INT8) return rows * (cols + (cols + 31) / 32);
    return rows * cols * (c->dtype == DTYPE_F32 ? 4 : 2);
}

static struct shape shape_of(const struct cell *c)
{
    struct model_config m;
    assert_int_equal(model_preset(c->model, c->layers, &m), ERR_NONE);
    int64_t d = m.d_model, q = m.n_head * m.d_head, kv = m.n_kv_head * m.d_head;
    int64_t layer = d * q + 2 * d * kv + q * d + 3 * d * m.d_ff;
    int64_t vectors = 2 * d + (m.qkv_bias ? q + 2 * kv : 0) + (m.qk_norm ? 2 * m.d_head : 0);
    int64_t s = c->dtype == DTYPE_F32 ? 4 : 2; /* of what is not int8 */
    return (struct shape){
        .p_lin = m.n_layer * layer,
        .head = (int64_t)m.n_vocab * d,
        .bytes_lin = m.n_layer * (matrix(c, q + 2 * kv, d) + matrix(c, d, q) +
                                  matrix(c, 2 * m.d_ff, d) + matrix(c, d, m.d_ff)),
        .bytes_head = matrix(c, m.n_vocab, d),
        .bytes_vectors = s * (m.n_layer * vectors + d),
        .bytes_embedded_row = m.tied ? matrix(c, 1, d) : s * d,
        .d = d,
        .v = m.n_vocab,
        .n = m.n_layer,
        .h = m.n_head,
        .hk = m.n_kv_head,
        .dh = m.d_head,
        .s_kv = c->kv_dtype == DTYPE_BF16 ? 2 : 4,
        .batch = c->spec.batch,
        .prompt = c->spec.n_prompt,
        .gen = c->spec.n_gen,
        .block = c->spec.block_length,
        .steps = c->spec.steps,
        .shifted = c->spec.head == HEAD_DEFAULT ? m.head_shifted : c->spec.head == HEAD_SHIFTED,
        .all_logits = c->spec.logits == LOGITS_ALL,
        .cache = c->spec.cache,
        .refresh = c->spec.refresh,
        .fused = c->spec.commit == COMMIT_FUSED,
        .causal = c->spec.commit == COMMIT_CAUSAL,
        .strategy = c->spec.strategy,
        .schedule = c->spec.schedule,
        .guided = c->spec.guidance > 0,
        .drafts = c->spec.draft_tokens,
        .acceptance = (double)c->spec.acceptance,
        .seed = c->spec.seed,
    };
}

static void compare(const struct cell *c)
{
    struct plan_target target;
    struct plan *p = malloc(sizeof *p);
    struct totals want[PHASE_COUNT] = {0};
    struct shape g = shape_of(c);
    char what[MODEL_NAME_SIZE + 200];
    snprintf(what, sizeof what,
             "%s/%d %s B%d P%d G%d b%d S%d k%d a%g cache %d every %d commit %d %s %s", c->model,
             c->layers, c->decoder, c->spec.batch, c->spec.n_prompt, c->spec.n_gen,
             c->spec.block_length, c->spec.steps, c->spec.draft_tokens, (double)c->spec.acceptance,
             c->spec.cache, c->spec.refresh, c->spec.commit, g.shifted ? "shifted" : "same",
             g.all_logits ? "all" : "masked");

    if (strcmp(c->decoder, "ar") == 0) count_ar(want, &g);
    if (strcmp(c->decoder, "ar-verify") == 0) count_ar_verify(want, &g);
    if (strcmp(c->decoder, "diffusion") == 0) count_diffusion(want, &g);
    if (strcmp(c->decoder, "block") == 0) count_block(want, &g);

    assert_int_equal(plan_target_sim("sim:a100-80gb", c->dtype, 0, &target), ERR_NONE);
    if (plan_cell(c, &target, p) != ERR_NONE) fail_msg("%s: %s", what, err_msg());
    assert_false(p->overflow);
    /* Which of a block's tokens its first forward reveals is chance: their sum is not. */
    bool by_chance = g.strategy == STRATEGY_RANDOM || g.strategy == STRATEGY_FIRST_HITTING;
    if ((g.cache != CACHE_NONE || g.fused) && by_chance) {
        struct step_work *refresh = &p->phase[g.fused ? PHASE_FUSED : PHASE_REFRESH].work;
        struct step_work *reuse = &p->phase[g.fused ? PHASE_DENOISE : PHASE_REUSE].work;
        int64_t off = want[g.fused ? PHASE_FUSED : PHASE_REFRESH].useful - refresh->flop_useful;
        refresh->flop_useful += off;
        reuse->flop_useful -= off;
    }
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        bool over;
        const struct phase_total *got = &p->phase[ph];
        struct cost cost = ledger_total(&got->ledger, &over).cost;
        const struct totals *w = &want[ph];
        if (got->forwards != w->forwards || got->work.rows != w->rows ||
            got->work.logit_rows != w->logit_rows || got->work.tokens_committed != w->committed ||
            got->work.flop_useful != w->useful || cost.flop_matmul != w->matmul ||
            cost.flop_attention != w->attention || cost.bytes[ROLE_WEIGHT] != w->weight ||
            cost.bytes[ROLE_KV] != w->kv)
            fail_msg("%s, %s: forwards %lld want %lld, rows %lld want %lld, logit rows %lld want "
                     "%lld, committed %lld want %lld, useful %lld want %lld, matmul %lld want "
                     "%lld, attention %lld want %lld, weight bytes %lld want %lld, kv bytes %lld "
                     "want %lld",
                     what, phase_name(ph), (long long)got->forwards, (long long)w->forwards,
                     (long long)got->work.rows, (long long)w->rows, (long long)got->work.logit_rows,
                     (long long)w->logit_rows, (long long)got->work.tokens_committed,
                     (long long)w->committed, (long long)got->work.flop_useful,
                     (long long)w->useful, (long long)cost.flop_matmul, (long long)w->matmul,
                     (long long)cost.flop_attention, (long long)w->attention,
                     (long long)cost.bytes[ROLE_WEIGHT], (long long)w->weight,
                     (long long)cost.bytes[ROLE_KV], (long long)w->kv);
        assert_true(cost.bytes_dram_lo <= cost.bytes_dram && cost.bytes_dram <= cost.bytes_dram_hi);
        assert_true(cost.bytes_dram_lo == cost.bytes[ROLE_WEIGHT] + cost.bytes[ROLE_KV]);
        assert_true(cost.flop_executed >= cost_flop(&cost));
    }
    free(p);
}

static struct cell cell_of(const char *model, int32_t layers, const char *decoder)
{
    struct cell c = {.layers = layers, .dtype = DTYPE_BF16, .kv_dtype = DTYPE_BF16};
    snprintf(c.model, sizeof c.model, "%s", model);
    snprintf(c.decoder, sizeof c.decoder, "%s", decoder);
    snprintf(c.device, sizeof c.device, "sim:a100-80gb");
    c.spec.seed = 1;
    return c;
}

/* One AR decode worked out by hand, so that the counter above is checked too. */
static void a_hand_worked_decode(void **state)
{
    /* llama3-8b, one layer: P_lin = 4096 (2 4096 + 2 1024 + 3 14336) = 218,103,808;
     * V D = 525,336,576; norms 2 4096 + 4096. */
    struct cell c = cell_of("llama3-8b", 1, "ar");
    struct plan *p = malloc(sizeof *p);
    struct plan_target target;
    bool over;
    c.spec.batch = 2;
    c.spec.n_prompt = 3;
    c.spec.n_gen = 2;
    assert_int_equal(plan_target_sim("sim:a100-80gb", c.dtype, 0, &target), ERR_NONE);
    assert_int_equal(plan_cell(&c, &target, p), ERR_NONE);
    struct cost pre = ledger_total(&p->phase[PHASE_PREFILL].ledger, &over).cost;
    struct cost dec = ledger_total(&p->phase[PHASE_DECODE].ledger, &over).cost;
    assert_int_equal(pre.flop_matmul, 2LL * 6 * 218103808 + 2LL * 2 * 525336576);
    assert_int_equal(pre.flop_attention, 4LL * 32 * 128 * 2 * (1 + 2 + 3));
    assert_int_equal(dec.flop_matmul, 2LL * 2 * 218103808 + 2LL * 2 * 525336576);
    assert_int_equal(dec.flop_attention, 4LL * 32 * 128 * 2 * 4);
    assert_int_equal(dec.bytes[ROLE_WEIGHT],
                     2LL * (218103808 + 3 * 4096 + 525336576) + 2LL * 4096 * 2);
    /* 2 sequences x (4 read + 1 written) positions x K and V x 8 heads x 128 x 2 bytes */
    assert_int_equal(dec.bytes[ROLE_KV], 2LL * 5 * 2 * 8 * 128 * 2);
    assert_int_equal(p->phase[PHASE_DECODE].work.flop_useful, cost_flop(&dec));
    free(p);
}

/* A number below n; state moves on. */
static int32_t pick(uint64_t *state, int32_t n)
{
    *state = mix64(*state);
    return (int32_t)(*state % (uint64_t)n);
}

/* Everything that is not about denoising, at random. */
static struct cell random_cell(uint64_t *r, const char *decoder)
{
    static const char *const models[] = {"llama3-8b", "llada-8b",     "qwen2.5-7b", "dream-7b",
                                         "sdar-8b",   "qwen2.5-0.5b", "tiny-test"};
    const char *model = models[pick(r, 7)];
    struct cell c = cell_of(model, pick(r, 4), decoder);
    c.dtype = pick(r, DTYPE_COUNT);
    c.kv_dtype = pick(r, 2) ? DTYPE_BF16 : DTYPE_F32;
    c.spec.batch = 1 + pick(r, 5);
    c.spec.n_prompt = 1 + pick(r, 40);
    c.spec.n_gen = 1 + pick(r, 60);
    return c;
}

static void autoregression_equals_the_independent_count(void **state)
{
    for (uint64_t i = 0; i < 200; i++) {
        uint64_t r = mix64(i);
        struct cell c = random_cell(&r, i % 2 ? "ar" : "ar-verify");
        c.spec.draft_tokens = pick(&r, 3) ? pick(&r, 9) : 0;
        c.spec.acceptance = (float)pick(&r, 5) / 4;
        compare(&c);
    }
}

static const enum strategy fixed[] = {
    STRATEGY_RANDOM,  STRATEGY_SEQUENTIAL,    STRATEGY_LOW_CONFIDENCE, STRATEGY_MARGIN,
    STRATEGY_ENTROPY, STRATEGY_FIRST_HITTING, STRATEGY_UNIFORM,        STRATEGY_RENOISE};
enum { N_FIXED = sizeof fixed / sizeof fixed[0] };

/* Where a denoiser's keys and values come from. */
static const struct keeping {
    const char *decoder;
    bool blocks, refreshes;
    enum cache_policy cache;
    enum commit_policy commit;
} keepings[] = {
    {"diffusion", false, false, CACHE_NONE, COMMIT_SEPARATE},
    {"diffusion", true, false, CACHE_NONE, COMMIT_SEPARATE},
    {"diffusion", true, false, CACHE_PREFIX, COMMIT_SEPARATE},
    {"diffusion", true, true, CACHE_PREFIX, COMMIT_SEPARATE},
    {"diffusion", true, false, CACHE_DUAL, COMMIT_SEPARATE},
    {"diffusion", true, true, CACHE_DUAL, COMMIT_SEPARATE},
    {"diffusion", true, false, CACHE_DKV, COMMIT_SEPARATE},
    {"diffusion", true, true, CACHE_DKV, COMMIT_SEPARATE},
    {"block", true, false, CACHE_NONE, COMMIT_SEPARATE},
    {"block", true, false, CACHE_NONE, COMMIT_FUSED},
    {"block", true, false, CACHE_NONE, COMMIT_CAUSAL},
};
enum { N_KEEPINGS = sizeof keepings / sizeof keepings[0] };

/* One of the product below; false: the decoder says that there is no such thing. */
static bool denoise_at_random(uint64_t i, const struct keeping *k, enum strategy strategy,
                              uint32_t bits)
{
    uint64_t r = mix64(i);
    bool noisy = strategy >= STRATEGY_UNIFORM, block = strcmp(k->decoder, "block") == 0;
    struct cell c = random_cell(&r, k->decoder);
    struct model_config m;
    c.spec.strategy = strategy;
    c.spec.schedule = bits & 1 ? SCHEDULE_COSINE : SCHEDULE_LINEAR;
    c.spec.logits = bits & 2 ? LOGITS_ALL : LOGITS_MASKED;
    c.spec.guidance = bits & 4 ? 0.5f : 0;
    c.spec.head = bits & 8 ? HEAD_SHIFTED : HEAD_SAME;
    c.spec.cache = k->cache;
    c.spec.commit = k->commit;
    c.spec.block_length = 1 + pick(&r, 12);
    c.spec.steps = 1 + pick(&r, 20);
    if (k->refreshes) c.spec.refresh = 1 + pick(&r, 6);
    int32_t whole = c.spec.block_length * (2 + pick(&r, 7));
    c.spec.n_gen = block ? whole * (1 + c.spec.n_prompt / whole) - c.spec.n_prompt : whole;
    if (!k->blocks) c.spec.block_length = 0;
    assert_int_equal(model_preset(c.model, c.layers, &m), ERR_NONE);
    bool refused = decoder_find(k->decoder)->check(&c.spec, &m) != ERR_NONE;
    /* Noise hides nothing that guidance could take away, and stands in no approximate cache nor
     * in blocks under a full mask; a shifted head asks rows that two policies do not compute. */
    bool none = (noisy && (c.spec.guidance > 0 || (!block && k->blocks))) ||
                ((bits & 8) && (k->cache == CACHE_DKV || k->commit == COMMIT_FUSED));
    if (refused != none) fail_msg("%s: %s", k->decoder, refused ? err_msg() : "not refused");
    return !none;
}

/* Every strategy with a fixed schedule x cache or commit x schedule x head x logits x guidance,
 * three shapes each. */
static void every_denoiser_equals_the_independent_count(void **state)
{
    int32_t compared = 0;
    for (uint64_t i = 0; i < N_FIXED * N_KEEPINGS * 16 * 3; i++)
        compared += denoise_at_random(i, &keepings[i % N_KEEPINGS], fixed[i / N_KEEPINGS % N_FIXED],
                                      i / N_KEEPINGS / N_FIXED % 16);
    /* 6 of masks: 11 keepings of 16, two with plain heads only and dkv twice: 16 x 8 + 8 x 3;
     * 2 of noise, without guidance: whole, separate, causal of 8, fused of 4 */
    assert_int_equal(compared, 3 * (6 * (16 * 8 + 8 * 3) + 2 * (8 * 3 + 4)));
}

/* Ragged batches: total work is the sum over sequences of what each would cost alone, as far
 * as rows and commits go; no sequence takes more forwards than the steps allow. */
static void ragged_commits_everything_once(void **state)
{
    struct cell c = cell_of("tiny-test", 0, "block");
    struct plan *p = malloc(sizeof *p);
    struct plan_target target;
    c.spec.batch = 6;
    c.spec.n_prompt = 8;
    c.spec.n_gen = 24;
    c.spec.block_length = 8;
    c.spec.steps = 8;
    c.spec.batch_policy = BATCH_RAGGED;
    assert_int_equal(plan_target_sim("sim:a100-80gb", c.dtype, 0, &target), ERR_NONE);
    assert_int_equal(plan_cell(&c, &target, p), ERR_NONE);
    const struct phase_total *d = &p->phase[PHASE_DENOISE];
    assert_int_equal(d->work.tokens_committed, 6 * 24);
    assert_true(d->forwards <= 3 * 8);
    assert_true(d->work.rows < d->forwards * 6 * 8); /* some sequence was done early */
    assert_int_equal(p->phase[PHASE_COMMIT].forwards, 3);
    assert_int_equal(p->phase[PHASE_COMMIT].work.rows, 3 * 6 * 8);
    free(p);
}

/* Beside the head, which works for the same rows, a dual cache saves of the FLOPs exactly what it
 * saves of the rows, and its refreshes have that share of them: q rows that all see L positions. */
static void a_dual_cache_gains_what_is_on_paper(void **state)
{
    static const int32_t steps[] = {1, 4, 8, 16, 32};
    struct plan *none = malloc(sizeof *none), *dual = malloc(sizeof *dual);
    struct plan_target target;
    bool over;
    for (size_t i = 0; i < 5; i++) {
        struct cell c = cell_of("llada-8b", 2, "diffusion");
        struct shape g = shape_of(&c);
        c.spec.batch = 2;
        c.spec.n_prompt = 768;
        c.spec.n_gen = 256;
        c.spec.block_length = 32;
        c.spec.steps = steps[i];
        assert_int_equal(plan_target_sim("sim:h200", c.dtype, 0, &target), ERR_NONE);
        assert_int_equal(plan_cell(&c, &target, none), ERR_NONE);
        c.spec.cache = CACHE_DUAL;
        assert_int_equal(plan_cell(&c, &target, dual), ERR_NONE);
        double flop[3] = {0};
        const struct phase_total *t[3] = {&none->phase[PHASE_DENOISE], &dual->phase[PHASE_REFRESH],
                                          &dual->phase[PHASE_REUSE]};
        for (int p = 0; p < 3; p++) {
            struct cost cost = ledger_total(&t[p]->ledger, &over).cost;
            flop[p] = (double)(cost_flop(&cost) - 2 * t[p]->work.logit_rows * g.head);
        }
        double gain = closed_dual_gain(1024, 32, steps[i]);
        double share = closed_dual_refresh_share(1024, 32, steps[i]);
        /* Sums below 2^53 are exact, so only divisions round. */
        assert_true(fabs(flop[0] / (flop[1] + flop[2]) / gain - 1) < 1e-14);
        assert_true(fabs(flop[1] / (flop[1] + flop[2]) / share - 1) < 1e-14);
        assert_int_equal(t[1]->forwards, 8);
        assert_int_equal(t[2]->forwards, 8 * (steps[i] - 1));
    }
    free(none);
    free(dual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hand_worked_decode),
        cmocka_unit_test(autoregression_equals_the_independent_count),
        cmocka_unit_test(every_denoiser_equals_the_independent_count),
        cmocka_unit_test(ragged_commits_everything_once),
        cmocka_unit_test(a_dual_cache_gains_what_is_on_paper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
