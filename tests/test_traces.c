/* test_traces.c - commit traces: a replayed decode is the decode, and what is none is refused
 * with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/replay.h"
#include "diffusion/strategy.h"
#include "harness/app/decoders.h"
#include "harness/app/plan.h"
#include "results/cell.h"
#include "tests/traced.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

static const struct decode_spec plain = {.batch = 3,
                                         .n_prompt = 9,
                                         .n_gen = 15,
                                         .block_length = 8,
                                         .steps = 5,
                                         .seed = 5,
                                         .threshold = 0.02f,
                                         .entropy_bound = 5,
                                         .factor = 3,
                                         .informed = true};

/* Decided by the trace, by a strategy that would do otherwise: the same lines come out again, and
 * the same tokens. */
static void a_replay_is_the_decode(void **state)
{
    static const struct {
        const char *decoder;
        enum cache_policy cache;
        enum head_policy head;
    } ways[] = {{"diffusion", CACHE_NONE, HEAD_SAME},   {"diffusion", CACHE_DUAL, HEAD_SHIFTED},
                {"diffusion", CACHE_PREFIX, HEAD_SAME}, {"diffusion", CACHE_DKV, HEAD_SAME},
                {"block", CACHE_NONE, HEAD_SAME},       {"block", CACHE_NONE, HEAD_SHIFTED}};
    static struct traced first, again;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        for (int which = 0; which < STRATEGY_REMDM_CAP; which++) {
            struct decode_spec s = plain;
            s.strategy = (enum strategy)which;
            s.cache = ways[i].cache;
            s.head = ways[i].head;
            if (strcmp(ways[i].decoder, "diffusion") == 0) s.block_length = 5;
            traced_decode(&t, decoder_find(ways[i].decoder), &s, &first);
            struct commit_trace *trace = traced_parse(first.text);
            s.strategy = which == STRATEGY_RANDOM ? STRATEGY_THRESHOLD : STRATEGY_SEQUENTIAL;
            s.informed = false;
            s.trace = trace;
            traced_decode(&t, decoder_find(ways[i].decoder), &s, &again);
            traced_same(&first, &again, &s);
            commit_trace_free(trace);
            traced_free(&first);
            traced_free(&again);
        }
    toy_close(&t);
}

/* A plan of the trace counts its forwards, each with the sequences it had. */
static void a_plan_follows_the_trace(void **state)
{
    static const char text[] =
        "{\"request\":0,\"forward\":0,\"phase\":\"denoise\",\"committed\":[0,1,2,3]}\n"
        "{\"request\":1,\"forward\":0,\"phase\":\"denoise\",\"committed\":[]}\n"
        "{\"request\":1,\"forward\":1,\"phase\":\"denoise\",\"committed\":[3,0],\"eos\":3}\n"
        "{\"request\":0,\"forward\":1,\"phase\":\"denoise\",\"committed\":[7,6,5,4],\"eos\":5}\n"
        "{\"request\":1,\"forward\":2,\"phase\":\"denoise\",\"committed\":[1,2]}\n"
        "{\"request\":1,\"forward\":3,\"phase\":\"denoise\",\"committed\":[4,5,6,7],\"block\":2}";
    struct commit_trace *trace = traced_parse(text);
    struct plan *p = malloc(sizeof *p);
    struct plan_target target;
    struct cell c = {.model = "tiny-test",
                     .decoder = "block",
                     .kv_dtype = DTYPE_BF16,
                     .spec = {.batch = 2, .n_prompt = 6, .n_gen = 8, .block_length = 4, .seed = 1}};
    c.spec.strategy = STRATEGY_FACTOR;
    c.spec.trace = trace;
    c.spec.n_prompt = 4;
    assert_int_equal(trace->request[1].forward[3].block, 2);
    OK(plan_target_sim("sim:a100-80gb", c.dtype, 0, &target));
    /* Blocks are numbered from the first that is denoised. */
    assert_int_equal(plan_cell(&c, &target, p), ERR_USAGE);
    assert_string_equal(err_msg(), "t.jsonl:6: block 2; expected 1 with block-length 4");
    trace->request[1].forward[3].block = 1;
    OK(plan_cell(&c, &target, p));
    /* The first block takes both 3 forwards, sequence 0 being in 1; the second takes 1. */
    const struct step_work *w = &p->phase[PHASE_DENOISE].work;
    assert_int_equal(p->phase[PHASE_DENOISE].forwards, 3 + 1);
    assert_int_equal(w->seqs, 2 + 1 + 1 + 2);
    assert_int_equal(w->logit_rows, 4 + 4 + 4 + 2 + 4 + 4);
    assert_int_equal(p->phase[PHASE_COMMIT].forwards, 2);
    /* Sequence 0 ends with position 5, sequence 1 with 3: 6 + 4 tokens of 16. */
    assert_int_equal(w->tokens_committed, 10);
    assert_int_equal(w->tokens_past_eos, 6);
    int64_t useful = 0;
    for (int32_t pos = 0; pos < 6; pos++) useful += token_useful_flop(&p->config, 4 + pos);
    for (int32_t pos = 0; pos < 4; pos++) useful += token_useful_flop(&p->config, 4 + pos);
    assert_int_equal(w->flop_useful, useful);
    commit_trace_free(trace);
    free(p);
}

