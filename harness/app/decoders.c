/* decoders.c - every decoder of this program. */
#include "harness/app/decoders.h"

#include <string.h>

#include "ar_baseline/ar.h"
#include "ar_baseline/ar_verify.h"
#include "diffusion/block.h"
#include "diffusion/diffusion.h"

static const struct decoder_ops *const decoders[] = {&decoder_ar, &decoder_ar_verify,
                                                     &decoder_diffusion, &decoder_block};
enum { N_DECODERS = sizeof decoders / sizeof decoders[0] };

const struct decoder_ops *decoder_at(int32_t i)
{
    return i >= 0 && i < N_DECODERS ? decoders[i] : NULL;
}

const struct decoder_ops *decoder_find(const char *name)
{
    for (int32_t i = 0; i < N_DECODERS; i++)
        if (strcmp(decoders[i]->name, name) == 0) return decoders[i];
    return NULL;
}
