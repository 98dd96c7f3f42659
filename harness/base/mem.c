/* mem.c - anonymous maps aligned for huge pages; limits read from /proc and cgroups. */
#include "harness/base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE_BYTES = 2 << 20, PAGE_BYTES = 4096 };

/* What mem_map really takes for n bytes; 0 when that does not fit a size_t. */
static size_t mapped_bytes(size_t n)
{
    size_t unit = n >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : PAGE_BYTES;
    if (n == 0) n = 1;
    return n > SIZE_MAX - 2 * (size_t)HUGE_PAGE_BYTES ? 0 : (n + unit - 1) / unit * unit;
}

enum err mem_map(size_t n, void **out)
{
    size_t size = mapped_bytes(n);
    size_t slack = n >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : 0;
    void *p = MAP_FAILED;
    *out = NULL;
    if (size > 0)
        p = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return err_set(ERR_NOMEM, "cannot map a buffer of %zu bytes", n);
    if (slack > 0) {
        uintptr_t begin = (uintptr_t)p;
        uintptr_t aligned = (begin + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
        size_t before = aligned - begin;
        if (before > 0) munmap(p, before);
        if (slack > before) munmap((char *)aligned + size, slack - before);
        p = (void *)aligned;
        /* Advice only: without huge pages the buffer is slower, not wrong. */
        madvise(p, size, MADV_HUGEPAGE);
    }
    *out = p;
    return ERR_NONE;
}

void mem_unmap(void *p, size_t n)
{
    if (p != NULL) munmap(p, mapped_bytes(n));
}

/* First integer after `key` at the start of a line of the file; -1: none. */
static int64_t file_value(const char *path, const char *key)
{
    char line[512];
    int64_t value = -1;
    size_t key_len = strlen(key);
    FILE *f = fopen(path, "re");
    if (f == NULL) return -1;
    while (value < 0 && fgets(line, sizeof line, f) != NULL) {
        const char *p = line + key_len;
        if (strncmp(line, key, key_len) != 0) continue;
        while (*p == ' ' || *p == '\t') p++;
        if (isdigit((unsigned char)*p)) value = strtoll(p, NULL, 10);
    }
    fclose(f);
    return value;
}

/* What a cgroup directory still allows; INT64_MAX when it sets no limit. */
static int64_t cgroup_dir_room(const char *dir, const char *limit, const char *usage)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", dir, limit);
    int64_t max = file_value(path, "");
    snprintf(path, sizeof path, "%s/%s", dir, usage);
    int64_t used = file_value(path, "");
    /* Version 1 says "no limit" with a number near 2^63. */
    if (max < 0 || used < 0 || max > INT64_MAX / 2) return INT64_MAX;
    return max > used ? max - used : 0;
}

/* The least room over the cgroup of this process and all its ancestors. */
static int64_t cgroup_room(const char *mount, char *group, const char *limit, const char *usage)
{
    char dir[1024];
    int64_t room = INT64_MAX;
    for (;;) {
        snprintf(dir, sizeof dir, "%s%s", mount, group);
        int64_t here = cgroup_dir_room(dir, limit, usage);
        if (here < room) room = here;
        char *slash = strrchr(group, '/');
        if (slash == NULL || group[0] == '\0') return room;
        *slash = '\0';
    }
}

static int64_t cgroups_room(void)
{
    char line[768];
    int64_t room = INT64_MAX;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (f == NULL) return room;
    while (fgets(line, sizeof line, f) != NULL) {
        /* "hierarchy:controllers:path"; version 2 is "0::path". */
        int64_t here = INT64_MAX;
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL) continue;
        *group++ = '\0';
        controllers++;
        if (controllers[0] == '\0')
            here = cgroup_room("/sys/fs/cgroup", group, "memory.max", "memory.current");
        else if (strcmp(controllers, "memory") == 0)
            here = cgroup_room("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes",
                               "memory.usage_in_bytes");
        if (here < room) room = here;
    }
    fclose(f);
    return room;
}

int64_t mem_available_bytes(void)
{
    int64_t kib = file_value("/proc/meminfo", "MemAvailable:");
    int64_t room = cgroups_room();
    int64_t free_bytes = kib < 0 ? INT64_MAX : kib * 1024;
    int64_t least = free_bytes < room ? free_bytes : room;
    return least == INT64_MAX ? -1 : least;
}
