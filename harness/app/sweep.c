/* sweep.c - find and read sweep files. */
#include "harness/app/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/sweep_yaml.h"
#include "harness/base/embed.h"
#include "harness/base/suggest.h"

enum { MAX_FILE_BYTES = 1 << 20 };
static const char folder[] = "harness/sweeps/", suffix[] = ".yaml";

char *sweep_builtin(int32_t i)
{
    for (const struct embedded_file *f = embedded_files; f->path; f++) {
        size_t n = strlen(f->path), skip = strlen(folder), tail = strlen(suffix);
        if (strncmp(f->path, folder, skip) != 0 || n <= skip + tail) continue;
        if (strcmp(f->path + n - tail, suffix) != 0 || i-- > 0) continue;
        return strndup(f->path + skip, n - skip - tail);
    }
    return NULL;
}

static bool is_path(const char *name)
{
    size_t n = strlen(name), tail = strlen(suffix);
    return strchr(name, '/') || (n > tail && strcmp(name + n - tail, suffix) == 0);
}

static enum err read_file(const char *path, FILE *f, char **text, size_t *n)
{
    char *buf = malloc(MAX_FILE_BYTES + 2);
    if (!buf) return err_set(ERR_NOMEM, "no memory to read %s", path);
    *n = fread(buf, 1, MAX_FILE_BYTES + 1, f);
    if (ferror(f) || *n > MAX_FILE_BYTES) {
        enum err e = ferror(f)
                         ? err_set(ERR_USAGE, "%s: %s", path, strerror(errno))
                         : err_set(ERR_USAGE, "%s: larger than 1 MiB, expected a sweep file", path);
        free(buf);
        return e;
    }
    buf[*n] = '\0';
    *text = buf;
    return ERR_NONE;
}

static enum err load_file(const char *path, FILE *f, const char *device, struct sweep *out)
{
    char *text = NULL;
    size_t n = 0;
    TRY(read_file(path, f, &text, &n));
    enum err e = sweep_parse(path, text, n, device, out);
    free(text);
    return e;
}

static enum err unknown(const char *name)
{
    char *names[64] = {NULL};
    for (int32_t i = 0; i < 63 && (names[i] = sweep_builtin(i)); i++) continue;
    char near[SUGGEST_SIZE];
    enum err e =
        err_set(ERR_USAGE, "no sweep file or built-in sweep \"%s\"%s (regime list sweeps)",
                name, suggest_phrase(name, (const char *const *)names, near));
    for (int32_t i = 0; names[i]; i++) free(names[i]);
    return e;
}

enum err sweep_load(const char *name_or_path, const char *device, struct sweep *out)
{
    char path[256];
    *out = (struct sweep){0};
    snprintf(path, sizeof path, "%s%.200s%s", folder, name_or_path, suffix);
    const char *text = is_path(name_or_path) ? NULL : embed_find(path);
    if (text) {
        snprintf(path, sizeof path, "%.200s%s", name_or_path, suffix);
        return sweep_parse(path, text, strlen(text), device, out);
    }
    FILE *f = fopen(name_or_path, "rb");
    if (!f && errno == ENOENT && !is_path(name_or_path)) return unknown(name_or_path);
    if (!f) return err_set(ERR_USAGE, "%s: %s", name_or_path, strerror(errno));
    enum err e = load_file(name_or_path, f, device, out);
    fclose(f);
    return e;
}

enum err sweep_parse(const char *label, const char *text, size_t n, const char *device,
                     struct sweep *out)
{
    *out = (struct sweep){0};
    cell_space_init(&out->space, device);
    out->text = strndup(text, n);
    enum err e = out->text ? sweep_read_yaml(label, text, n, out)
                           : err_set(ERR_NOMEM, "no memory for %s", label);
    if (e != ERR_NONE) sweep_free(out);
    return e;
}

void sweep_free(struct sweep *s)
{
    free(s->name);
    free(s->title);
    free(s->text);
    cell_space_free(&s->space);
    *s = (struct sweep){0};
}
