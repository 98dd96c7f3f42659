/* cusim_test.c - the tests of the emulator itself: it finds every kind of broken rule, in any order
 * of threads, says where, and leaves correct kernels alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cusim/cusim.h"
#include "tests/cusim/planted.h"

enum { N = 64, ROOM = 72 }; /* a little beyond what the kernels are asked to touch */

struct device {
    cudaStream_t stream;
    float *in, *out, *host; /* host: pinned */
};

static void must(cudaError_t e)
{
    if (e != cudaSuccess) fail_msg("%s", cudaGetErrorString(e));
}

static void device_open(struct device *d, enum cusim_order order, bool eager)
{
    void *p;
    cusim_clear();
    cusim_set_order(order);
    cusim_set_eager(eager);
    must(cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking));
    must(cudaMallocHost(&p, ROOM * sizeof(float)));
    d->host = p;
    for (int i = 0; i < ROOM; i++) d->host[i] = (float)i;
    must(cudaMalloc(&p, ROOM * sizeof(float)));
    d->in = p;
    must(cudaMalloc(&p, 2 * N * sizeof(float)));
    d->out = p;
    must(cudaMemcpyAsync(d->in, d->host, ROOM * sizeof(float), cudaMemcpyHostToDevice, d->stream));
    must(cudaStreamSynchronize(d->stream));
}

static void device_close(struct device *d)
{
    cusim_clear();
    must(cudaFree(d->in));
    must(cudaFree(d->out));
    must(cudaFreeHost(d->host));
    must(cudaStreamDestroy(d->stream));
    assert_int_equal(cusim_live_objects(), 0);
}

/* words: NULL, no report; else what it has to say, in parts. */
static void expect(const char *kernel, int n, int barriers, const char *word, const char *place)
{
    for (enum cusim_order order = CUSIM_IN_TURN; order < CUSIM_ORDERS; order++) {
        struct device d;
        device_open(&d, order, order == CUSIM_IN_TURN);
        planted_launch(kernel, d.stream, d.out, d.in, n, barriers);
        cudaError_t e = cudaStreamSynchronize(d.stream);
        const char *report = cusim_report();
        if (!word) {
            if (report) fail_msg("%s %d %d: %s", kernel, n, barriers, report);
            assert_int_equal(e, cudaSuccess);
        } else {
            if (!report) fail_msg("%s %d %d: nothing found", kernel, n, barriers);
            if (!strstr(report, word) || !strstr(report, place))
                fail_msg("\"%s\" lacks \"%s\" or \"%s\"", report, word, place);
            assert_int_equal(e, cudaErrorLaunchFailure);
            assert_string_equal(cudaGetErrorString(e), report);
        }
        device_close(&d);
    }
}

static void missing_barriers_are_races(void **state)
{
    (void)state;
    expect("neighbour", 0, 3, NULL, NULL);
    expect("neighbour", 0, 2, "", "shared array x"); /* a read of nothing yet, or of a race */
    expect("neighbour", 0, 1, "race: ", "no barrier between");
    expect("neighbour", 0, 1, "planted.cu:", "shared array x");
}

static void accesses_outside_are_found(void **state)
{
    (void)state;
    expect("shared_index", 0, 0, NULL, NULL);
    expect("shared_index", 1, 0, "out of bounds", "4 past the end of shared array x of 256");
    expect("shared_index", -1, 0, "out of bounds", "4 before shared array x");
    expect("copy", ROOM - N, 0, NULL, NULL);
    expect("copy", ROOM - N + 1, 0, "out of bounds", "past the end of device buffer of 288");
    expect("copy", -1, 0, "out of bounds", "before device buffer");
}

static void reads_of_nothing_are_found(void **state)
{
    (void)state;
    struct device d;
    device_open(&d, CUSIM_IN_TURN, false);
    planted_launch("copy", d.stream, d.in, d.out, 0, 0);
    assert_int_equal(cudaStreamSynchronize(d.stream), cudaErrorLaunchFailure);
    assert_non_null(strstr(cusim_report(), "uninitialised"));
    device_close(&d);
}

static void misaligned_wide_reads_are_found(void **state)
{
    (void)state;
    expect("wide", 0, 0, NULL, NULL);
    expect("wide", 4, 0, NULL, NULL);
    expect("wide", 2, 0, "trap", "misaligned wide access at planted.cu");
}

