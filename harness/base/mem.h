/* mem.h - large buffers on huge pages, and what memory this process may use. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

/* n bytes, zeroed, 2 MiB aligned and advised to huge pages when n is large
 * enough; ERR_NOMEM names the size.  mem_unmap needs the same n. */
enum err mem_map(size_t n, void **out) MUST_CHECK;
void mem_unmap(void *p, size_t n); /* NULL is allowed */

/* min(MemAvailable, cgroup v2 or v1 limit less usage), bytes.  -1: unknown. */
int64_t mem_available_bytes(void);

#endif
