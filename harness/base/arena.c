/* arena.c - hand out parts of one piece of memory. */
#include "harness/base/arena.h"

#include <stdint.h>

enum { ALIGNMENT = 256 };

void arena_open(struct arena *a, void *base, size_t size)
{
    CHECK((uintptr_t)base % ALIGNMENT == 0);
    *a = (struct arena){.base = base, .size = size};
}

size_t arena_bytes(size_t n)
{
    return n > SIZE_MAX - (ALIGNMENT - 1) ? SIZE_MAX : (n + (ALIGNMENT - 1)) / ALIGNMENT * ALIGNMENT;
}

enum err arena_take(struct arena *a, size_t n, void **out)
{
    CHECK(!a->sealed);
    size_t left = a->size - a->used;
    if (arena_bytes(n) > left)
        return err_set(ERR_NOMEM, "%zu bytes wanted, %zu of %zu are left", n, left, a->size);
    *out = a->base + a->used;
    a->used += arena_bytes(n);
    return ERR_NONE;
}

void arena_seal(struct arena *a)
{
    a->sealed = true;
}

void arena_unseal(struct arena *a)
{
    a->sealed = false;
}

void arena_reset(struct arena *a)
{
    CHECK(!a->sealed);
    a->used = 0;
}
