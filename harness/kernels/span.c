/* span.c - counting what a span sees, in closed form. */
#include "harness/kernels/span.h"

int64_t span_pairs(const struct span *s)
{
    int64_t n = s->n_rows, pos0 = s->pos0, b = s->block;
    if (s->mask == MASK_FULL) return n * s->n_visible;
    if (s->mask == MASK_CAUSAL) return n * pos0 + n * (n + 1) / 2;

    /* Whole blocks see up to their own end; the first may start and the last stop inside one,
     * and n_visible cuts off what lies beyond it. */
    int64_t pairs = 0;
    for (int64_t pos = pos0; pos < pos0 + n;) {
        int64_t block_end = (pos / b + 1) * b;
        int64_t stop = block_end < pos0 + n ? block_end : pos0 + n;
        int64_t sees = block_end < s->n_visible ? block_end : s->n_visible;
        pairs += (stop - pos) * sees;
        pos = stop;
    }
    return pairs;
}

int64_t span_keys(const struct span *s)
{
    return s->n_rows == 0 ? 0 : span_visible(s, s->n_rows - 1);
}
