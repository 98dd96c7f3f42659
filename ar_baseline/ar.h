/* ar.h - autoregressive decoding: one token per sequence per forward, KV cache. */
#ifndef AR_BASELINE_AR_H
#define AR_BASELINE_AR_H

#include "harness/decode/decoder.h"

extern const struct decoder_ops decoder_ar;

#endif