/* ---- what is refused ---- */

#define GOOD LINE(0, 0, "denoise", "[0,1]")

static void files_that_are_no_traces_are_refused(void **state)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "t.jsonl: empty; expected one JSON object a line"},
        {GOOD "\n", "t.jsonl:2: the line is empty; expected one JSON object"},
        {GOOD "{\"request\":0,", "t.jsonl:2: not JSON from column"},
        {"[1]\n", "t.jsonl:1: expected one JSON object"},
        {"{} {}\n", "t.jsonl:1: more than one JSON object"},
        {GOOD "{\"request\":0,\"forward\":1,\"phase\":\"denoise\"}\n",
         "t.jsonl:2: key \"committed\" is missing"},
        {"{\"request\":0,\"forward\":0,\"committed\":[]}\n", "t.jsonl:1: key \"phase\" is missing"},
        {"{\"request\":0,\"request\":0,\"forward\":0,\"phase\":\"denoise\",\"committed\":[]}\n",
         "t.jsonl:1: key \"request\" is there twice"},
        {"{\"request\":0,\"forward\":0,\"phase\":\"denoise\",\"committed\":[],\"tokens\":[]}\n",
         "t.jsonl:1: unknown key \"tokens\""},
        {LINE("0", 0, "denoise", "[]"), "t.jsonl:1: request: expected a whole number"},
        {LINE(0.5, 0, "denoise", "[]"), "t.jsonl:1: request: expected a whole number"},
        {LINE(-1, 0, "denoise", "[]"), "t.jsonl:1: request: expected a whole number"},
        {LINE(1, 0, "denoise", "[]"), "t.jsonl:1: request 1 comes before request 0"},
        {LINE(0, 1, "denoise", "[]"), "t.jsonl:1: forward 1 of request 0; expected its forwards in "
                                      "order, this one being 0"},
        {GOOD LINE(0, 0, "denoise", "[2]"), "t.jsonl:2: forward 0 of request 0"},
        {LINE(0, 0, "decode", "[]"), "t.jsonl:1: phase: expected prefill, denoise"},
        {LINE(0, 0, "denoise", "3"), "t.jsonl:1: committed: expected a list of positions"},
        {LINE(0, 0, "denoise", "[-3]"), "t.jsonl:1: committed: expected a whole number from 0"},
        {LINE(0, 0, "denoise", "[1,1]"), "t.jsonl:1: position 1 of request 0 is committed twice"},
        {GOOD LINE(0, 1, "denoise", "[2,1]"),
         "t.jsonl:2: position 1 of request 0 is committed twice"},
        {"{\"request\":0,\"forward\":0,\"phase\":\"denoise\",\"committed\":[4],\"eos\":5}\n",
         "t.jsonl:1: eos: expected one of the positions this line commits"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct commit_trace *t;
        assert_int_equal(commit_trace_parse("t.jsonl", cases[i].text, strlen(cases[i].text), &t),
                         ERR_USAGE);
        assert_null(t);
        if (strncmp(err_msg(), cases[i].sentence, strlen(cases[i].sentence)) != 0)
            fail_msg("\"%s\" does not begin with \"%s\"", err_msg(), cases[i].sentence);
    }
    struct commit_trace *t;
    assert_int_equal(commit_trace_load("/nowhere/t.jsonl", &t), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "/nowhere/t.jsonl"));
}

