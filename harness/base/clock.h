/* clock.h - time: monotonic nanoseconds to measure with, UTC text to record. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since an arbitrary start; never goes back. */
int64_t clock_ns(void);

/* The smallest difference seen between two readings: what one reading costs. */
int64_t clock_overhead_ns(void);

enum { CLOCK_UTC_SIZE = 25 };
/* "2025-11-24T10:57:03.250Z": now, and a given time in milliseconds since 1970. */
void clock_utc(char out[CLOCK_UTC_SIZE]);
void clock_format_utc(int64_t unix_ms, char out[CLOCK_UTC_SIZE]);

enum { CLOCK_DURATION_SIZE = 32 };
/* For people: "850 us", "3.2 s", "4 min 05 s", "2 h 10 min". */
void clock_format_duration(int64_t ns, char out[CLOCK_DURATION_SIZE]);

#endif
