/* embed.c - look up a file in the table the build generates. */
#include "harness/base/embed.h"

#include <stddef.h>
#include <string.h>

const char *embed_find(const char *path)
{
    for (const struct embedded_file *f = embedded_files; f->path; f++)
        if (strcmp(f->path, path) == 0) return f->text;
    return NULL;
}
