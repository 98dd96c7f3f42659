/* ceilings_cpu_read.h - read loops over vectors of VEC_BYTES, for the file that includes it.
 *
 * Hardware prefetchers follow a few streams and stop at 4 KiB pages; software prefetch and
 * several streams make up for it, and which mix reads fastest differs between machines, so
 * several are offered and the fastest one is measured. */
#ifndef ROOFLINE_CEILINGS_CPU_READ_H
#define ROOFLINE_CEILINGS_CPU_READ_H

#include "roofline/ceilings_cpu.h"

typedef uint64_t vec __attribute__((vector_size(VEC_BYTES), may_alias));

enum { LINE = 64, READ_ACCS = 8 };

/* A roof is a roof in every build: compiled the same way, and uninstrumented, in debug and
 * sanitizer builds too. */
#define READ_LOOP __attribute__((optimize("O3"), no_sanitize("address", "undefined", "thread")))

READ_LOOP static inline __attribute__((always_inline)) uint64_t vec_fold(vec v)
{
    uint64_t all = 0;
    for (int i = 0; i < (int)(sizeof v / sizeof all); i++) all |= v[i];
    return all;
}

/* One stream; near and far: bytes ahead to prefetch into L1 and L2, 0 for none. */
READ_LOOP static inline __attribute__((always_inline)) uint64_t read_stream(const char *p, size_t n,
                                                                            size_t near, size_t far)
{
    vec acc[READ_ACCS] = {{0}};
    for (size_t i = 0; i < n; i += READ_ACCS * VEC_BYTES) {
        for (int line = 0; line < READ_ACCS * VEC_BYTES; line += LINE) {
            if (near) __builtin_prefetch(p + i + line + near, 0, 3);
            if (far) __builtin_prefetch(p + i + line + far, 0, 2);
        }
        for (int j = 0; j < READ_ACCS; j++) acc[j] |= *(const vec *)(p + i + j * VEC_BYTES);
    }
    for (int j = 1; j < READ_ACCS; j++) acc[0] |= acc[j];
    return vec_fold(acc[0]);
}

/* Four streams a quarter apart, a line of each in turn. */
READ_LOOP static inline __attribute__((always_inline)) uint64_t
read_4_streams(const char *p, size_t n, size_t ahead)
{
    vec acc[4] = {{0}};
    size_t quarter = n / 4;
    for (size_t i = 0; i < quarter; i += LINE) {
        for (int s = 0; s < 4; s++) {
            const char *q = p + (size_t)s * quarter + i;
            if (ahead) __builtin_prefetch(q + ahead, 0, 3);
            for (int j = 0; j < LINE; j += VEC_BYTES) acc[s] |= *(const vec *)(q + j);
        }
    }
    return vec_fold(acc[0] | acc[1] | acc[2] | acc[3]);
}

READ_LOOP static uint64_t read_plain(const void *p, size_t n)
{
    return read_stream(p, n, 0, 0);
}

READ_LOOP static uint64_t read_two_level(const void *p, size_t n)
{
    return read_stream(p, n, 768, 6144);
}

READ_LOOP static uint64_t read_far(const void *p, size_t n)
{
    return read_stream(p, n, 4096, 0);
}

READ_LOOP static uint64_t read_4_plain(const void *p, size_t n)
{
    return read_4_streams(p, n, 0);
}

READ_LOOP static uint64_t read_4_ahead(const void *p, size_t n)
{
    return read_4_streams(p, n, 1024);
}

#define READ_LOOPS                                                                                 \
    {                                                                                              \
        {read_plain, "1 stream, no software prefetch"},                                            \
            {read_two_level, "1 stream, prefetch 768 B ahead to L1 and 6 KiB ahead to L2"},        \
            {read_far, "1 stream, prefetch 4 KiB ahead"},                                          \
            {read_4_plain, "4 streams, no software prefetch"},                                     \
            {read_4_ahead, "4 streams, prefetch 1 KiB ahead"},                                     \
    }

#endif