static void traces_of_other_decodes_are_refused(void **state)
{
    static const struct {
        const char *decoder;
        int32_t block;
        enum head_policy head;
        enum cache_policy cache;
        const char *text, *sentence; /* NULL: it fits */
    } cases[] = {
        {"diffusion", 0, HEAD_SAME, CACHE_NONE, LINE(0, 0, "denoise", "[3,2,1,0]"), NULL},
        {"diffusion", 0, HEAD_SAME, CACHE_NONE, LINE(0, 0, "denoise", "[0,1,2,4]"),
         "t.jsonl:1: position 4 is not one of the 4 generated"},
        {"diffusion", 0, HEAD_SAME, CACHE_NONE, LINE(0, 0, "denoise", "[0,1,3]"),
         "t.jsonl:1: request 0 ends without position 2 of 4"},
        {"diffusion", 0, HEAD_SAME, CACHE_NONE,
         LINE(0, 0, "denoise", "[0,1,2,3]") LINE(0, 1, "denoise", "[]"),
         "t.jsonl:2: a denoise forward after everything is committed"},
        {"diffusion", 2, HEAD_SAME, CACHE_NONE, LINE(0, 0, "denoise", "[0,2]"),
         "t.jsonl:1: position 2 is outside block 0..1, which is not finished"},
        {"diffusion", 2, HEAD_SHIFTED, CACHE_DUAL,
         LINE(0, 0, "refresh", "[1]") LINE(0, 1, "reuse", "[0]") LINE(0, 2, "refresh", "[2,3]"),
         "t.jsonl:1: the block's first forward must commit position 0"},
        {"block", 2, HEAD_SAME, CACHE_NONE,
         LINE(0, 0, "prefill", "[]") LINE(0, 1, "denoise", "[0,1]") LINE(0, 2, "commit", "[]")
             LINE(0, 3, "denoise", "[3]") LINE(0, 4, "denoise", "[2]") LINE(0, 5, "commit", "[]"),
         NULL},
        {"block", 2, HEAD_SAME, CACHE_NONE,
         LINE(0, 0, "prefill", "[0]") LINE(0, 1, "denoise", "[1]"),
         "t.jsonl:1: a prefill forward commits position 0, which here a denoise forward must"},
        {"block", 2, HEAD_SHIFTED, CACHE_NONE,
         LINE(0, 0, "prefill", "[0]") LINE(0, 1, "denoise", "[1]") LINE(0, 2, "commit", "[2]")
             LINE(0, 3, "denoise", "[3]") LINE(0, 4, "commit", "[]"),
         NULL},
        {"block", 2, HEAD_SHIFTED, CACHE_NONE, LINE(0, 0, "denoise", "[0,1]"),
         "t.jsonl:1: a denoise forward commits position 0, which here the forward before its "
         "block gives"},
    };
    struct model_config c;
    OK(model_preset("tiny-test", 0, &c));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct commit_trace *t = traced_parse(cases[i].text);
        struct decode_spec s = {.batch = 1,
                                .n_prompt = 4,
                                .n_gen = 4,
                                .block_length = cases[i].block,
                                .head = cases[i].head,
                                .cache = cases[i].cache,
                                .strategy = STRATEGY_THRESHOLD,
                                .trace = t};
        traced_check(decoder_find(cases[i].decoder), &s, cases[i].sentence);
        s.batch = 2;
        assert_int_equal(decoder_find(cases[i].decoder)->check(&s, &c), ERR_USAGE);
        s.batch = 1;
        s.strategy = STRATEGY_REMDM_CAP;
        assert_int_equal(decoder_find(cases[i].decoder)->check(&s, &c), ERR_USAGE);
        commit_trace_free(t);
    }
}

/* ---- keys ---- */

