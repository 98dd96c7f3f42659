/* rng.h - counter-based random numbers: the same key gives the same number on
 * every machine, in any order, on any number of threads. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* Philox4x32-10 (Salmon et al., SC'11): four words from a 128-bit counter and a
 * 64-bit key. */
struct philox {
    uint32_t word[4];
};
struct philox philox4x32(const uint32_t counter[4], uint64_t key);

/* A 64-bit mix with full avalanche (the finaliser of SplitMix64). */
static inline uint64_t mix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Uniform integer in [0, n) from one word; bias below n / 2^32. */
static inline uint32_t rng_below(uint32_t word, uint32_t n)
{
    return (uint32_t)(((uint64_t)word * n) >> 32);
}

#endif
