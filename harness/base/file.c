/* file.c - a whole file as text, or as memory. */
#include "harness/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err read_all(const char *path, FILE *f, size_t most, char **text, size_t *len)
{
    for (size_t size = 1 << 16;; size *= 2) {
        char *grown = realloc(*text, size + 1);
        if (!grown) return err_set(ERR_NOMEM, "%s: out of memory", path);
        *text = grown;
        *len += fread(*text + *len, 1, size - *len, f);
        if (ferror(f)) return err_set(ERR_IO, "%s: %s", path, strerror(errno));
        if (*len > most)
            return err_set(ERR_USAGE, "%s: larger than the %zu bytes that are read", path, most);
        if (*len < size) break;
    }
    (*text)[*len] = '\0';
    return ERR_NONE;
}

enum err file_read(const char *path, size_t most, char **text, size_t *len)
{
    *text = NULL;
    *len = 0;
    FILE *f = fopen(path, "re");
    if (!f) return err_set(ERR_USAGE, "%s: %s", path, strerror(errno));
    enum err e = read_all(path, f, most, text, len);
    fclose(f);
    if (e != ERR_NONE) {
        free(*text);
        *text = NULL;
    }
    return e;
}

enum err file_map_open(const char *path, struct file_map *out)
{
    struct stat st;
    enum err e = ERR_NONE;
    memset(out, 0, sizeof *out);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_set(ERR_USAGE, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0) {
        e = err_set(ERR_IO, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        e = err_set(ERR_USAGE, "%s: not a file", path);
    } else if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            e = err_set(ERR_IO, "%s: %s", path, strerror(errno));
        else
            *out = (struct file_map){p, (size_t)st.st_size};
    }
    close(fd);
    return e;
}

void file_map_close(struct file_map *m)
{
    if (m->data) munmap((void *)m->data, m->size);
    memset(m, 0, sizeof *m);
}
