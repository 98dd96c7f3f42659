/* mean.h - mean of independent draws and its standard error: for what is sampled from a known
 * generator.  Timings are not: see stats.h. */
#ifndef BASE_MEAN_H
#define BASE_MEAN_H

#include <math.h>
#include <stdint.h>

struct mean {
    int64_t n;
    double mean, squares; /* sum of squared deviations from the mean so far */
};

/* Welford's update. */
static inline void mean_add(struct mean *m, double x)
{
    double was = x - m->mean;
    m->n++;
    m->mean += was / (double)m->n;
    m->squares += was * (x - m->mean);
}

/* Standard error of the mean; NaN below two draws. */
static inline double mean_error(const struct mean *m)
{
    double n = (double)m->n;
    return m->n < 2 ? NAN : sqrt(m->squares / (n - 1) / n);
}

/* A value with its 95 % confidence limits; NaN: not known. */
struct estimate {
    double value, lo, hi;
};

/* The mean over scale; limits by the normal approximation. */
static inline struct estimate mean_estimate(const struct mean *m, double scale)
{
    double half = 1.959964 * mean_error(m) / scale;
    if (m->n == 0) return (struct estimate){NAN, NAN, NAN};
    return (struct estimate){m->mean / scale, m->mean / scale - half, m->mean / scale + half};
}

#endif
