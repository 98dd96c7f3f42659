/* span.h - one sequence's part of a forward: which positions are computed and
 * which cached positions they see.
 *
 * Row i of a span is position pos0 + i.  Its keys and values are written to the
 * cache before attention runs, so visible positions are always cache positions
 * 0 .. span_visible(s, i) - 1, the row's own among them.  The three masks differ
 * only in that count:
 *     causal   pos0 + i + 1
 *     full     n_visible
 *     block    the end of the row's block (blocks of `block` positions, the
 *              first at position 0), at most n_visible
 */
#ifndef KERNELS_SPAN_H
#define KERNELS_SPAN_H

#include <stdint.h>

enum mask { MASK_CAUSAL, MASK_FULL, MASK_BLOCK };

struct span {
    int32_t slot;      /* sequence in the KV cache                            */
    int32_t row0;      /* first row of this sequence in the [n, ...] tensors  */
    int32_t n_rows;    /* positions computed                                  */
    int32_t pos0;      /* position of the first                               */
    int32_t n_visible; /* cached positions that may be seen, these rows' included:
                          at least pos0 + n_rows                              */
    int32_t block;     /* MASK_BLOCK: positions per block                     */
    enum mask mask;
};

static inline int64_t span_visible(const struct span *s, int64_t row)
{
    int64_t pos = s->pos0 + row, end = s->n_visible;
    if (s->mask == MASK_CAUSAL) return pos + 1;
    if (s->mask == MASK_BLOCK) {
        int64_t block_end = (pos / s->block + 1) * s->block;
        if (block_end < end) end = block_end;
    }
    return end;
}

/* Visible (query, key) pairs of all rows. */
int64_t span_pairs(const struct span *s);

/* Distinct cached positions that some row sees. */
int64_t span_keys(const struct span *s);

#endif
