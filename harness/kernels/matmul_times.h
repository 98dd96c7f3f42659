/* matmul_times.h - how long matmuls of given shapes took, and so how long others will.
 *
 * Where max(FLOP / peak, bytes / bandwidth) says what an ideal machine could do, this says what
 * these kernels do: a table of time against rows for each weight shape.  A time read from it is
 * calibrated, not predicted. */
#ifndef KERNELS_MATMUL_TIMES_H
#define KERNELS_MATMUL_TIMES_H

#include <stdbool.h>

#include "harness/kernels/tensor.h"

/* What a time holds for, beside the rows. */
struct matmul_shape {
    int64_t columns, inner; /* y[rows, columns] = x[rows, inner] . w^T */
    enum dtype weight;
    int32_t threads;
    bool cache_resident; /* the weights came from a cache */
    enum dtype compute;  /* of the products */
};

struct matmul_time {
    struct matmul_shape shape;
    int64_t rows;
    double ns;
};

/* In the order of matmul_times_sort; no two of the same shape and rows. */
struct matmul_times {
    struct matmul_time *time; /* owned by whoever made it */
    int32_t n;
};

void matmul_times_sort(struct matmul_times *t);

/* Whether there is any time of that shape. */
bool matmul_times_knows(const struct matmul_times *t, const struct matmul_shape *s);

/* Nanoseconds of a known shape at any number of rows: linear between measured numbers of rows,
 * as the first below them, in proportion to the last above. */
double matmul_times_ns(const struct matmul_times *t, const struct matmul_shape *s, int64_t rows);

#endif
