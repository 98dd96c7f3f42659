/* cusim_run.c - a launch: blocks one after another, the threads of each as fibers that run until
 * they wait for one another. */
#include "tests/cusim/cusim_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct cusim cusim = {.epoch = 1};

/* ---- fibers: save what a call must preserve, change stacks, take it up again ---- */

void cusim_switch(void **save, void *to);
__asm__(".text\n"
        ".globl cusim_switch\n"
        ".type cusim_switch, @function\n"
        "cusim_switch:\n"
        "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n"
        "    ret\n"
        ".size cusim_switch, .-cusim_switch\n");

void leave_fiber(void)
{
    struct thread *t = cusim.now;
    cusim_switch(&t->stack_pointer, cusim.host_stack_pointer);
}

static void enter_fiber(struct thread *t)
{
    cusim.now = t;
    cusim_switch(&cusim.host_stack_pointer, t->stack_pointer);
    cusim.now = NULL;
}

static void fiber_main(void)
{
    cusim.kernel->run(cusim.kernel->call);
    copies_end(cusim.now);
    cusim.now->state = HAS_LEFT;
    cusim.n_left++;
    leave_fiber();
    abort();
}

static void make_fiber(struct thread *t)
{
    void **sp = (void **)(cusim.stacks + (size_t)(t->number + 1) * STACK_BYTES - 64);
    void (*start)(void) = fiber_main;
    *--sp = NULL; /* in place of a return address: the stack is aligned as after a call */
    sp--;
    memcpy(sp, &start, sizeof start);
    for (int i = 0; i < 6; i++) *--sp = NULL;
    t->stack_pointer = sp;
}

