/* cupti_image.c - see cupti_image.h. */
#include "roofline/cupti_image.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

enum err cupti_image_alloc(struct cupti_image *i, size_t bytes)
{
    size_t room = (bytes / ALIGNMENT + 1) * ALIGNMENT;
    *i = (struct cupti_image){.data = aligned_alloc(ALIGNMENT, room), .bytes = bytes};
    if (!i->data) return err_set(ERR_NOMEM, "%zu bytes of counters: out of memory", bytes);
    memset(i->data, 0, room);
    return ERR_NONE;
}

void cupti_image_free(struct cupti_image *i)
{
    free(i->data);
    *i = (struct cupti_image){0};
}
