/* cupti_image.h - bytes that CUPTI wrote and only CUPTI reads. */
#ifndef ROOFLINE_CUPTI_IMAGE_H
#define ROOFLINE_CUPTI_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

struct cupti_image {
    uint8_t *data; /* owned, aligned to 64 bytes; NULL: none */
    size_t bytes;
};
enum err cupti_image_alloc(struct cupti_image *i, size_t bytes) MUST_CHECK; /* zeroed */
void cupti_image_free(struct cupti_image *i);

#endif
