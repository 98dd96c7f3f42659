/* rope.c - see rope.h. */
#include "harness/kernels/rope.h"

#include <math.h>

/* Llama 3.1 slows the pairs that turn too rarely in the context it was trained with, blending
 * between 1 and 4 turns. */
double rope_frequency(const struct rope *r, int64_t j, int64_t half)
{
    const double low = 1, high = 4;
    double f = pow(r->base, -(double)j / (double)half);
    if (r->factor == 0) return f;
    double turns = r->original * f / (2 * 3.14159265358979323846);
    if (turns < low) return f / r->factor;
    if (turns > high) return f;
    double blend = (turns - low) / (high - low);
    return (1 - blend) * f / r->factor + blend * f;
}