static void blocks_may_not_share(void **state)
{
    (void)state;
    expect("blocks", N, 0, NULL, NULL);
    expect("blocks", N - 1, 0, "race of blocks", "write after write");
}

static void rendezvous_need_everybody(void **state)
{
    (void)state;
    expect("half_barrier", N, 0, NULL, NULL);
    expect("half_barrier", 0, 0, NULL, NULL);
    expect("half_barrier", N / 2, 0, "divergent barrier", "has left");
    expect("half_shuffle", N, 0, NULL, NULL);
    expect("half_shuffle", N / 2, 0, NULL, NULL); /* one whole warp */
    expect("half_shuffle", 16, 0, "deadlock", "shuffle");
    expect("partner", 8, 0, NULL, NULL);
    expect("partner", 16, 0, "warp mask", "takes no part");
}

static void a_warp_has_barriers_of_its_own(void **state)
{
    (void)state;
    expect("warp", 1, 3, NULL, NULL);
    expect("warp", 31, 3, NULL, NULL);
    expect("warp", 1, 2, "", "shared array x"); /* a read of nothing yet, or of a race */
    expect("warp", 1, 1, "race: ", "no barrier between");
    expect("warp", 32, 3, "", "shared array x"); /* the other warp was not asked to wait */
}

static void copies_are_there_when_waited_for(void **state)
{
    (void)state;
    expect("async", 0, 1, NULL, NULL);
    expect("async", 1, 1, NULL, NULL);
    expect("async", 2, 1, "async copy", "is not waited for");
    expect("async", 0, 0, NULL, NULL);           /* a thread sees its own */
    expect("async", 0, 2, "", "shared array x"); /* others' it has to meet */
    expect("async", 0, 3, NULL, NULL);
    expect("async", 0, 1 | 2 | 4, "async copy", "leaves with 1 copies");
    expect("async", 0, 1 | 4 | 8, "", "shared array x"); /* thread 0 may still read it */
}

/* What one kernel writes to out. */
static void run_planted(const char *kernel, int n, int barriers, float out[N])
{
    struct device d;
    device_open(&d, CUSIM_RANDOM, false);
    planted_launch(kernel, d.stream, d.out, d.in, n, barriers);
    must(cudaMemcpyAsync(d.host, d.out, N * sizeof(float), cudaMemcpyDeviceToHost, d.stream));
    must(cudaStreamSynchronize(d.stream));
    memcpy(out, d.host, N * sizeof(float));
    device_close(&d);
}

static void additions_meet_but_nothing_else_does(void **state)
{
    float out[N];
    (void)state;
    expect("adders", 0, 3, NULL, NULL);
    expect("adders", 0, 2, "race: ", "shared array sum");
    expect("adders", 0, 1, "", "shared array sum"); /* a race, or to nothing yet */
    run_planted("adders", 0, 3, out);
    assert_true(out[0] == N * (N - 1) / 2);
}

/* in[i] is i: a[r,k] = r - k, b[k,c] = c k, and 1, 2, 3, 4 were in the accumulators. */
static void tensor_cores_multiply_whole_warps(void **state)
{
    (void)state;
    float out[N];
    run_planted("mma", N, 0, out);
    for (int r = 0; r < 16; r++)
        for (int c = 0; c < 4; c++) {
            int sum = r < 8 ? 1 + c % 2 : 3 + c % 2;
            for (int k = 0; k < 16; k++) sum += (r - k) * c * k;
            assert_true(out[r * 4 + c] == (float)sum);
        }
    expect("mma", 32, 0, NULL, NULL); /* one whole warp */
    expect("mma", 40, 0, "deadlock", "mma");
    /* Lane 4 g + t: element 2 t + 1 of row g of the second matrix, rows 8 .. 15 of the warp. */
    run_planted("ldmatrix", 0, 1, out);
    for (int i = 0; i < N; i++)
        assert_true(out[i] == (float)(100 * (i / 32 * 32 + 8 + i % 32 / 4) + i % 4 * 2 + 1));
    int64_t conflicts = cusim_bank_conflicts();
    run_planted("ldmatrix", 1, 1, out);
    assert_int_equal(cusim_bank_conflicts(), conflicts);
    for (int i = 0; i < N; i++)
        assert_true(out[i] == (float)(100 * (i / 32 * 32 + 8 + i % 4 * 2 + 1) + i % 32 / 4));
    /* Rows 32 bytes apart: the first and the fifth of 8 share banks; 4 matrices, 2 warps. */
    run_planted("ldmatrix", 0, 2, out);
    assert_int_equal(cusim_bank_conflicts(), conflicts + 8);
}

