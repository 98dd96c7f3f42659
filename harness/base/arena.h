/* arena.h - memory with one lifetime: filled once, freed at once.
 *
 * Works on any memory, host or device: it only hands out addresses.  Before a timed
 * region the arena is sealed; asking a sealed arena for memory is a bug. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"

struct arena {
    char *base;   /* borrowed; 256-byte aligned */
    size_t size;  /* bytes                      */
    size_t used;  /* bytes handed out           */
    bool sealed;
};

void arena_open(struct arena *a, void *base, size_t size);

/* n bytes at a 256-byte boundary; they live until arena_reset.  ERR_NOMEM says how much
 * was asked for and how much is left. */
enum err arena_take(struct arena *a, size_t n, void **out) MUST_CHECK;

/* What arena_take uses up for n bytes; for adding up a size beforehand. */
size_t arena_bytes(size_t n);

void arena_seal(struct arena *a);
void arena_unseal(struct arena *a);
void arena_reset(struct arena *a);

#endif
