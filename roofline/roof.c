/* roof.c - see roof.h. */
#include "roofline/roof.h"

#include <math.h>
#include <stddef.h>

double roof_intensity(double flop, double bytes)
{
    if (bytes == 0.0) return flop > 0.0 ? INFINITY : NAN;
    return flop / bytes;
}

double roof_ridge(struct roof r)
{
    return r.flop_per_s / r.bytes_per_s;
}

double roof_attainable(struct roof r, double intensity)
{
    if (isnan(intensity)) return NAN;
    double by_bytes = intensity * r.bytes_per_s;
    return by_bytes < r.flop_per_s ? by_bytes : r.flop_per_s;
}

double roof_time(struct roof r, double flop, double bytes)
{
    double compute = flop / r.flop_per_s, traffic = bytes / r.bytes_per_s;
    return compute > traffic ? compute : traffic;
}

enum side roof_side(struct roof r, double intensity_lo, double intensity_hi)
{
    double ridge = roof_ridge(r);
    if (intensity_lo >= ridge && intensity_hi >= ridge) return SIDE_COMPUTE;
    if (intensity_lo < ridge && intensity_hi < ridge) return SIDE_MEMORY;
    return SIDE_UNDECIDED;
}

const char *side_name(enum side s)
{
    switch (s) {
    case SIDE_MEMORY:
        return "memory";
    case SIDE_COMPUTE:
        return "compute";
    case SIDE_UNDECIDED:
        return "undecided";
    }
    return NULL;
}
