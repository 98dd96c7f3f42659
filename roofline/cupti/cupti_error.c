/* cupti_error.c - results of CUPTI and the driver as sentences that say what can be done. */
#include "roofline/cupti/cupti_api.h"

static const struct {
    CUptiResult result;
    enum err err;
    const char *sentence;
} known[] = {
    {CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, ERR_UNSUPPORTED,
     "the driver lets only administrators read counters (ERR_NVGPUCTRPERM): run as root, give the "
     "process CAP_SYS_ADMIN (a container: --cap-add=SYS_ADMIN), or load the driver with "
     "NVreg_RestrictProfilingToAdminUsers=0"},
    {CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES, ERR_UNSUPPORTED,
     "profiling is not allowed on this virtual GPU: the host's administrator enables it per "
     "machine"},
    {CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED, ERR_UNSUPPORTED,
     "this virtual GPU has no counters: use one that is passed through whole"},
    {CUPTI_ERROR_HARDWARE_BUSY, ERR_UNSUPPORTED,
     "another program holds the counters (DCGM, Nsight, a second profiler): stop it, or "
     "dcgmi profile --pause"},
    {CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED, ERR_UNSUPPORTED,
     "another profiler is attached to this process: run without nsys, ncu or injected tools"},
    {CUPTI_ERROR_OLD_PROFILER_API_INITIALIZED, ERR_UNSUPPORTED,
     "another profiler in this process uses CUPTI's old interface: run without it"},
    {CUPTI_ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED, ERR_UNSUPPORTED,
     "a GPU in confidential computing mode has no counters: switch the mode off"},
    {CUPTI_ERROR_CMP_DEVICE_NOT_SUPPORTED, ERR_UNSUPPORTED, "this GPU has no counters"},
    {CUPTI_ERROR_MIG_DEVICE_NOT_SUPPORTED, ERR_UNSUPPORTED,
     "this MIG instance has no counters of its own: use a compute instance as large as its GPU "
     "instance, or switch MIG off"},
    {CUPTI_ERROR_SLI_DEVICE_NOT_SUPPORTED, ERR_UNSUPPORTED,
     "a GPU in SLI mode has no counters: switch SLI off"},
    {CUPTI_ERROR_WSL_DEVICE_NOT_SUPPORTED, ERR_UNSUPPORTED,
     "this Windows subsystem has no counters: use Linux itself"},
    {CUPTI_ERROR_INVALID_CHIP_NAME, ERR_UNSUPPORTED,
     "this CUPTI does not know the chip: install a newer one"},
    {CUPTI_ERROR_NOT_INITIALIZED, ERR_UNSUPPORTED,
     "CUPTI did not start: libnvperf_host.so must lie beside it or in the loader's path"},
    {CUPTI_ERROR_OUT_OF_MEMORY, ERR_NOMEM, "out of memory"},
};

enum err cupti_check(const struct cupti *c, CUptiResult result, const char *call)
{
    const char *words = NULL;
    if (result == CUPTI_SUCCESS) return ERR_NONE;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].result == result)
            return err_set(known[i].err, "%s (%s: %d)", known[i].sentence, call, (int)result);
    if (c->p_cuptiGetResultString(result, &words) != CUPTI_SUCCESS || !words) words = "no name";
    return err_set(ERR_DEVICE, "%s failed: %s (%d)", call, words, (int)result);
}

enum err cupti_driver_check(const struct cupti_driver *d, CUresult result, const char *call)
{
    const char *words = NULL;
    if (result == CUDA_SUCCESS) return ERR_NONE;
    if (d->p_cuGetErrorString(result, &words) != CUDA_SUCCESS || !words) words = "no name";
    return err_set(ERR_UNSUPPORTED, "the NVIDIA driver cannot be used: %s: %s (%d)", call, words,
                   (int)result);
}
