/* decoders.h - every decoder of this program.  To add one: a row in decoders.c. */
#ifndef APP_DECODERS_H
#define APP_DECODERS_H

#include "harness/decode/decoder.h"

/* Decoders in order; NULL past the last. */
const struct decoder_ops *decoder_at(int32_t i);

/* By name; NULL when there is none. */
const struct decoder_ops *decoder_find(const char *name);

#endif