/* A page at the end of each stack that may not be touched. */
static void make_stacks(void)
{
    catch_traps(); /* cmocka sets handlers of its own for every test */
    if (cusim.stacks) return;
    cusim.stacks = mmap(NULL, (size_t)MAX_THREADS * STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (cusim.stacks == MAP_FAILED) abort();
    for (size_t i = 0; i < MAX_THREADS; i++)
        mprotect(cusim.stacks + i * STACK_BYTES, 4096, PROT_NONE);
}

/* ---- what went wrong ---- */

void cusim_fail(const char *kind, const char *fmt, ...)
{
    if (!cusim.report[0]) {
        char *text = cusim.report;
        size_t room = sizeof cusim.report;
        va_list ap;
        size_t n = (size_t)snprintf(text, room, "%s: ", kind);
        va_start(ap, fmt);
        if (n < room) n += (size_t)vsnprintf(text + n, room - n, fmt, ap);
        va_end(ap);
        if (cusim.kernel && n < room) {
            struct cusim_dim b = cusim.block;
            n += (size_t)snprintf(text + n, room - n, "; kernel %s, block (%u, %u, %u)",
                                  cusim.kernel->name, b.x, b.y, b.z);
            if (cusim.now && n < room)
                snprintf(text + n, room - n, ", thread %u", cusim.now->number);
        }
    }
    cusim.stopped = true;
    if (cusim.now) {
        leave_fiber(); /* which is never entered again */
        abort();
    }
}

/* ---- barriers ---- */

void cusim_barrier(const char *file, int line)
{
    struct thread *t = cusim.now;
    t->state = AT_BARRIER;
    t->file = file;
    t->line = line;
    cusim.n_waiting++;
    leave_fiber();
}

/* All wait: go on if they wait for the same barrier and none has left without it. */
static void finish_barrier(void)
{
    const struct thread *first = &cusim.thread[0];
    for (unsigned i = 0; i < cusim.n_threads; i++) {
        const struct thread *t = &cusim.thread[i];
        if (t->state == HAS_LEFT || t->line != first->line || t->file != first->file) {
            cusim_fail("divergent barrier", "thread %u %s (line %d) while thread %u is at line %d",
                       t->number, t->state == HAS_LEFT ? "has left" : "waits elsewhere", t->line,
                       first->number, first->line);
            return;
        }
    }
    for (unsigned i = 0; i < cusim.n_threads; i++) cusim.thread[i].state = CAN_RUN;
    cusim.n_waiting = 0;
    cusim.epoch++;
}

/* ---- launches ---- */

static unsigned random_below(unsigned n)
{
    cusim.random = cusim.random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((cusim.random >> 33) % n);
}

/* The threads of a block in the order they get their turns. */
static void order_threads(unsigned order[MAX_THREADS])
{
    unsigned n = cusim.n_threads;
    for (unsigned i = 0; i < n; i++) order[i] = cusim.order == CUSIM_BACKWARDS ? n - 1 - i : i;
    if (cusim.order != CUSIM_RANDOM) return;
    for (unsigned i = n - 1; i > 0; i--) {
        unsigned j = random_below(i + 1), keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
}

static void nobody_can_go_on(void)
{
    char text[600];
    int n = 0;
    for (unsigned i = 0; i < cusim.n_threads && n < 500; i++) {
        const struct thread *t = &cusim.thread[i], *before = i ? t - 1 : NULL;
        if (t->state == HAS_LEFT ||
            (before && before->state == t->state && before->line == t->line))
            continue;
        n += snprintf(text + n, sizeof text - (size_t)n, " thread %u at the %s of line %d;", i,
                      t->state == AT_BARRIER ? "barrier" : t->op->name, t->line);
    }
    cusim_fail("deadlock", "no thread can go on:%s", text);
}

static void run_block(const struct cusim_kernel *k)
{
    unsigned order[MAX_THREADS];
    cusim.n_left = cusim.n_waiting = 0;
    memset(cusim.waiting, 0, sizeof cusim.waiting);
    cusim.block_serial++;
    cusim.block_epoch = ++cusim.epoch;
    for (unsigned i = 0; i < cusim.n_threads; i++) {
        cusim.thread[i] = (struct thread){
            .index = {i % k->block.x, i / k->block.x % k->block.y, i / k->block.x / k->block.y},
            .number = i};
        make_fiber(&cusim.thread[i]);
    }
    order_threads(order);
    while (cusim.n_left < cusim.n_threads && !cusim.stopped) {
        bool moved = false;
        for (unsigned i = 0; i < cusim.n_threads && !cusim.stopped; i++) {
            struct thread *t = &cusim.thread[order[i]];
            if (t->state != CAN_RUN) continue;
            enter_fiber(t);
            moved = true;
        }
        if (cusim.stopped || moved) continue;
        if (cusim.n_waiting > 0 && cusim.n_waiting + cusim.n_left == cusim.n_threads)
            finish_barrier();
        else
            nobody_can_go_on();
    }
}

void run_kernel(const struct cusim_kernel *k)
{
    uint64_t n_blocks = (uint64_t)k->grid.x * k->grid.y * k->grid.z;
    cusim.n_threads = k->block.x * k->block.y * k->block.z;
    cusim.kernel = k;
    cusim.stopped = false;
    cusim.launch_epoch = ++cusim.epoch;
    make_stacks();
    for (uint64_t i = 0; i < n_blocks && !cusim.stopped; i++) {
        uint64_t b = cusim.order == CUSIM_IN_TURN ? i : n_blocks - 1 - i;
        cusim.block =
            (struct cusim_dim){(unsigned)(b % k->grid.x), (unsigned)(b / k->grid.x % k->grid.y),
                               (unsigned)(b / k->grid.x / k->grid.y)};
        run_block(k);
    }
    shared_forget();
    cusim.kernel = NULL;
}

struct cusim_dim cusim_thread_index(void)
{
    return cusim.now->index;
}

struct cusim_dim cusim_block_index(void)
{
    return cusim.block;
}

struct cusim_dim cusim_block_size(void)
{
    return cusim.kernel->block;
}

struct cusim_dim cusim_grid_size(void)
{
    return cusim.kernel->grid;
}
