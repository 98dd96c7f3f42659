/* cupti_file.c - one line of text, then the two images.
 *
 * CUPTI trusts what it decodes and crashes on what it did not write, so the line carries a
 * digest, and a file that was damaged or made up goes no further than here. */
#include "roofline/cupti_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/hash.h"

/* Far more than any set or any decode takes; a damaged file must not ask for all memory. */
enum { MAX_IMAGE_BYTES = 1 << 30 };

static enum err digest(const struct cupti_file *f, char out[SHA256_HEX_SIZE])
{
    size_t n = f->config.bytes + f->counted.bytes;
    uint8_t *all = malloc(n + 1);
    if (!all) return err_set(ERR_NOMEM, "%zu bytes of counters: out of memory", n);
    memcpy(all, f->config.data, f->config.bytes);
    memcpy(all + f->config.bytes, f->counted.data, f->counted.bytes);
    sha256_hex(all, n, out);
    free(all);
    return ERR_NONE;
}

enum err cupti_file_write(const char *path, const struct cupti_file *f)
{
    char sha256[SHA256_HEX_SIZE];
    TRY(digest(f, sha256));
    FILE *out = fopen(path, "we");
    if (!out) return err_set(ERR_IO, "%s: %s", path, strerror(errno));
    fprintf(out, "regime-counters 1 %s %s %d %zu %zu %s\n", f->chip, f->set, f->version,
            f->config.bytes, f->counted.bytes, sha256);
    fwrite(f->config.data, 1, f->config.bytes, out);
    fwrite(f->counted.data, 1, f->counted.bytes, out);
    bool bad = ferror(out);
    if (fclose(out) != 0) bad = true;
    return bad ? err_set(ERR_IO, "%s: %s", path, strerror(errno)) : ERR_NONE;
}

static enum err read_image(FILE *in, const char *path, size_t bytes, struct cupti_image *out)
{
    TRY(cupti_image_alloc(out, bytes));
    if (fread(out->data, 1, bytes, in) == bytes) return ERR_NONE;
    return err_set(ERR_IO, "%s ends before its %zu bytes of counters", path, bytes);
}

static enum err read_all(FILE *in, const char *path, struct cupti_file *f)
{
    char line[240], sha256[SHA256_HEX_SIZE], found[SHA256_HEX_SIZE];
    size_t config, counted;
    if (!fgets(line, sizeof line, in) ||
        sscanf(line, "regime-counters 1 %15s %15s %d %zu %zu %64s\n", f->chip, f->set, &f->version,
               &config, &counted, sha256) != 6)
        return err_set(ERR_IO,
                       "%s is no file of counters (want \"regime-counters 1\" and the "
                       "chip, set, version, sizes and digest)",
                       path);
    if (config > MAX_IMAGE_BYTES || counted > MAX_IMAGE_BYTES)
        return err_set(ERR_IO, "%s claims %zu and %zu bytes of counters, more than there can be",
                       path, config, counted);
    TRY(read_image(in, path, config, &f->config));
    TRY(read_image(in, path, counted, &f->counted));
    if (fgetc(in) != EOF) return err_set(ERR_IO, "%s goes on after its counters", path);
    TRY(digest(f, found));
    if (strcmp(found, sha256) != 0)
        return err_set(ERR_IO, "%s is damaged: its counters are not those it was written with",
                       path);
    return ERR_NONE;
}

enum err cupti_file_read(const char *path, struct cupti_file *out)
{
    *out = (struct cupti_file){.version = 0};
    FILE *in = fopen(path, "re");
    if (!in) return err_set(ERR_IO, "%s: %s", path, strerror(errno));
    enum err e = read_all(in, path, out);
    fclose(in);
    if (e != ERR_NONE) cupti_file_free(out);
    return e;
}

void cupti_file_free(struct cupti_file *f)
{
    cupti_image_free(&f->config);
    cupti_image_free(&f->counted);
}