static void large_shared_memory_is_prepared_for(void **state)
{
    (void)state;
    struct device d;
    device_open(&d, CUSIM_IN_TURN, false);
    planted_launch("large", d.stream, d.out, d.in, 0, 0);
    assert_int_equal(cudaGetLastError(), cudaErrorLaunchFailure);
    assert_non_null(strstr(cusim_report(), "was not prepared"));
    cusim_clear();
    planted_launch("prepare large", d.stream, d.out, d.in, 0, 0);
    planted_launch("large", d.stream, d.out, d.in, 0, 0);
    must(cudaStreamSynchronize(d.stream));
    device_close(&d);
}

/* Bytes, whatever the width of the accesses and however they get there. */
static void reads_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *kernel;
        int n, barriers, bytes;
    } want[] = {{"copy", 0, 0, N * 4}, {"wide", 0, 0, N * 4}, {"async", 0, 1, N * 4}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct device d;
        device_open(&d, CUSIM_IN_TURN, false);
        planted_launch(want[i].kernel, d.stream, d.out, d.in, want[i].n, want[i].barriers);
        must(cudaStreamSynchronize(d.stream));
        assert_int_equal(cusim_bytes_read(d.in), want[i].bytes);
        device_close(&d);
    }
}

static void local_arrays_have_bounds(void **state)
{
    (void)state;
    expect("local_array", 4, 0, NULL, NULL);
    expect("local_array", 5, 0, "trap", "index past a local array");
}

static void the_host_cannot_touch_device_memory(void **state)
{
    (void)state;
    struct device d;
    device_open(&d, CUSIM_IN_TURN, false);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        volatile float x = d.in[3];
        _exit((int)x);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    device_close(&d);
}

/* Nothing has happened until somebody waits, and pinned memory is read only then. */
static void streams_run_late(void **state)
{
    (void)state;
    struct device d;
    float unpinned[N];
    device_open(&d, CUSIM_IN_TURN, false);
    for (int i = 0; i < N; i++) unpinned[i] = 100;
    size_t bytes = sizeof unpinned;
    must(cudaMemcpyAsync(d.in, unpinned, bytes, cudaMemcpyHostToDevice, d.stream));
    planted_launch("copy", d.stream, d.out, d.in, 0, 0);
    for (int i = 0; i < N; i++) d.host[i] = unpinned[i] = 1;
    must(cudaMemcpyAsync(d.host, d.out, bytes, cudaMemcpyDeviceToHost, d.stream));
    assert_true(d.host[0] == 1); /* reading too early */
    must(cudaStreamSynchronize(d.stream));
    assert_true(d.host[0] == 100); /* what the source held at the call */

    cudaEvent_t copied;
    must(cudaEventCreateWithFlags(&copied, cudaEventDisableTiming));
    must(cudaMemcpyAsync(d.in, d.host, bytes, cudaMemcpyHostToDevice, d.stream));
    d.host[0] = 7; /* too early: the copy has not been made */
    must(cudaEventRecord(copied, d.stream));
    must(cudaEventSynchronize(copied));
    d.host[0] = 8; /* in time */
    must(cudaMemcpyAsync(unpinned, d.in, bytes, cudaMemcpyDeviceToHost, d.stream));
    assert_true(unpinned[0] == 7); /* to unpinned memory a copy is complete on return */
    must(cudaEventDestroy(copied));
    device_close(&d);
}

int cusim_test_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_barriers_are_races),
        cmocka_unit_test(additions_meet_but_nothing_else_does),
        cmocka_unit_test(accesses_outside_are_found),
        cmocka_unit_test(reads_of_nothing_are_found),
        cmocka_unit_test(misaligned_wide_reads_are_found),
        cmocka_unit_test(blocks_may_not_share),
        cmocka_unit_test(rendezvous_need_everybody),
        cmocka_unit_test(a_warp_has_barriers_of_its_own),
        cmocka_unit_test(copies_are_there_when_waited_for),
        cmocka_unit_test(tensor_cores_multiply_whole_warps),
        cmocka_unit_test(large_shared_memory_is_prepared_for),
        cmocka_unit_test(reads_are_counted),
        cmocka_unit_test(the_host_cannot_touch_device_memory),
        cmocka_unit_test(local_arrays_have_bounds),
        cmocka_unit_test(streams_run_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
