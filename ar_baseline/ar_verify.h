/* ar_verify.h - autoregressive decoding that verifies several drafted tokens per forward:
 * speculative decoding or multi-token prediction, whose drafts are right at a stated rate. */
#ifndef AR_BASELINE_AR_VERIFY_H
#define AR_BASELINE_AR_VERIFY_H

#include "harness/decode/decoder.h"

extern const struct decoder_ops decoder_ar_verify;

#endif
