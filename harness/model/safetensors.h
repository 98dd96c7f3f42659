/* safetensors.h - named arrays in files, as Hugging Face's safetensors lays them out.
 *
 * A file is 8 bytes little-endian length, so many bytes of JSON, then the arrays' bytes.  Every
 * rule of the format that a reader relies on is checked when a file is opened: ranges lie side by
 * side from 0 to the file's end, without holes or overlaps, each as long as its shape says. */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

enum stored_dtype { STORED_F32, STORED_F16, STORED_BF16, STORED_OTHER };

enum { ST_MAX_DIMS = 8 };

struct stored_tensor {
    char *name; /* owned */
    enum stored_dtype dtype;
    int32_t n_dims;
    int64_t dim[ST_MAX_DIMS];
    const uint8_t *data; /* in the mapped file; row-major, little-endian, not aligned */
    size_t n_bytes;
};

struct safetensors;

/* model.safetensors of a folder, or the files that model.safetensors.index.json names.
 * ERR_USAGE names the file and what was expected. */
enum err safetensors_open(const char *folder, struct safetensors **out) MUST_CHECK;
void safetensors_close(struct safetensors *s); /* NULL is allowed */

/* NULL: there is no such tensor. */
const struct stored_tensor *safetensors_find(const struct safetensors *s, const char *name);

/* SHA-256, in hex, of all headers and of the first 4096 bytes of every tensor: enough to tell
 * checkpoints apart without reading them whole. */
enum err safetensors_fingerprint(const struct safetensors *s, char out[65]) MUST_CHECK;

/* Elements begin .. begin + n - 1 as f32. */
void stored_read(const struct stored_tensor *t, int64_t begin, int64_t n, float *out);

#endif
