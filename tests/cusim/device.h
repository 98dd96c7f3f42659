/* device.h - a stream and buffers for tests that call the kernels' launchers themselves, on the
 * emulator or on a GPU. */
#ifndef CUSIM_DEVICE_H
#define CUSIM_DEVICE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "harness/kernels/bf16.h"
#include "harness/kernels/cuda/launch.h"
#include "tests/cusim/cusim.h"

static inline void must_do(cudaError_t e)
{
    if (e != cudaSuccess) fail_msg("%s", cudaGetErrorString(e));
}

static inline cudaStream_t device_open(enum cusim_order order)
{
    cudaStream_t s;
    cusim_clear();
    cusim_set_order(order);
    cusim_set_eager(false);
    must_do(cuda_kernels_prepare());
    must_do(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    return s;
}

/* Nothing was reported, all was freed, and tensor cores were fed without bank conflicts. */
static inline void device_close(cudaStream_t s)
{
    must_do(cudaStreamDestroy(s));
    if (cusim_report()) fail_msg("%s", cusim_report());
    assert_int_equal(cusim_live_objects(), 0);
    assert_int_equal(cusim_bank_conflicts(), 0);
}

/* A copy of n bytes of the host's. */
static inline void *device_copy(cudaStream_t s, const void *host, size_t n)
{
    void *data;
    must_do(cudaMalloc(&data, n));
    must_do(cudaMemcpyAsync(data, host, n, cudaMemcpyHostToDevice, s));
    must_do(cudaStreamSynchronize(s));
    return data;
}

/* rows x cols elements whose rows are cols + pad apart; x is rounded to dtype in place.  What is
 * not set, everything when x is NULL, is not a number. */
static inline struct tensor device_put(cudaStream_t s, float *x, int64_t rows, int64_t cols,
                                       int64_t pad, enum dtype dtype)
{
    int64_t stride = cols + pad;
    size_t size = (size_t)dtype_bytes(dtype), bytes = (size_t)(rows * stride) * size;
    char *host = malloc(bytes);
    memset(host, 0xff, bytes);
    for (int64_t i = 0; x && i < rows * cols; i++) {
        char *to = host + (size_t)(i / cols * stride + i % cols) * size;
        uint16_t half = bf16_from_f32(x[i]);
        if (dtype == DTYPE_BF16) x[i] = bf16_to_f32(half);
        memcpy(to, dtype == DTYPE_BF16 ? (void *)&half : (void *)&x[i], size);
    }
    struct tensor t = tensor_2d(device_copy(s, host, bytes), dtype, ROLE_ACTIVATION, rows, cols);
    t.row_stride = stride;
    free(host);
    return t;
}

/* Everything, as it is, what lies between rows too. */
static inline void device_get(cudaStream_t s, struct tensor t, void *host)
{
    size_t bytes = (size_t)(t.dim[0] * t.row_stride * dtype_bytes(t.dtype));
    must_do(cudaMemcpyAsync(host, t.data, bytes, cudaMemcpyDeviceToHost, s));
    must_do(cudaStreamSynchronize(s));
}

static inline void device_free(void *p)
{
    must_do(cudaFree(p));
}

#endif
