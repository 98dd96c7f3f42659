/* safetensors.c - open, check and read safetensors files. */
#include "harness/model/safetensors.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/file.h"
#include "harness/base/hash.h"
#include "harness/kernels/bf16.h"

enum { MAX_HEADER = 100000000, MAX_INDEX = 1 << 28, PATH_SIZE = 600, SAMPLE_BYTES = 4096 };

struct safetensors {
    struct file_map *file; /* owned [n_files] */
    int32_t n_files;
    struct stored_tensor *tensor; /* owned [n], by name once all files are open */
    int32_t n, room;
};

/* ---- one file ---- */

static const struct {
    const char *name;
    enum stored_dtype dtype;
    int64_t bits;
} dtypes[] = {
    {"F32", STORED_F32, 32},      {"F16", STORED_F16, 16},     {"BF16", STORED_BF16, 16},
    {"F64", STORED_OTHER, 64},    {"I64", STORED_OTHER, 64},   {"U64", STORED_OTHER, 64},
    {"C64", STORED_OTHER, 64},    {"I32", STORED_OTHER, 32},   {"U32", STORED_OTHER, 32},
    {"I16", STORED_OTHER, 16},    {"U16", STORED_OTHER, 16},   {"I8", STORED_OTHER, 8},
    {"U8", STORED_OTHER, 8},      {"BOOL", STORED_OTHER, 8},   {"F8_E4M3", STORED_OTHER, 8},
    {"F8_E5M2", STORED_OTHER, 8}, {"F8_E8M0", STORED_OTHER, 8}};

/* A size or an offset; -1: not a whole number below 2^53. */
static int64_t whole(const cJSON *v)
{
    double d = cJSON_IsNumber(v) ? v->valuedouble : -1;
    return d >= 0 && d < 9007199254740992.0 && d == floor(d) ? (int64_t)d : -1;
}

static enum err read_dtype(const char *path, const cJSON *v, struct stored_tensor *t, int64_t *bits)
{
    const cJSON *word = cJSON_GetObjectItemCaseSensitive(v, "dtype");
    for (size_t i = 0; cJSON_IsString(word) && i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(word->valuestring, dtypes[i].name) != 0) continue;
        t->dtype = dtypes[i].dtype;
        *bits = dtypes[i].bits;
        return ERR_NONE;
    }
    return err_set(ERR_USAGE, "%s: tensor %.80s: dtype is missing or not known", path, v->string);
}

/* n_elements of the shape; what does not fit into 2^53 bytes is refused. */
static enum err read_dims(const char *path, const cJSON *v, struct stored_tensor *t,
                          int64_t *n_elements)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(v, "shape"), *d;
    *n_elements = 1;
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > ST_MAX_DIMS)
        return err_set(ERR_USAGE, "%s: tensor %.80s: shape: expected a list of at most %d sizes",
                       path, v->string, ST_MAX_DIMS);
    cJSON_ArrayForEach(d, shape)
    {
        int64_t size = whole(d);
        if (size < 0 || (size > 0 && *n_elements > ((int64_t)1 << 50) / size))
            return err_set(ERR_USAGE, "%s: tensor %.80s: shape: not a size that a file can have",
                           path, v->string);
        t->dim[t->n_dims++] = size;
        *n_elements *= size;
    }
    return ERR_NONE;
}

/* What a header says of a tensor; `data` is where offsets count from, `room` how far they go. */
static enum err read_entry(const char *path, const cJSON *v, const uint8_t *data, size_t room,
                           struct stored_tensor *t)
{
    int64_t bits = 0, n;
    TRY(read_dtype(path, v, t, &bits));
    TRY(read_dims(path, v, t, &n));
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(v, "data_offsets");
    int64_t begin = whole(cJSON_GetArrayItem(offsets, 0));
    int64_t end = whole(cJSON_GetArrayItem(offsets, 1));
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 || begin < 0 || end < begin)
        return err_set(ERR_USAGE, "%s: tensor %.80s: data_offsets: expected two rising offsets",
                       path, v->string);
    if ((uint64_t)end > room)
        return err_set(ERR_USAGE, "%s: tensor %.80s ends at byte %" PRId64 " of %zu: the file is cut "
                                  "short", path, v->string, end, room);
    if (end - begin != n * bits / 8)
        return err_set(ERR_USAGE, "%s: tensor %.80s: %" PRId64 " bytes, its shape says %" PRId64,
                       path, v->string, end - begin, n * bits / 8);
    t->data = data + begin;
    t->n_bytes = (size_t)(end - begin);
    t->name = strdup(v->string);
    return t->name ? ERR_NONE : err_set(ERR_NOMEM, "%s: out of memory", path);
}

