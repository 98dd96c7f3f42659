/* bench.c - rounds of passes, each with its own roofs, and what they amount to. */
#include "harness/app/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/mem.h"
#include "harness/base/stats.h"
#include "roofline/contention.h"

/* Passes of a round last about ROUND_NS; few if one takes that long. */
enum { ROUNDS = 4, PASSES_MIN = 3, PASSES_MAX = BENCH_SAMPLES_MAX / ROUNDS, ROUND_NS = 100000000 };

struct bench {
    struct engine *engine; /* borrowed */
    struct cell cell;
    struct kernels *k; /* owned */
    struct bench_pass *pass;
};

enum err bench_open(struct engine *e, const struct cell *c, int64_t max_rows, int64_t max_keys,
                    struct bench **out)
{
    enum err err = ERR_NONE;
    struct model_config config;
    struct bench *b = calloc(1, sizeof *b);
    struct kernels_config kc = {
        .backend = "cpu", .n_threads = engine_threads(e, c), .compute = c->compute};
    *out = NULL;
    if (!b) return err_set(ERR_NOMEM, "bench: out of memory");
    b->engine = e;
    b->cell = *c;
    err = kernels_open(&kc, &b->k);
    if (err == ERR_NONE) err = model_named(c->model, c->layers, &config);
    if (err == ERR_NONE) {
        int64_t bytes = model_bytes(b->k, &config, c->dtype) + max_rows * 4 * config.n_vocab +
                        max_keys * model_kv_bytes_per_position(&config, c->kv_dtype);
        int64_t free_bytes = mem_available_bytes();
        if (free_bytes >= 0 && bytes > free_bytes)
            err = err_set(ERR_NOMEM, "%s needs %.2f GB of memory, %.2f GB are available", c->model,
                          (double)bytes / 1e9, (double)free_bytes / 1e9);
    }
    if (err == ERR_NONE) err = bench_pass_open(b->k, c, max_rows, max_keys, &b->pass);
    if (err != ERR_NONE) {
        bench_close(b);
        return err;
    }
    *out = b;
    return ERR_NONE;
}

void bench_close(struct bench *b)
{
    if (!b) return;
    bench_pass_close(b->pass);
    kernels_close(b->k);
    free(b);
}

/* What an ideal machine of these roofs would take. */
static double ideal_ns(const struct bench_slot *s, const struct price *p)
{
    bool memory;
    struct tensor none = {0};
    struct price roofs = *p;
    roofs.launch_ns = 0;
    roofs.times = NULL;
    return price_call(&roofs, s->op, &s->cost, none, none, &memory);
}

static void keep_sample(struct bench_result *r, const struct price *p)
{
    for (int32_t i = 0; i < r->n; i++) {
        struct bench_slot *s = &r->slot[i];
        double ns = (double)s->ns / (double)s->calls;
        CHECK(s->n < BENCH_SAMPLES_MAX);
        s->sample_ns[s->n] = ns;
        s->fraction[s->n++] = ideal_ns(s, p) / ns;
        s->calls = s->ns = 0;
    }
}

static void summarise(double *x, int32_t n, double *median, double *lo, double *hi)
{
    stats_sort(x, n);
    *median = stats_median(x, n);
    if (!stats_median_ci(x, n, 0.95, lo, hi)) *lo = *hi = NAN;
}

static int64_t pass_ns(const struct bench_result *r)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < r->n; i++) sum += r->slot[i].ns;
    return sum;
}

static enum err run_round(struct bench *b, const struct bench_config *c, int32_t round,
                          struct bench_result *r, struct price *probed)
{
    struct price price[TIER_COUNT], p;
    bool resident;
    int64_t spent = 0;
    struct ceiling_set *roofs = calloc(1, sizeof *roofs);
    if (!roofs) return err_set(ERR_NOMEM, "roofs: out of memory");
    enum err e = engine_probe(b->engine, &b->cell, roofs);
    if (e == ERR_NONE) engine_price(b->engine, roofs, &b->cell, INT64_MAX, price, &resident);
    free(roofs);
    TRY(e);
    p = price[TIER_CEILINGS];
    probed[round] = p;
    for (int32_t i = 0; i < PASSES_MAX && (i < PASSES_MIN || spent < ROUND_NS); i++) {
        TRY(bench_pass_run(b->pass, c, false, r));
        spent += pass_ns(r);
        keep_sample(r, &p);
    }
    return ERR_NONE;
}

/* Of one field of the roofs of all rounds. */
static double median_of(const struct price *p, size_t offset)
{
    double v[ROUNDS];
    for (int32_t i = 0; i < ROUNDS; i++) memcpy(&v[i], (const char *)&p[i] + offset, sizeof v[i]);
    stats_sort(v, ROUNDS);
    return stats_median(v, ROUNDS);
}

enum err bench_run(struct bench *b, const struct bench_config *c, struct bench_result *out)
{
    struct price probed[ROUNDS];
    struct contention others;
    int64_t llc = engine_device(b->engine).llc_bytes;
    memset(out, 0, sizeof *out);
    out->threads = kernels_threads(b->k);
    out->variant = kernels_variant(b->k);
    out->cache_resident = bench_pass_bytes(b->pass) < 4 * llc;
    TRY(bench_pass_run(b->pass, c, true, out)); /* a warm-up, too */
    contention_begin(&others);
    for (int32_t i = 0; i < ROUNDS; i++) TRY(run_round(b, c, i, out, probed));
    out->other_cpus = contention_end(&others).other_cpus;
    out->matmul_flop_per_s = median_of(probed, offsetof(struct price, matmul_flop_per_s));
    out->other_flop_per_s = median_of(probed, offsetof(struct price, vector_flop_per_s));
    out->bytes_per_s = median_of(probed, offsetof(struct price, bytes_per_s));
    for (int32_t i = 0; i < out->n; i++) {
        struct bench_slot *s = &out->slot[i];
        summarise(s->sample_ns, s->n, &s->time_ns, &s->time_lo_ns, &s->time_hi_ns);
        summarise(s->fraction, s->n, &s->roof_fraction, &s->fraction_lo, &s->fraction_hi);
    }
    return ERR_NONE;
}
