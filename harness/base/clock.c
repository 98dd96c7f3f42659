/* clock.c - clock_gettime and its texts. */
#include "harness/base/clock.h"

#include <stdio.h>
#include <time.h>

#include "harness/base/err.h"

int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_overhead_ns(void)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < 200; i++) {
        int64_t first = clock_ns();
        int64_t d = clock_ns() - first;
        if (d < least) least = d;
    }
    return least;
}

void clock_format_utc(int64_t unix_ms, char out[CLOCK_UTC_SIZE])
{
    CHECK(unix_ms >= 0);
    time_t s = (time_t)(unix_ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    CHECK(tm.tm_year + 1900 <= 9999);
    size_t n = strftime(out, CLOCK_UTC_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, CLOCK_UTC_SIZE - n, ".%03uZ", (unsigned)(unix_ms % 1000));
}

void clock_utc(char out[CLOCK_UTC_SIZE])
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    clock_format_utc((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, out);
}

void clock_format_duration(int64_t ns, char out[CLOCK_DURATION_SIZE])
{
    double s = (double)ns / 1e9;
    int64_t whole_s = (ns + 500000000) / 1000000000;
    if (ns < 1000)
        snprintf(out, CLOCK_DURATION_SIZE, "%d ns", (int)ns);
    else if (s < 0.9995e-3)
        snprintf(out, CLOCK_DURATION_SIZE, "%.0f us", s * 1e6);
    else if (s < 0.9995)
        snprintf(out, CLOCK_DURATION_SIZE, "%.0f ms", s * 1e3);
    else if (s < 9.95)
        snprintf(out, CLOCK_DURATION_SIZE, "%.1f s", s);
    else if (whole_s < 60)
        snprintf(out, CLOCK_DURATION_SIZE, "%d s", (int)whole_s);
    else if (whole_s < 3600)
        snprintf(out, CLOCK_DURATION_SIZE, "%d min %02d s", (int)(whole_s / 60),
                 (int)(whole_s % 60));
    else
        snprintf(out, CLOCK_DURATION_SIZE, "%lld h %02d min", (long long)(whole_s / 3600),
                 (int)(whole_s % 3600 / 60));
}