static enum err add_entry(struct safetensors *s, const char *path, const cJSON *v,
                          const uint8_t *data, size_t room)
{
    struct stored_tensor t = {0};
    TRY(read_entry(path, v, data, room, &t));
    if (s->n == s->room) {
        int32_t more = s->room ? 2 * s->room : 256;
        struct stored_tensor *grown = realloc(s->tensor, (size_t)more * sizeof *grown);
        if (!grown) {
            free(t.name);
            return err_set(ERR_NOMEM, "%s: out of memory", path);
        }
        s->tensor = grown;
        s->room = more;
    }
    s->tensor[s->n++] = t;
    return ERR_NONE;
}

static int by_place(const void *a, const void *b)
{
    const struct stored_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

/* Arrays lie side by side from the first byte to the last. */
static enum err check_ranges(const char *path, struct stored_tensor *t, int32_t n,
                             const uint8_t *data, size_t room)
{
    const uint8_t *at = data;
    qsort(t, (size_t)n, sizeof *t, by_place);
    for (int32_t i = 0; i < n; at = t[i].data + t[i].n_bytes, i++)
        if (t[i].data != at)
            return err_set(ERR_USAGE, "%s: tensor %.80s begins at byte %td, expected %td: tensors "
                                      "overlap or leave a hole",
                           path, t[i].name, t[i].data - data, at - data);
    if (at != data + room)
        return err_set(ERR_USAGE, "%s: %td bytes follow the last tensor", path, data + room - at);
    return ERR_NONE;
}

static enum err read_header(struct safetensors *s, const char *path, const struct file_map *f)
{
    uint64_t n = 0;
    if (f->size < 8) return err_set(ERR_USAGE, "%s: not a safetensors file: too short", path);
    for (int i = 7; i >= 0; i--) n = n << 8 | f->data[i];
    if (n > MAX_HEADER || n > f->size - 8)
        return err_set(ERR_USAGE, "%s: not a safetensors file: a header of %" PRIu64 " bytes in a "
                                  "file of %zu", path, n, f->size);
    const uint8_t *data = f->data + 8 + n;
    size_t room = f->size - 8 - n;
    cJSON *root = cJSON_ParseWithLength((const char *)f->data + 8, n), *v;
    int32_t first = s->n;
    enum err e = ERR_NONE;
    if (!cJSON_IsObject(root)) e = err_set(ERR_USAGE, "%s: its header is not JSON", path);
    for (v = root ? root->child : NULL; v && e == ERR_NONE; v = v->next)
        if (strcmp(v->string, "__metadata__") != 0) e = add_entry(s, path, v, data, room);
    cJSON_Delete(root);
    return e == ERR_NONE ? check_ranges(path, s->tensor + first, s->n - first, data, room) : e;
}

static enum err add_file(struct safetensors *s, const char *folder, const char *name)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return err_set(ERR_USAGE, "%s/%.80s: the path is too long", folder, name);
    struct file_map *grown = realloc(s->file, (size_t)(s->n_files + 1) * sizeof *grown);
    if (!grown) return err_set(ERR_NOMEM, "%s: out of memory", path);
    s->file = grown;
    TRY(file_map_open(path, &s->file[s->n_files]));
    s->n_files++;
    return read_header(s, path, &s->file[s->n_files - 1]);
}

/* ---- a folder ---- */

