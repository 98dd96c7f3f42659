/* matmul_times.c - a sorted table and interpolation in it. */
#include "harness/kernels/matmul_times.h"

#include <stdlib.h>

#include "harness/base/err.h"

static int by_number(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_shapes(const struct matmul_shape *a, const struct matmul_shape *b)
{
    int c = by_number(a->threads, b->threads);
    if (c == 0) c = by_number(a->cache_resident, b->cache_resident);
    if (c == 0) c = by_number(a->weight, b->weight);
    if (c == 0) c = by_number(a->compute, b->compute);
    if (c == 0) c = by_number(a->columns, b->columns);
    return c ? c : by_number(a->inner, b->inner);
}

static int compare(const void *x, const void *y)
{
    const struct matmul_time *a = x, *b = y;
    int c = compare_shapes(&a->shape, &b->shape);
    return c ? c : by_number(a->rows, b->rows);
}

void matmul_times_sort(struct matmul_times *t)
{
    if (t->n > 1) qsort(t->time, (size_t)t->n, sizeof *t->time, compare);
}

/* The entries of one shape, first .. last in rising rows; NULL: none. */
static const struct matmul_time *find(const struct matmul_times *t, const struct matmul_shape *s,
                                      const struct matmul_time **last)
{
    int32_t lo = 0, hi = t->n;
    while (lo < hi) {
        int32_t middle = lo + (hi - lo) / 2;
        if (compare_shapes(&t->time[middle].shape, s) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    int32_t end = lo;
    while (end < t->n && compare_shapes(&t->time[end].shape, s) == 0) end++;
    if (end == lo) return NULL;
    *last = &t->time[end - 1];
    return &t->time[lo];
}

bool matmul_times_knows(const struct matmul_times *t, const struct matmul_shape *s)
{
    const struct matmul_time *last;
    return find(t, s, &last) != NULL;
}

double matmul_times_ns(const struct matmul_times *t, const struct matmul_shape *s, int64_t rows)
{
    const struct matmul_time *last, *a = find(t, s, &last);
    CHECK(a != NULL);
    if (rows <= a->rows) return a->ns;
    if (rows >= last->rows) return last->ns * (double)rows / (double)last->rows;
    while (rows > a[1].rows) a++;
    double part = (double)(rows - a->rows) / (double)(a[1].rows - a->rows);
    return a->ns + part * (a[1].ns - a->ns);
}
