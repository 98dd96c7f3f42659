/* cusim_state.h - what the parts of the emulator share.
 *
 * The runtime's calls carry no handle of ours and the sanitizer's carry none at all, so here,
 * and only here, state lives at file scope: one struct. */
#ifndef CUSIM_CUSIM_STATE_H
#define CUSIM_CUSIM_STATE_H

#include "tests/cusim/cusim.h"

enum { MAX_THREADS = 1024, STACK_BYTES = 128 << 10, WARP_LANES = 32, MAX_REGIONS = 4096 };

/* ---- memory ---- */

/* What is known of two bytes of memory.  Epochs count barriers, blocks and launches. */
enum { NOBODY = 0xffff, SEVERAL = 0xfffe };
struct cell {
    uint32_t write_epoch; /* 0: never written */
    uint32_t read_epoch;
    uint32_t write_at, read_at; /* code, from the start of the program */
    uint16_t writer, reader;    /* threads of a block                  */
};

/* A device buffer, or an array shared by a block. */
struct region {
    char *base;
    size_t size, mapped; /* mapped: whole pages, with one before and one after */
    const char *name;
    const void *key;       /* shared array: whose; NULL: a device buffer */
    uint64_t block_serial; /* shared array: the block it was made fresh for */
    bool written;          /* all of it, by the host                     */
    bool open;             /* may be touched                             */
    struct cell *cells;    /* of two bytes each                          */
};

/* ---- threads ---- */

enum thread_state { CAN_RUN, AT_BARRIER, AT_SHUFFLE, HAS_LEFT };

struct thread {
    struct cusim_dim index;
    unsigned number;
    enum thread_state state;
    void *stack_pointer;
    const char *file; /* where it waits */
    int line;
    uint32_t lanes; /* of the shuffle it waits for */
    int lane_xor;
    uint64_t bits;
};

struct cusim {
    struct region *region[MAX_REGIONS]; /* by address */
    int n_regions;
    struct region *last; /* the one found last */

    struct thread thread[MAX_THREADS];
    struct thread *now; /* NULL: host code runs */
    void *host_stack_pointer;
    char *stacks; /* MAX_THREADS of STACK_BYTES */
    unsigned n_threads, n_left, n_waiting;
    uint32_t shuffling[MAX_THREADS / WARP_LANES]; /* lanes that wait in each warp */
    struct cusim_dim block;
    const struct cusim_kernel *kernel;
    uint64_t block_serial;
    uint32_t epoch, block_epoch, launch_epoch;

    enum cusim_order order;
    uint64_t random;
    bool eager;
    bool stopped; /* the running launch is to be given up */
    char report[2048];

    int64_t calls_until_failure; /* 0: none is to fail */
    int64_t live_objects;
};

extern struct cusim cusim;

/* Tell the first broken rule; inside a kernel this does not return. */
void cusim_fail(const char *kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* cusim_memory.c */
struct region *region_new(size_t size, const char *name, const void *key);
void region_free(struct region *r);
struct region *region_find(const void *p); /* the one that holds p, or NULL */
struct region *region_near(const void *p); /* the closest one, or NULL      */
void region_host_wrote(struct region *r, size_t at, size_t n);
/* The device touches r; at the end of its work all is closed to the host again. */
void region_open(struct region *r);
void memory_close(void);
/* [p, p + n) lies in one device buffer; else false and the device has failed. */
bool device_range(const void *p, size_t n, const char *what);
void shared_forget(void);

/* cusim_check.c */
void catch_traps(void);

/* cusim_run.c */
void run_kernel(const struct cusim_kernel *k);
void leave_fiber(void); /* to the scheduler, for good or until it is this thread's turn again */

/* cusim_stream.c: op(arg) runs when the stream reaches it; done(arg) frees. */
void stream_queue(cudaStream_t s, void (*op)(void *arg), void (*done)(void *arg), void *arg);

#endif
