/* cusim_state.h - what the parts of the emulator share.
 *
 * The runtime's calls carry no handle of ours and the sanitizer's carry none at all, so here,
 * and only here, state lives at file scope: one struct. */
#ifndef CUSIM_CUSIM_STATE_H
#define CUSIM_CUSIM_STATE_H

#include "tests/cusim/cusim.h"

enum {
    MAX_THREADS = 1024,
    STACK_BYTES = 128 << 10,
    WARP_LANES = 32,
    MAX_REGIONS = 4096,
    MAX_COPIES = 128,          /* in flight, of one thread                      */
    SHARED_UNASKED = 48 << 10, /* a kernel may have so much without being prepared */
    SHARED_MOST = 99 << 10     /* of compute capability 8.6: the least there is from 8.0 on */
};

/* ---- memory ---- */

/* What is known of two bytes of memory.  Epochs count barriers, blocks and launches; moments a
 * warp's own barriers.  A reader stands for all readers of its warp since the warp's last
 * barrier; SEVERAL: of more than one warp, or before and after. */
enum { SEVERAL = 0xfffe };
struct cell {
    uint32_t write_epoch; /* 0: never written */
    uint32_t read_epoch;
    uint32_t write_at, read_at;         /* code, from the start of the program   */
    uint32_t write_moment, read_moment; /* of the warp                           */
    uint16_t writer, reader;            /* threads of a block                    */
    bool in_flight;                     /* an asynchronous copy will write it    */
    bool whole_warp_read;               /* several lanes of the reader's warp did */
    bool added;                         /* writes since the barrier were additions */
};

/* A device buffer, or an array shared by a block. */
struct region {
    char *base;
    size_t size, mapped; /* mapped: whole pages, with one before and one after */
    const char *name;
    const void *key;       /* shared array: whose; NULL: a device buffer */
    uint64_t block_serial; /* shared array: the block it was made fresh for */
    bool written;          /* all of it, by the host                     */
    int64_t bytes_read;    /* by kernels                                 */
    bool open;             /* may be touched                             */
    struct cell *cells;    /* of two bytes each                          */
};

/* ---- threads ---- */

enum thread_state { CAN_RUN, AT_BARRIER, AT_WARP, HAS_LEFT };

/* What lanes of a warp do together: each brings what it needs of it, and the last to come does it
 * for all of them; lane[] of those that take no part is NULL. */
struct warp_op {
    const char *name;
    void (*run)(void *lane[WARP_LANES], unsigned warp, int line);
};

/* 16 bytes on their way to shared memory. */
struct copy_in_flight {
    char *to;
    const char *from; /* NULL: zeros */
    unsigned group;
};

struct thread {
    struct cusim_dim index;
    unsigned number;
    enum thread_state state;
    void *stack_pointer;
    const char *file; /* where it waits */
    int line;
    uint32_t lanes; /* with which lanes, for what, and what it brings */
    const struct warp_op *op;
    void *mine;
    unsigned n_groups, n_copies; /* asynchronous copies: groups closed, copies not waited for */
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
    uint32_t waiting[MAX_THREADS / WARP_LANES]; /* lanes that wait for others, of each warp */
    uint32_t moment[MAX_THREADS / WARP_LANES];  /* barriers each warp has had */
    struct copy_in_flight copies[MAX_THREADS][MAX_COPIES];
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
    const char *lost_at;         /* the device is lost at the nth kernel ... */
    int64_t n_until_lost;        /* ... whose name has that; 0: it stays     */
    int n_capturing;             /* streams */
    size_t memory_bytes;         /* of the device; 0: MEMORY_BYTES */
    struct cusim_speed speed;    /* bytes_per_s 0: the device's clock is the host's */
    double clock_ns;             /* else this                                       */
    int64_t n_bytes;             /* of device buffers touched by kernels            */
    int64_t n_kernels;           /* launched by themselves, not in graphs, since cusim_clear */
    int64_t live_objects;
    const struct cusim_listener *listener; /* NULL: nobody */
    int64_t n_launches;
    int64_t bank_conflicts, mma_flop, fma_flop;
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
enum { MEMORY_BYTES = 1 << 30 };
size_t memory_free(void);

/* cusim_check.c */
void catch_traps(void);
/* The thread that runs reads or writes n bytes; pc: in whose code. */
void check_access(const void *p, size_t n, bool writes, const void *pc);

/* cusim_warp.c: until all of `lanes` have called it with the same op at the same place. */
void warp_together(uint32_t lanes, const struct warp_op *op, void *mine, const char *file,
                   int line);

/* cusim_async.c */
void copies_end(struct thread *t); /* it leaves */

/* cusim_run.c */
void run_kernel(const struct cusim_kernel *k);
void leave_fiber(void); /* to the scheduler, for good or until it is this thread's turn again */

/* cusim_stream.c: op(arg) runs when the stream reaches it; done(arg) frees. */
struct stream_op {
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
    struct stream_op *next;
};
void stream_queue(cudaStream_t s, void (*op)(void *arg), void (*done)(void *arg), void *arg);
/* Where what is queued on s goes instead of running, NULL: it runs. */
struct CUgraph_st **stream_capture(cudaStream_t s);
/* Whether a call may be made: not after a report, nor when it is the one that is to fail. */
bool call_begins(cudaError_t *e);
cudaError_t call_result(cudaError_t e);
#define BEGIN()                                                                                    \
    do {                                                                                           \
        cudaError_t e_;                                                                            \
        if (!call_begins(&e_)) return e_;                                                          \
    } while (0)
/* Calls that wait or allocate may not be made while a stream of the thread is captured. */
#define BEGIN_UNCAPTURED()                                                                         \
    do {                                                                                           \
        BEGIN();                                                                                   \
        if (cusim.n_capturing > 0) return call_result(cudaErrorStreamCaptureUnsupported);          \
    } while (0)

uint64_t stream_queued(cudaStream_t s);
/* Until n operations since the start are done. */
void stream_run_until(cudaStream_t s, uint64_t n);

/* cusim_event.c: the device's clock goes on by what these take, if a speed is set. */
void clock_kernel(int64_t bytes);
void clock_gemm(double flop, bool f32);
double clock_now(void);

/* cusim_stream.c: a launch's number, and that it has run, for whoever listens. */
int64_t launch_told(void);
void launch_ran(const struct cusim_ran *r);

/* cusim_graph.c */
void graph_add(struct CUgraph_st *g, struct stream_op *op);

#endif
