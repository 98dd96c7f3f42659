/* cusim_check.c - every load and store of a kernel: the calls that gcc's thread sanitizer pass
 * puts before each, held against CUDA's rules.
 *
 * Two accesses of a block's memory by different threads, one of them a write, need a barrier
 * between them; between blocks of one launch nothing makes them legal.  That holds whatever
 * order the fibers happened to run in, so a race is found without having to happen. */
#include "tests/cusim/cusim_state.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

extern char __executable_start, end; /* the linker's */

static uint32_t code_offset(const void *pc)
{
    return (uint32_t)((const char *)pc - &__executable_start);
}

/* "file:line", inlined callers after it; "?" without debug information. */
static const char *where(uint32_t offset, char *buf, size_t size)
{
    char command[200], line[300];
    size_t n = 0;
    snprintf(command, sizeof command, "addr2line -s -i -e /proc/%d/exe 0x%x 2>/dev/null",
             (int)getpid(), offset - 1);
    FILE *f = popen(command, "r");
    snprintf(buf, size, "?");
    while (f && fgets(line, sizeof line, f) && n < size) {
        line[strcspn(line, " \n")] = '\0';
        n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? " < " : "", line);
    }
    if (f) pclose(f);
    return buf;
}

static const char *kind_of(const struct region *r)
{
    return r->key ? "shared array" : "device";
}

static void fail_outside(const char *p, size_t n, bool writes, const void *pc)
{
    char at[400];
    const struct region *r = region_near(p);
    const char *what = writes ? "write" : "read";
    where(code_offset(pc), at, sizeof at);
    if (!r) {
        cusim_fail("out of bounds", "%s at %s of no buffer", what, at);
        return;
    }
    if (p < r->base)
        cusim_fail("out of bounds", "%s of %zu bytes at %s, %zd before %s %s of %zu bytes", what, n,
                   at, r->base - p, kind_of(r), r->name, r->size);
    else
        cusim_fail("out of bounds", "%s of %zu bytes at %s, %zd past the end of %s %s of %zu bytes",
                   what, n, at, p + (ptrdiff_t)n - r->base - (ptrdiff_t)r->size, kind_of(r),
                   r->name, r->size);
}

static void fail_race(const struct region *r, size_t at, const char *order, const void *pc,
                      uint32_t other_pc, unsigned other, bool blocks)
{
    char here[400], there[400];
    cusim_fail(blocks ? "race of blocks" : "race",
               "%s of %s %s, byte %zu, at %s; before it at %s by %s %u%s", order, kind_of(r),
               r->name, at, where(code_offset(pc), here, sizeof here),
               where(other_pc, there, sizeof there), "thread", other,
               blocks ? " of another block" : ", no barrier between");
}

/* Whether an access of this block's, since its last barrier, comes before one of `me` now: its
 * own do, and those of lanes of its warp that were before a barrier of the warp. */
static bool is_before(unsigned other, uint32_t moment, bool whole_warp, unsigned me)
{
    unsigned warp = me / WARP_LANES;
    if (other == me && !whole_warp) return true;
    return other != SEVERAL && other / WARP_LANES == warp && moment < cusim.moment[warp];
}

static void note_read(struct cell *c, unsigned me, const void *pc)
{
    uint32_t moment = cusim.moment[me / WARP_LANES];
    bool first = c->read_epoch != cusim.epoch;
    if (first || is_before(c->reader, c->read_moment, c->whole_warp_read, me)) {
        c->whole_warp_read = false;
        c->reader = (uint16_t)me;
    } else if (c->reader != SEVERAL && c->reader / WARP_LANES == me / WARP_LANES) {
        c->whole_warp_read |= c->reader != me;
    } else {
        c->reader = SEVERAL;
    }
    c->read_epoch = cusim.epoch;
    c->read_moment = moment;
    c->read_at = code_offset(pc);
}

enum access { READS, WRITES, ADDS };

