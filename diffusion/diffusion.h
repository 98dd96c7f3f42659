/* diffusion.h - full-sequence masked diffusion (MDLM, LLaDA, Dream): every forward
 * computes every position, bidirectionally, and keeps nothing unless an approximate cache is
 * asked for (Fast-dLLM). */
#ifndef DIFFUSION_DIFFUSION_H
#define DIFFUSION_DIFFUSION_H

#include "harness/decode/decoder.h"

extern const struct decoder_ops decoder_diffusion;

#endif
