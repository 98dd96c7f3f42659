/* cusim_async.c - copies to shared memory that run beside the arithmetic.
 *
 * The bytes arrive when they are waited for, as late as the hardware may bring them; until then
 * a touch of their place is an error, whoever's.  The place must be free when the copy is
 * queued, for that is as early as they may arrive. */
#include <string.h>

#include "tests/cusim/cusim_state.h"

enum { BYTES = 16 };

static void set_in_flight(const char *to, bool on)
{
    struct region *r = region_find(to);
    struct cell *c = &r->cells[(to - r->base) / 2];
    for (int i = 0; i < BYTES / 2; i++) c[i].in_flight = on;
}

void cusim_copy_async(void *shared, const void *global, bool reads)
{
    struct thread *t = cusim.now;
    const void *pc = __builtin_return_address(0);
    const struct region *r = region_find(shared), *from = region_find(global);
    if ((uintptr_t)shared % BYTES || (reads && (uintptr_t)global % BYTES))
        cusim_fail("trap", "asynchronous copy off 16 bytes");
    if (!r || !r->key) cusim_fail("out of bounds", "asynchronous copy outside shared memory");
    if (reads && from && from->key) cusim_fail("async copy", "from shared memory");
    if (t->n_copies == MAX_COPIES) cusim_fail("async copy", "more than %d in flight", MAX_COPIES);
    if (reads) check_access(global, BYTES, false, pc);
    check_access(shared, BYTES, true, pc);
    set_in_flight(shared, true);
    cusim.copies[t->number][t->n_copies++] =
        (struct copy_in_flight){shared, reads ? global : NULL, t->n_groups};
}

void cusim_copy_async_group(void)
{
    cusim.now->n_groups++;
}

void cusim_copy_async_wait(unsigned left)
{
    struct thread *t = cusim.now;
    struct copy_in_flight *c = cusim.copies[t->number];
    const void *pc = __builtin_return_address(0);
    unsigned n_left = 0;
    for (unsigned i = 0; i < t->n_copies; i++) {
        if (c[i].group + left >= t->n_groups) {
            c[n_left++] = c[i];
            continue;
        }
        set_in_flight(c[i].to, false);
        check_access(c[i].to, BYTES, true, pc);
        if (c[i].from)
            memcpy(c[i].to, c[i].from, BYTES);
        else
            memset(c[i].to, 0, BYTES);
    }
    t->n_copies = n_left;
}

void copies_end(struct thread *t)
{
    if (t->n_copies > 0)
        cusim_fail("async copy", "a thread leaves with %u copies it did not wait for", t->n_copies);
}
