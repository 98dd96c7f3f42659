/* known_work.h - two kernels whose bytes and FLOPs are arithmetic, to see what counters are worth:
 *     add       x[n] += y[n]: reads both from memory, writes one, n additions
 *     matmul    y[N,N] = x[N,N] . w[N,N]^T: 2 N^3 FLOPs, N a multiple of every tile
 * and a way to leave a cache with nothing of the model's and nothing to write back. */
#ifndef APP_KNOWN_WORK_H
#define APP_KNOWN_WORK_H

#include "harness/kernels/kernels.h"
#include "results/counting.h"

struct known_work_size {
    int64_t add_bytes;   /* per operand; 0: eight last-level caches                     */
    int64_t matmul;      /* N                                                           */
    int64_t flush_bytes; /* read to empty the cache; 0: four of them                  */
};

struct known_work; /* buffers on the device */

enum err known_work_open(struct kernels *k, const struct known_work_size *size,
                         struct known_work **out) MUST_CHECK;
void known_work_close(struct known_work *w); /* NULL is allowed */

enum { KNOWN_WORKS = 2, KNOWN_ROWS = 5 };
enum err known_work_run(struct known_work *w, int32_t i) MUST_CHECK; /* until it has ended */
/* Its known and counted numbers; appended to rows, those that were counted only. */
void known_work_compare(const struct known_work *w, int32_t i, const struct counters *counted,
                        struct known_work_row rows[KNOWN_ROWS], int32_t *n_rows);

/* Read other data until nothing else is left in the cache.  What was written before is written
 * back on the way, and reading leaves nothing that has to be. */
enum err known_work_flush(struct known_work *w) MUST_CHECK;

#endif