static void a_changed_trace_is_another_cell(void **state)
{
    struct cell a = {.model = "tiny-test", .decoder = "block", .spec = plain}, b;
    char key_a[CELL_KEY_SIZE], key_b[CELL_KEY_SIZE];
    struct commit_trace *one = traced_parse(GOOD),
                        *two = traced_parse(LINE(0, 0, "denoise", "[1,0]"));
    cell_key(&a, key_a);
    b = a;
    memcpy(b.trace_sha256, one->sha256, sizeof b.trace_sha256);
    cell_key(&b, key_b);
    assert_string_not_equal(key_a, key_b);
    a = b;
    a.spec.steps = 3; /* the trace decides */
    a.spec.threshold = 0.5f;
    a.spec.batch_policy = BATCH_RAGGED;
    strcpy(a.trace, "elsewhere.jsonl");
    cell_key(&a, key_a);
    assert_string_equal(key_a, key_b);
    memcpy(b.trace_sha256, two->sha256, sizeof b.trace_sha256);
    cell_key(&b, key_b);
    assert_string_not_equal(key_a, key_b);
    commit_trace_free(one);
    commit_trace_free(two);
}

/* ---- stragglers ---- */

/* Blocks of 64 with up to 8 steps: of 8 sequences the last takes E[max] = sum over k of
 * k (F(k)^8 - F(k - 1)^8), against the mean of each.  B forwards - c seqs has mean 0 at
 * c = E[max] / mean, and a standard deviation of at most sd(max) + c sd(mean of 8) a block, times
 * 8; one in 150,000 tests fails at 4.5 of them. */
static void the_batch_waits_for_the_last_sequence(void **state)
{
    enum { BATCH = 8, S = 8, BLOCKS = 400 };
    struct plan *p = malloc(sizeof *p);
    struct plan_target target;
    struct model_config config;
    OK(model_preset("tiny-test", 0, &config));
    for (enum batch_policy policy = BATCH_RAGGED; policy <= BATCH_GEOMETRIC; policy++) {
        double mean = 0, square = 0, e_max = 0, max_square = 0, f = 0;
        for (int32_t k = 1; k <= 64; k++) { /* no block takes more than it has masks */
            double pk = policy == BATCH_RAGGED ? (k <= S) / (double)S
                        : k < 64               ? pow(1 - 1.0 / S, k - 1) / S
                                               : pow(1 - 1.0 / S, 63);
            double up = pow(f + pk, BATCH) - pow(f, BATCH);
            mean += k * pk;
            square += k * k * pk;
            e_max += k * up;
            max_square += k * k * up;
            f += pk;
        }
        double forwards = 0, seqs = 0, c = e_max / mean;
        for (uint64_t seed = 0; seed < BLOCKS / 5; seed++) {
            struct cell cell = {.model = "tiny-test",
                                .decoder = "block",
                                .layers = 1,
                                .spec = {.batch = BATCH,
                                         .n_gen = 5 * 64,
                                         .block_length = 64,
                                         .steps = S,
                                         .seed = seed,
                                         .batch_policy = policy}};
            OK(plan_target_sim("sim:a100-80gb", cell.dtype, 0, &target));
            OK(plan_cell(&cell, &target, p));
            forwards += (double)p->phase[PHASE_DENOISE].forwards;
            seqs += (double)p->phase[PHASE_DENOISE].work.seqs;
        }
        double sd = sqrt(max_square - e_max * e_max) + c * sqrt((square - mean * mean) / BATCH);
        double z = (BATCH * forwards - c * seqs) / (BATCH * sd * sqrt(BLOCKS));
        if (!(fabs(z) < 4.5))
            fail_msg("policy %d: straggler factor %.4f, want %.4f: z = %.2f", policy,
                     BATCH * forwards / seqs, c, z);
        /* The bound is worth something: a batch that waited for nobody would be far off. */
        assert_true((e_max - mean) / (sd / sqrt(BLOCKS)) > 9);
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_is_the_decode),
        cmocka_unit_test(a_plan_follows_the_trace),
        cmocka_unit_test(files_that_are_no_traces_are_refused),
        cmocka_unit_test(traces_of_other_decodes_are_refused),
        cmocka_unit_test(a_changed_trace_is_another_cell),
        cmocka_unit_test(the_batch_waits_for_the_last_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
