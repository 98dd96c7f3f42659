/* cusim_memory.c - device buffers and shared arrays: pages of their own that the host cannot
 * touch, and for every two bytes what the checker has to know. */
#include "tests/cusim/cusim_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

struct region *region_new(size_t size, const char *name, const void *key)
{
    struct region *r = calloc(1, sizeof *r);
    size_t n_cells = size / 2 + 1;
    r->size = size;
    r->name = name;
    r->key = key;
    r->mapped = (size + PAGE - 1) / PAGE * PAGE + 2 * PAGE;
    char *pages = mmap(NULL, r->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    r->base = pages + PAGE;
    r->cells = calloc(n_cells, sizeof *r->cells); /* big ones: pages made when touched */
    if (pages == MAP_FAILED || !r->cells || cusim.n_regions == MAX_REGIONS) abort();
    region_open(r);
    /* Not a number in any floating-point type, and -1.  Large ones are left to the checker. */
    if (size <= 1 << 20) memset(r->base, 0xff, size);
    int i = cusim.n_regions++;
    for (; i > 0 && cusim.region[i - 1]->base > r->base; i--) cusim.region[i] = cusim.region[i - 1];
    cusim.region[i] = r;
    if (!cusim.now) memory_close();
    return r;
}

size_t memory_free(void)
{
    size_t used = 0, all = cusim.memory_bytes ? cusim.memory_bytes : MEMORY_BYTES;
    for (int i = 0; i < cusim.n_regions; i++)
        if (!cusim.region[i]->key) used += cusim.region[i]->size;
    return used < all ? all - used : 0;
}

void region_free(struct region *r)
{
    int i = 0;
    while (cusim.region[i] != r) i++;
    cusim.n_regions--;
    for (; i < cusim.n_regions; i++) cusim.region[i] = cusim.region[i + 1];
    cusim.last = NULL;
    munmap(r->base - PAGE, r->mapped);
    free(r->cells);
    free(r);
}

/* The last region that starts at p or before, -1: none. */
static int place_of(const char *p)
{
    int low = 0, high = cusim.n_regions;
    while (low < high) {
        int middle = (low + high) / 2;
        if (cusim.region[middle]->base <= p)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

struct region *region_find(const void *p)
{
    int i = place_of(p);
    if (i < 0 || (const char *)p >= cusim.region[i]->base + cusim.region[i]->size) return NULL;
    return cusim.region[i];
}

struct region *region_near(const void *p)
{
    int i = place_of(p);
    if (i < 0) return cusim.n_regions ? cusim.region[0] : NULL;
    struct region *before = cusim.region[i];
    if (i + 1 == cusim.n_regions) return before;
    struct region *after = cusim.region[i + 1];
    const char *end = before->base + before->size;
    return (const char *)p - end < after->base - (const char *)p ? before : after;
}

void region_host_wrote(struct region *r, size_t at, size_t n)
{
    if (at == 0 && n == r->size) r->written = true;
    if (r->written) return;
    for (size_t i = at / 2; i < (at + n + 1) / 2; i++)
        if (r->cells[i].write_epoch == 0) r->cells[i].write_epoch = 1;
}

void region_open(struct region *r)
{
    if (!r->open) mprotect(r->base, r->mapped - 2 * PAGE, PROT_READ | PROT_WRITE);
    r->open = true;
}

void memory_close(void)
{
    for (int i = 0; i < cusim.n_regions; i++) {
        struct region *r = cusim.region[i];
        if (!r->open || r->key) continue;
        mprotect(r->base, r->mapped - 2 * PAGE, PROT_NONE);
        r->open = false;
    }
}

int64_t cusim_bytes_read(const void *p)
{
    const struct region *r = region_find(p);
    return r ? r->bytes_read : 0;
}

bool device_range(const void *p, size_t n, const char *what)
{
    struct region *r = region_find(p);
    if (n == 0) return true;
    if (r && (const char *)p + n <= r->base + r->size) {
        region_open(r);
        return true;
    }
    if (r)
        cusim_fail("out of bounds", "%s: %zu bytes run %zu past the end of a buffer of %zu", what,
                   n, (size_t)((const char *)p + n - r->base) - r->size, r->size);
    else
        cusim_fail("out of bounds", "%s: %p is in no device buffer", what, p);
    return false;
}

/* ---- arrays shared by a block ---- */

void *cusim_shared(const void *key, const char *name, size_t size)
{
    struct region *r = NULL;
    for (int i = 0; i < cusim.n_regions && !r; i++)
        if (cusim.region[i]->key == key) r = cusim.region[i];
    if (!r) {
        r = region_new(size, name, key);
    } else if (r->block_serial != cusim.block_serial) {
        memset(r->base, 0xff, r->size);
        memset(r->cells, 0, (r->size / 2 + 1) * sizeof *r->cells);
    }
    r->block_serial = cusim.block_serial;
    return r->base;
}

void *cusim_shared_all(const void *key, const char *name, size_t size)
{
    if (size != cusim.kernel->shared_all)
        cusim_fail("shared memory", "the kernel uses %zu bytes, its launch gives %zu", size,
                   cusim.kernel->shared_all);
    return cusim_shared(key, name, size);
}

void shared_forget(void)
{
    for (int i = cusim.n_regions - 1; i >= 0; i--)
        if (cusim.region[i]->key) region_free(cusim.region[i]);
}
