/* cusim.h - run CUDA kernels on a CPU, for tests: what kernels, backend and tests see.
 *
 * A .cu file is compiled as C++ with the headers in shadow/ and include/.  Each CUDA thread is
 * a fiber; barriers and shuffles are rendezvous.  The compiler's thread sanitizer pass puts a
 * call before every load and store; those calls lead here, not to its library, and are held
 * against CUDA's rules: races between barriers, bounds of the buffer or shared array, reads of
 * what nobody wrote, alignment of wide accesses, copies that nobody waited for.  Tensor-core
 * instructions are rendezvous of a whole warp.  The first broken rule makes the device fail:
 * every later call returns cudaErrorLaunchFailure and cudaGetErrorString tells the story.
 *
 * Work on a stream is kept until somebody waits for it, so host code that reads results early,
 * or overwrites a pinned buffer that a copy still needs, gets wrong numbers here too.  Device
 * memory is unreadable for the host outside of copies.
 *
 * Not shown: speed, memory ordering between blocks, the rounding of the GPU's own functions,
 * anything about real cuBLAS.  One device, one host thread, x86-64. */
#ifndef CUSIM_CUSIM_H
#define CUSIM_CUSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cusim_dim {
    unsigned x, y, z;
};

/* ---- for kernels, through the dialect ---- */
struct cusim_dim cusim_thread_index(void);
struct cusim_dim cusim_block_index(void);
struct cusim_dim cusim_block_size(void);
struct cusim_dim cusim_grid_size(void);
void cusim_barrier(const char *file, int line);
void cusim_warp_barrier(uint32_t lanes, const char *file, int line);
uint64_t cusim_shuffle_xor(uint32_t lanes, uint64_t bits, int lane_xor, const char *file, int line);
void *cusim_shared(const void *key, const char *name, size_t size);
/* All that the launch asked for: as large as it said. */
void *cusim_shared_all(const void *key, const char *name, size_t size);

/* Races with every access that is no addition, until a barrier. */
void cusim_atomic_add(uint64_t *to, uint64_t v);

/* As cuda_ptx.h has them. */
void cusim_mma(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1, const char *file,
               int line);
void cusim_fma(void); /* one on a CUDA core */
void cusim_ldmatrix(uint32_t r[4], const void *row, bool turned, const char *file, int line);
void cusim_copy_async(void *shared, const void *global, bool reads);
void cusim_copy_async_group(void);
void cusim_copy_async_wait(unsigned left);

struct cusim_kernel {
    const char *name;
    const void *code; /* what cudaFuncSetAttribute knows it by */
    size_t shared_all;
    struct cusim_dim grid, block;
    int64_t launch; /* its number; given when it is launched */
    void *call; /* owned once launched */
    void (*run)(void *call);
    void (*free)(void *call);
};
void cusim_launch(cudaStream_t s, const struct cusim_kernel *k);

/* ---- for tests ---- */
enum cusim_order { CUSIM_IN_TURN, CUSIM_BACKWARDS, CUSIM_RANDOM, CUSIM_ORDERS };

/* NULL, or why this program has no emulator. */
const char *cusim_absent(void);
/* A cmocka group: the emulator's own tests; where it is absent, one that is skipped. */
int cusim_test_all(void);
/* In which order threads and blocks run from now on. */
void cusim_set_order(enum cusim_order order);
/* Work is done when it is queued instead of when it is waited for. */
void cusim_set_eager(bool eager);
/* Device memory in all; 0: 1 GiB. */
void cusim_set_memory(size_t bytes);
/* Of an imagined device, on whose clock events then are: a kernel takes its launch and the bytes
 * of device memory it touches, a matmul its launch and its FLOPs.  NULL: events are on the clock
 * of the host that emulates. */
struct cusim_speed {
    double bytes_per_s, half_flop_per_s, f32_flop_per_s; /* half: of 16-bit factors */
    double launch_ns;
};
void cusim_set_speed(const struct cusim_speed *speed);
/* The nth call of the runtime from now on fails; 0: none does. */
void cusim_fail_call(int64_t nth);
/* The device is lost at the nth kernel from now on whose name has the word; 0: it stays. */
void cusim_lose_at(const char *word, int64_t n);
/* NULL, or what went wrong first; clearing makes the device usable again. */
const char *cusim_report(void);
void cusim_clear(void);
/* Bytes that kernels have read so far of the device buffer that holds p. */
int64_t cusim_bytes_read(const void *p);
/* A kernel, or a product of cuBLAS's ("gemm", without a shape): told when it is launched by itself
 * and when it has run, on the clock that events are on. */
struct cusim_ran {
    int64_t launch; /* its number */
    const char *name;
    struct cusim_dim grid, block;
    double begin_ns, end_ns;
};
struct cusim_listener {
    void (*launched)(int64_t launch);
    void (*ran)(const struct cusim_ran *r);
};
void cusim_set_listener(const struct cusim_listener *l); /* NULL: nobody listens */
/* Kernels launched by themselves and not as part of a graph since the last clear. */
int64_t cusim_single_kernels(void);
/* Buffers, streams, events and graphs that exist. */
int64_t cusim_live_objects(void);
/* How many matrices ldmatrix has loaded whose 8 rows do not lie in different banks. */
int64_t cusim_bank_conflicts(void);
/* What tensor cores have executed, padding included. */
int64_t cusim_mma_flop(void);
/* What CUDA cores have, in fused multiply-adds. */
int64_t cusim_fma_flop(void);

#ifdef __cplusplus
}
#endif
#endif
