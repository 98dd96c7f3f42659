/* double.h - a stand-in for the GPU side of CUPTI, for the driver and for NVML: linked in place of
 * the files that find the real ones.  It keeps the rules of their calls, counts every one, and
 * can make any of them fail. */
#ifndef TESTS_CUPTI_DOUBLE_H
#define TESTS_CUPTI_DOUBLE_H

#include <stdbool.h>
#include <stdint.h>

struct cupti_double {
    /* What the machine is like. */
    const char *chip;
    int32_t passes; /* 0: as many as the table of sets says                     */
    int32_t n_gpus;
    bool no_driver, no_library, no_nvml;
    bool unsupported;  /* DeviceSupported says no, for want of vGpu                */
    int32_t dropped;   /* ranges, or activity records, that get lost               */
    int32_t missing;   /* ranges that silently are not there                       */
    bool no_times;     /* kernels come back without                                */
    int32_t n_kernels; /* that run in every forward                                */
    bool no_energy;    /* NVML does not know it                                    */
    /* What is counted: session is 1 for the first one armed by an opened probe. */
    double (*value)(int32_t session, const char *range, const char *metric);

    /* What shall fail: the call of this number, from 1 (0: none) ... */
    int32_t fail_at;
    /* ... or every call of this name from the nth on. */
    const char *fail_call;
    int32_t fail_from;
    int fail_with; /* a CUptiResult; drivers and NVML fail in a way of their own */

    /* What has happened. */
    int32_t n_calls, n_named;
    char failed[64];   /* the call that was made to fail; "": none            */
    char misused[160]; /* the first call that broke a rule; "": none          */
    int32_t n_held;    /* contexts, hosts, sessions, NVML, not given back     */
    int32_t n_sessions, n_armed, n_libraries;
};

/* A kernel of an emulated GPU, which ran in place of the made-up ones. */
struct cupti_double_kernel {
    int64_t launch; /* its number */
    char name[64];
    int32_t grid[3], block[3];
    uint64_t begin_ns, end_ns;
};
/* It was launched; and has run. */
void cupti_double_launched(int64_t launch);
void cupti_double_ran(const struct cupti_double_kernel *k);

/* NULL: this build has no CUPTI to stand in for. */
struct cupti_double *cupti_double(void);
void cupti_double_reset(void);
/* For the other stand-ins: count a call; true: it must fail. */
bool cupti_double_enter(const char *call);
void cupti_double_misuse(const char *call, const char *rule);

#endif
