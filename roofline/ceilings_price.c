/* ceilings_price.c - what measured roofs mean: flags, curves, and the price of a call. */
#include "roofline/ceilings.h"
#include "roofline/cuda/ceilings_cuda.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct curve_point {
    double log_bytes, bytes_per_s;
    int64_t bytes;
};

const struct ceiling *ceilings_find(const struct ceiling_set *s, const char *name,
                                    const char *level, int32_t threads)
{
    for (int32_t i = 0; i < s->n; i++) {
        const struct ceiling *c = &s->row[i];
        if (c->threads != threads || strcmp(c->name, name) != 0) continue;
        if (level == NULL || (c->level != NULL && strcmp(c->level, level) == 0)) return c;
    }
    return NULL;
}

void ceiling_add_flag(struct ceiling *c, const char *flag)
{
    size_t used = strlen(c->flag);
    snprintf(c->flag + used, sizeof c->flag - used, "%s%s", used > 0 ? "," : "", flag);
}

void ceilings_flag_core_limit(struct ceiling_set *set)
{
    const char *limit = "core-read-limit";
    struct ceiling *before = NULL;
    for (int32_t i = 0; i < set->n; i++) {
        struct ceiling *c = &set->row[i];
        if (c->level == NULL || strcmp(c->level, "dram") != 0) continue;
        /* A disturbed measurement shows nothing about scaling. */
        bool fair = before != NULL && strstr(before->flag, "disturbed") == NULL &&
                    strstr(c->flag, "disturbed") == NULL;
        if (fair && c->value * before->threads >= 0.9 * c->threads * before->value) {
            if (strstr(before->flag, limit) == NULL) ceiling_add_flag(before, limit);
            ceiling_add_flag(c, limit);
        }
        before = c;
    }
}

/* Every read bandwidth of that thread count, whatever its level, by size. */
static int32_t curve_of(const struct ceiling_set *s, int32_t threads,
                        struct curve_point curve[CEILINGS_MAX])
{
    int32_t n = 0;
    for (int32_t i = 0; i < s->n; i++) {
        const struct ceiling *c = &s->row[i];
        if (c->threads != threads || strcmp(c->name, "read") != 0) continue;
        int32_t at = n++;
        for (; at > 0 && curve[at - 1].bytes > c->working_set_bytes; at--)
            curve[at] = curve[at - 1];
        curve[at] = (struct curve_point){log2((double)c->working_set_bytes), c->value,
                                         c->working_set_bytes};
    }
    return n;
}

/* Fewer points than this are levels, not a curve. */
enum { CURVE_MIN = 4 };

static int64_t cold_bytes(const struct ceiling_set *s, const struct curve_point *curve, int32_t n)
{
    if (n < CURVE_MIN) return 4 * s->llc_bytes;
    /* Beyond four caches both of the last points read DRAM; the better one had the quieter
     * moment. */
    int32_t first = n - 1;
    double dram = curve[n - 1].bytes_per_s;
    if (curve[n - 2].bytes >= 4 * s->llc_bytes && curve[n - 2].bytes_per_s > dram)
        dram = curve[n - 2].bytes_per_s;
    double limit = 1.05 * dram;
    while (first > 0 && curve[first - 1].bytes_per_s <= limit) first--;
    /* Four caches hold a quarter at most: a curve that says more met a memory that changed. */
    return curve[first].bytes < 4 * s->llc_bytes ? curve[first].bytes : 4 * s->llc_bytes;
}

int64_t ceilings_cold_bytes(const struct ceiling_set *s, int32_t threads)
{
    struct curve_point curve[CEILINGS_MAX];
    int32_t n = curve_of(s, threads, curve);
    return cold_bytes(s, curve, n);
}

/* Linear in the logarithm of the size; the ends go on level. */
static double bandwidth_at(const struct curve_point *curve, int32_t n, int64_t bytes)
{
    if (bytes <= curve[0].bytes) return curve[0].bytes_per_s;
    for (int32_t i = 1; i < n; i++) {
        const struct curve_point *a = &curve[i - 1], *b = &curve[i];
        if (bytes > b->bytes) continue;
        double t = (log2((double)bytes) - a->log_bytes) / (b->log_bytes - a->log_bytes);
        return a->bytes_per_s + t * (b->bytes_per_s - a->bytes_per_s);
    }
    return curve[n - 1].bytes_per_s;
}

void ceilings_price(const struct ceiling_set *s, int32_t threads, enum dtype compute,
                    int64_t weight_bytes, struct price *out, bool *cache_resident)
{
    struct curve_point curve[CEILINGS_MAX];
    int32_t n = curve_of(s, threads, curve);
    const struct ceiling *dram = ceilings_find(s, "read", "dram", threads);
    const struct ceiling *peak = ceilings_find(s, "fma_f32", NULL, threads);
    const char *of_products = compute == DTYPE_BF16   ? "bf16_dot"
                              : compute == DTYPE_INT8 ? "int8_dot"
                                                      : "fma_f32";
    const struct ceiling *products = ceilings_find(s, of_products, NULL, threads);
    const struct ceiling *call = ceilings_find(s, "team_run", NULL, threads);
    *cache_resident = weight_bytes < cold_bytes(s, curve, n);
    *out = (struct price){.known = false};
    if (dram == NULL || peak == NULL || products == NULL) return;
    *out = (struct price){
        .known = true,
        .matmul_flop_per_s = products->value,
        .attention_flop_per_s = peak->value,
        .vector_flop_per_s = peak->value,
        .bytes_per_s = *cache_resident ? bandwidth_at(curve, n, weight_bytes) : dram->value,
        .launch_ns = call != NULL ? call->value : 0,
    };
}

void ceilings_cuda_price(const struct ceiling_set *s, const struct ceilings_cuda_use *use,
                         int64_t weight_bytes, struct price *out, bool *cache_resident)
{
    struct curve_point curve[CEILINGS_MAX];
    int32_t n = curve_of(s, 0, curve);
    const struct ceiling *dram = ceilings_find(s, "read", "dram", 0);
    const struct ceiling *half = ceilings_find(s, "matmul_bf16", NULL, 0);
    const struct ceiling *f32 = ceilings_find(s, "matmul_f32", NULL, 0);
    const struct ceiling *call = ceilings_find(s, use->graph ? "launch_graph" : "launch", NULL, 0);
    *cache_resident = weight_bytes < cold_bytes(s, curve, n);
    *out = (struct price){.known = false};
    if (!dram || !half || !f32) return;
    *out = (struct price){
        .known = true,
        .matmul_flop_per_s = use->weights == DTYPE_F32 ? f32->value : half->value,
        .attention_flop_per_s = use->kv == DTYPE_F32 ? f32->value : half->value,
        .vector_flop_per_s = f32->value,
        .bytes_per_s = *cache_resident ? bandwidth_at(curve, n, weight_bytes) : dram->value,
        .launch_ns = call ? call->value : 0,
    };
}
