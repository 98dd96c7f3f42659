/* block.h - block diffusion (BD3-LM, SDAR, Fast-dLLM v2): blocks from left to right,
 * block-causal attention, an exact KV cache. */
#ifndef DIFFUSION_BLOCK_H
#define DIFFUSION_BLOCK_H

#include "harness/decode/decoder.h"

extern const struct decoder_ops decoder_block;

#endif
