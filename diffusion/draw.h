/* draw.h - the random numbers of unmasking: one for each (seed, use, request, place, step). */
#ifndef DIFFUSION_DRAW_H
#define DIFFUSION_DRAW_H

#include "harness/base/rng.h"

/* What a number is for.  Sampling has its step in the same word of the counter, and steps stay
 * below 2^31. */
enum draw {
    DRAW_STEPS = 0x7fffff00, /* denoise steps of a block          */
    DRAW_REVEAL,             /* reveal time of a position         */
    DRAW_REMASK,             /* fate of a position in one tick    */
    DRAW_NOISE               /* token of a position of the canvas */
};

/* Uniform in (0, 1), 53 bits.  Two steps share a Philox call. */
static inline double draw_uniform(uint64_t seed, enum draw use, uint32_t request, uint32_t place,
                                  uint32_t step)
{
    uint32_t counter[4] = {place, step / 2, (uint32_t)use, request};
    struct philox p = philox4x32(counter, seed);
    uint64_t w = (uint64_t)p.word[step % 2 * 2] << 32 | p.word[step % 2 * 2 + 1];
    return ((double)(w >> 11) + 0.5) * 0x1p-53;
}

#endif
