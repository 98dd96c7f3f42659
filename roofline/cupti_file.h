/* cupti_file.h - what one pass counted, as CUPTI wrote it, in a file: to be decoded again
 * anywhere, by the same version of CUPTI. */
#ifndef ROOFLINE_CUPTI_FILE_H
#define ROOFLINE_CUPTI_FILE_H

#include "roofline/cupti_image.h"

struct cupti_file {
    char chip[16], set[16];
    int32_t version;            /* of CUPTI: 130001                        */
    struct cupti_image config;  /* owned: how the hardware was set up      */
    struct cupti_image counted; /* owned: what it wrote                    */
};

/* ERR_IO names the file and what is wrong with it. */
enum err cupti_file_write(const char *path, const struct cupti_file *f) MUST_CHECK;
enum err cupti_file_read(const char *path, struct cupti_file *out) MUST_CHECK;
void cupti_file_free(struct cupti_file *f);

#endif