static int by_name(const void *a, const void *b)
{
    const struct stored_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static enum err check_names(struct safetensors *s, const char *folder)
{
    qsort(s->tensor, (size_t)s->n, sizeof *s->tensor, by_name);
    for (int32_t i = 1; i < s->n; i++)
        if (strcmp(s->tensor[i - 1].name, s->tensor[i].name) == 0)
            return err_set(ERR_USAGE, "%s: tensor %.80s is there twice", folder, s->tensor[i].name);
    return ERR_NONE;
}

static bool is_new_name(const cJSON *map, const cJSON *v)
{
    for (const cJSON *u = map->child; u != v; u = u->next)
        if (strcmp(u->valuestring, v->valuestring) == 0) return false;
    return true;
}

/* Every file that the index names, once, then whether each tensor is where it says. */
static enum err read_index(struct safetensors *s, const char *folder, const char *path,
                           const cJSON *map)
{
    const cJSON *v;
    if (!cJSON_IsObject(map) || !map->child)
        return err_set(ERR_USAGE, "%s: weight_map: expected an object of file names", path);
    cJSON_ArrayForEach(v, map)
    {
        if (!cJSON_IsString(v) || strchr(v->valuestring, '/'))
            return err_set(ERR_USAGE, "%s: %.80s: expected the name of a file beside it", path,
                           v->string);
    }
    cJSON_ArrayForEach(v, map) if (is_new_name(map, v)) TRY(add_file(s, folder, v->valuestring));
    TRY(check_names(s, folder));
    cJSON_ArrayForEach(v, map) if (!safetensors_find(s, v->string)) return err_set(
        ERR_USAGE, "%s: tensor %.80s is not in %.80s", path, v->string, v->valuestring);
    return ERR_NONE;
}

static enum err open_folder(struct safetensors *s, const char *folder)
{
    char path[PATH_SIZE], *text;
    size_t len;
    if (snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder) >= (int)sizeof path)
        return err_set(ERR_USAGE, "%.80s...: the path is too long", folder);
    if (access(path, F_OK) != 0) {
        TRY(add_file(s, folder, "model.safetensors"));
        return check_names(s, folder);
    }
    TRY(file_read(path, MAX_INDEX, &text, &len));
    cJSON *root = cJSON_Parse(text);
    enum err e = read_index(s, folder, path, cJSON_GetObjectItemCaseSensitive(root, "weight_map"));
    cJSON_Delete(root);
    free(text);
    return e;
}

enum err safetensors_open(const char *folder, struct safetensors **out)
{
    *out = NULL;
    struct safetensors *s = calloc(1, sizeof *s);
    if (!s) return err_set(ERR_NOMEM, "%s: out of memory", folder);
    enum err e = open_folder(s, folder);
    if (e != ERR_NONE) {
        safetensors_close(s);
        return err_trace(e, __FILE__, __LINE__);
    }
    *out = s;
    return ERR_NONE;
}

void safetensors_close(struct safetensors *s)
{
    if (!s) return;
    for (int32_t i = 0; i < s->n; i++) free(s->tensor[i].name);
    for (int32_t i = 0; i < s->n_files; i++) file_map_close(&s->file[i]);
    free(s->tensor);
    free(s->file);
    free(s);
}

const struct stored_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
    struct stored_tensor key = {.name = (char *)name};
    return bsearch(&key, s->tensor, (size_t)s->n, sizeof key, by_name);
}

enum err safetensors_fingerprint(const struct safetensors *s, char out[65])
{
    size_t most = 0, used = 0;
    for (int32_t i = 0; i < s->n; i++)
        most += strlen(s->tensor[i].name) + SAMPLE_BYTES + (ST_MAX_DIMS + 2) * sizeof(int64_t);
    uint8_t *all = malloc(most + 1);
    if (!all) return err_set(ERR_NOMEM, "fingerprint of %d tensors: out of memory", s->n);
    for (int32_t i = 0; i < s->n; i++) {
        const struct stored_tensor *t = &s->tensor[i];
        int64_t shape[ST_MAX_DIMS + 2] = {t->dtype, t->n_dims};
        size_t name = strlen(t->name);
        size_t sample = t->n_bytes < SAMPLE_BYTES ? t->n_bytes : SAMPLE_BYTES;
        memcpy(shape + 2, t->dim, sizeof t->dim);
        memcpy(all + used, t->name, name);
        memcpy(all + used + name, shape, sizeof shape);
        if (sample) memcpy(all + used + name + sizeof shape, t->data, sample);
        used += name + sizeof shape + sample;
    }
    sha256_hex(all, used, out);
    free(all);
    return ERR_NONE;
}

/* ---- values ---- */

static float f32_from_f16(uint16_t h)
{
    float sign = h & 0x8000 ? -1.0f : 1.0f;
    int exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexpf((float)fraction, -24);
    return sign * ldexpf((float)(1024 + fraction), exponent - 25);
}

void stored_read(const struct stored_tensor *t, int64_t begin, int64_t n, float *out)
{
    if (t->dtype == STORED_F32) {
        memcpy(out, t->data + begin * 4, (size_t)n * sizeof *out);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, t->data + (begin + i) * 2, sizeof h);
        out[i] = t->dtype == STORED_BF16 ? bf16_to_f32(h) : f32_from_f16(h);
    }
}
