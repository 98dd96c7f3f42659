/* axis.c - see axis.h. */
#include "plots/axis.h"

#include <math.h>
#include <stdio.h>

#include "plots/text.h"

bool range_holds(const struct axis_range *r, double value)
{
    return isfinite(value) && (r->linear || value > 0);
}

void range_include(struct axis_range *r, double value)
{
    if (!range_holds(r, value)) return;
    if (!r->any || value < r->lo) r->lo = value;
    if (!r->any || value > r->hi) r->hi = value;
    r->any = true;
}

void range_decades(struct axis_range *r)
{
    /* A value that is a power of ten up to rounding is not a reason for another decade. */
    double lo = floor(log10(r->lo) + 1e-9), hi = ceil(log10(r->hi) - 1e-9);
    if (hi <= lo) hi = lo + 1;
    r->lo = pow(10, lo);
    r->hi = pow(10, hi);
}

/* The largest 1, 2 or 5 times a power of ten up to value (dir -1), or the smallest from it
 * on (dir 1). */
static double snug(double value, int dir)
{
    static const double steps[] = {1, 2, 5, 10};
    double decade = pow(10, floor(log10(value) + 1e-9)), m = value / decade;
    for (int i = 0; i < 4; i++) {
        if (dir > 0 && steps[i] >= m - 1e-9) return steps[i] * decade;
        if (dir < 0 && i < 3 && steps[i + 1] > m + 1e-9) return steps[i] * decade;
    }
    return 10 * decade;
}

void range_snug(struct axis_range *r)
{
    double room = pow(r->hi / r->lo, 0.06);
    r->lo = snug(r->lo / room, -1);
    r->hi = snug(r->hi * room, 1);
    if (r->hi / r->lo < 3.9) {
        r->lo = snug(r->lo / 1.5, -1);
        r->hi = snug(r->hi * 1.5, 1);
    }
}

void range_binary(struct axis_range *r)
{
    r->lo = pow(2, floor(log2(r->lo) + 1e-9) - 0.5);
    r->hi = pow(2, ceil(log2(r->hi) - 1e-9) + 0.5);
}

double range_at(const struct axis_range *r, double value)
{
    if (r->linear) return (value - r->lo) / (r->hi - r->lo);
    return log(value / r->lo) / log(r->hi / r->lo);
}

double range_value(const struct axis_range *r, double fraction)
{
    if (r->linear) return r->lo + (r->hi - r->lo) * fraction;
    return r->lo * pow(r->hi / r->lo, fraction);
}

static void tic(struct strbuf *out, double mantissa, int decade, bool labelled)
{
    double value = mantissa * pow(10, decade);
    char text[40] = "";
    if (labelled && decade < 0)
        snprintf(text, sizeof text, "%.10g", value);
    else if (labelled)
        text_quantity(text, sizeof text, value, "");
    strbuf_addf(out, "%s'%s' %.10g%s", out->len ? ", " : "", text, value, labelled ? "" : " 1");
}

void range_tics(const struct axis_range *r, struct strbuf *out)
{
    bool few = r->hi / r->lo < 400;
    int lo = (int)floor(log10(r->lo) - 1e-9), hi = (int)ceil(log10(r->hi) + 1e-9);
    for (int d = lo; d <= hi; d++) {
        for (int m = 1; m <= 9; m++) {
            double value = m * pow(10, d);
            if (value < r->lo * (1 - 1e-9) || value > r->hi * (1 + 1e-9)) continue;
            tic(out, m, d, m == 1 || (few && (m == 2 || m == 5)));
        }
    }
}

void range_binary_tics(const struct axis_range *r, struct strbuf *out)
{
    for (int e = (int)ceil(log2(r->lo)); e <= (int)floor(log2(r->hi)); e++)
        strbuf_addf(out, "%s'%.10g' %.10g", out->len ? ", " : "", exp2(e), exp2(e));
}