/* One cell under one access by thread `me`. */
static void check_cell(const struct region *r, struct cell *c, enum access access, unsigned me,
                       const void *pc)
{
    bool writes = access != READS, added = access == ADDS && c->added;
    size_t at = (size_t)(c - r->cells) * 2;
    const char *order = writes ? "write after write" : "read after write";
    if (c->in_flight) {
        char here[400], there[400];
        cusim_fail("async copy",
                   "%s of shared array %s, byte %zu, at %s; the copy queued at %s is "
                   "not waited for",
                   writes ? "write" : "read", r->name, at,
                   where(code_offset(pc), here, sizeof here),
                   where(c->write_at, there, sizeof there));
    }
    if (access != WRITES && c->write_epoch == 0 && !r->written) {
        char here[400];
        cusim_fail("uninitialised", "read of %s %s, byte %zu, at %s", kind_of(r), r->name, at,
                   where(code_offset(pc), here, sizeof here));
    }
    bool is_new = c->write_epoch != cusim.epoch;
    if (!is_new && !added && !is_before(c->writer, c->write_moment, false, me))
        fail_race(r, at, order, pc, c->write_at, c->writer, false);
    if (writes && c->read_epoch == cusim.epoch &&
        !is_before(c->reader, c->read_moment, c->whole_warp_read, me))
        fail_race(r, at, "write after read", pc, c->read_at, c->reader, false);
    bool other_block = c->write_epoch >= cusim.launch_epoch && c->write_epoch < cusim.block_epoch;
    if (!r->key && other_block) fail_race(r, at, order, pc, c->write_at, c->writer, true);
    other_block = c->read_epoch >= cusim.launch_epoch && c->read_epoch < cusim.block_epoch;
    if (!r->key && writes && other_block)
        fail_race(r, at, "write after read", pc, c->read_at, c->reader, true);

    if (writes) {
        c->write_epoch = cusim.epoch;
        c->write_moment = cusim.moment[me / WARP_LANES];
        c->writer = !is_new && added && c->writer != me ? SEVERAL : (uint16_t)me;
        c->write_at = code_offset(pc);
        c->added = access == ADDS && (is_new || added);
    } else {
        note_read(c, me, pc);
    }
}

/* What the compiler checks by itself ends in a trap. */
static void on_trap(int signal, siginfo_t *info, void *context)
{
    char here[400];
    const ucontext_t *c = context;
    const char *pc = (const char *)c->uc_mcontext.gregs[REG_RIP];
    (void)info;
    if (!cusim.now) _exit(128 + signal);
    cusim_fail("trap", "index past a local array or misaligned wide access at %s",
               where(code_offset(pc) + 1, here, sizeof here));
}

/* The handler never returns to the fiber, so the signal must not stay blocked. */
void catch_traps(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGILL, &action, NULL);
}

static void check(const void *address, size_t n, enum access access, const void *pc)
{
    bool writes = access != READS;
    const char *p = address;
    struct thread *t = cusim.now;
    if (!t) return; /* launchers, on the host */
    ptrdiff_t on_stacks = p - cusim.stacks;
    if (on_stacks >= 0 && on_stacks < (ptrdiff_t)MAX_THREADS * STACK_BYTES) {
        if (on_stacks / STACK_BYTES != (ptrdiff_t)t->number)
            cusim_fail("foreign local", "access to a local variable of another thread");
        return;
    }
    if (p >= &__executable_start && p < &end) {
        if (writes) cusim_fail("static write", "a kernel writes to a static variable");
        return;
    }
    struct region *r = cusim.last;
    if (!r || p < r->base || p >= r->base + r->size) r = region_find(p);
    if (!r || p + n > r->base + r->size) {
        fail_outside(p, n, writes, pc);
        return;
    }
    cusim.last = r;
    if (!r->open) region_open(r);
    if (!r->key) cusim.n_bytes += (int64_t)n;
    if (!writes) r->bytes_read += (int64_t)n;
    size_t first = (size_t)(p - r->base) / 2, last = ((size_t)(p - r->base) + n - 1) / 2;
    for (size_t i = first; i <= last; i++) check_cell(r, &r->cells[i], access, t->number, pc);
}

void check_access(const void *address, size_t n, bool writes, const void *pc)
{
    check(address, n, writes ? WRITES : READS, pc);
}

void cusim_atomic_add(uint64_t *to, uint64_t v)
{
    check(to, sizeof *to, ADDS, __builtin_return_address(0));
    *to += v;
}

/* ---- what the compiler calls ---- */

#define CALL_BACKS(n)                                                                              \
    void __tsan_read##n(const void *p);                                                            \
    void __tsan_read##n(const void *p)                                                             \
    {                                                                                              \
        check_access(p, n, false, __builtin_return_address(0));                                    \
    }                                                                                              \
    void __tsan_write##n(const void *p);                                                           \
    void __tsan_write##n(const void *p)                                                            \
    {                                                                                              \
        check_access(p, n, true, __builtin_return_address(0));                                     \
    }                                                                                              \
    void __tsan_unaligned_read##n(const void *p);                                                  \
    void __tsan_unaligned_read##n(const void *p)                                                   \
    {                                                                                              \
        check_access(p, n, false, __builtin_return_address(0));                                    \
    }                                                                                              \
    void __tsan_unaligned_write##n(const void *p);                                                 \
    void __tsan_unaligned_write##n(const void *p)                                                  \
    {                                                                                              \
        check_access(p, n, true, __builtin_return_address(0));                                     \
    }
CALL_BACKS(1)
CALL_BACKS(2)
CALL_BACKS(4)
CALL_BACKS(8)
CALL_BACKS(16)

void __tsan_read_range(const void *p, size_t n);
void __tsan_read_range(const void *p, size_t n)
{
    check_access(p, n, false, __builtin_return_address(0));
}

void __tsan_write_range(const void *p, size_t n);
void __tsan_write_range(const void *p, size_t n)
{
    check_access(p, n, true, __builtin_return_address(0));
}

void __tsan_init(void);
void __tsan_init(void)
{
}
