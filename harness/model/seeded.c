/* seeded.c - weights drawn from a seed. */
#include <math.h>

#include "harness/base/rng.h"
#include "harness/kernels/bf16.h"
#include "harness/model/normal_table.h"
#include "harness/model/weights.h"

/* offset + scale * normal, rounded to bf16.  A matrix's 1/sqrt(columns) keeps activations near 1;
 * a gain is near 1 and differs per channel, so that a kernel that drops it is caught.  IEEE
 * arithmetic only, so the same bytes everywhere. */
static void seeded_values(const void *ctx, const struct weight_row *w, int64_t begin, int64_t n,
                          float *out)
{
    const uint64_t *seed = ctx;
    float offset = w->kind == WEIGHT_GAIN ? 1.0f : 0.0f;
    float scale = w->kind == WEIGHT_MATRIX ? 1.0f / sqrtf((float)w->n_cols) : 0.125f;
    uint64_t matrix = mix64(*seed ^ mix64((uint64_t)w->layer * PART_COUNT + w->part));
    uint64_t key = mix64(matrix + (uint64_t)w->row);
    for (int64_t i = 0; i < n; i += 4) {
        uint64_t bits = mix64(key + (uint64_t)(begin + i));
        for (int64_t j = i; j < n && j < i + 4; j++, bits >>= 16) {
            float unit = (float)normal_table[bits & (NORMAL_TABLE_SIZE - 1)] / NORMAL_TABLE_ONE;
            out[j] = bf16_to_f32(bf16_from_f32(offset + scale * unit));
        }
    }
}

enum err weights_create_seeded(struct kernels *k, const struct model_config *c, enum dtype dtype,
                               uint64_t seed, struct weights *out)
{
    struct weight_source from = {.values = seeded_values, .ctx = &seed};
    return weights_create(k, c, dtype, &from, out);
}
