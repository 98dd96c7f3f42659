/* file.h - a whole file as text, or as memory. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

/* The contents, followed by a NUL that len does not count; owned by the caller.  ERR_USAGE
 * names a path that cannot be opened or is larger than `most` bytes, ERR_IO one that cannot be
 * read to its end. */
enum err file_read(const char *path, size_t most, char **text, size_t *len) MUST_CHECK;

/* Pages of a file, read when they are touched. */
struct file_map {
    const uint8_t *data; /* NULL: not mapped, or empty */
    size_t size;
};
enum err file_map_open(const char *path, struct file_map *out) MUST_CHECK;
void file_map_close(struct file_map *m); /* one that is not open is allowed */

#endif
