/* cupti_library.c - finding CUPTI and the driver when counters are asked for, not before. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/build_info.h"
#include "roofline/cupti/cupti_api.h"

/* Expanded once more, because cuda.h renames some calls. */
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

enum { PATH_SIZE = 4096, CUDA_MAJOR = CUDA_VERSION / 1000, CUDA_MINOR = CUDA_VERSION % 1000 / 10 };

/* Where toolkits put it, after the loader's own path. */
static const char *const folders[] = {
    "/usr/local/cuda/lib64",
    "/usr/local/cuda/extras/CUPTI/lib64",
};

/* libcupti opens its helper by bare name and has no path of its own to look in: a helper that
 * lies beside it must be there already. */
static void *open_beside(const char *path)
{
    char helper[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    if (!slash) return dlopen("libnvperf_host.so", RTLD_NOW | RTLD_LOCAL);
    snprintf(helper, sizeof helper, "%.*s/libnvperf_host.so", (int)(slash - path), path);
    return dlopen(helper, RTLD_NOW | RTLD_LOCAL);
}

static bool try_path(struct cupti *c, const char *path)
{
    c->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (c->library) c->perf = open_beside(path);
    return c->library != NULL;
}

static enum err find(struct cupti *c)
{
    const char *mine = getenv("REGIME_CUPTI_LIB"), *home = getenv("CUDA_HOME");
    char name[32], path[PATH_SIZE];
    /* The library of the headers this was compiled with: another one's blocks may differ. */
    snprintf(name, sizeof name, "libcupti.so.%d", CUDA_MAJOR);
    if (mine && *mine) {
        if (try_path(c, mine)) return ERR_NONE;
        return err_set(ERR_UNSUPPORTED, "REGIME_CUPTI_LIB names no library that opens: %s",
                       dlerror());
    }
    if (try_path(c, name)) return ERR_NONE;
    if (home && *home) {
        snprintf(path, sizeof path, "%s/lib64/%s", home, name);
        if (try_path(c, path)) return ERR_NONE;
        snprintf(path, sizeof path, "%s/extras/CUPTI/lib64/%s", home, name);
        if (try_path(c, path)) return ERR_NONE;
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], name);
        if (try_path(c, path)) return ERR_NONE;
    }
    return err_set(ERR_UNSUPPORTED,
                   "no CUPTI on this machine (%s not found): install the toolkit's cuda-cupti "
                   "package, or name the file with REGIME_CUPTI_LIB",
                   name);
}

/* POSIX lets a data pointer from dlsym be read as a function's through memory. */
#define LOAD(f)                                                                                    \
    symbol = dlsym(c->library, TEXT(f));                                                           \
    if (!symbol && !missing) missing = TEXT(f);                                                    \
    memcpy(&c->p_##f, &symbol, sizeof symbol);

enum err cupti_library_open(struct cupti *c)
{
    const char *missing = NULL;
    void *symbol;
    memset(c, 0, sizeof *c);
    /* They open each other in a way it aborts on (RTLD_DEEPBIND). */
    if (strstr(build_info.sanitizers, "address"))
        return err_set(ERR_UNSUPPORTED,
                       "CUPTI's libraries cannot be opened by a build with the address sanitizer");
    TRY(find(c));
    CUPTI_HOST_CALLS(LOAD)
    CUPTI_TARGET_CALLS(LOAD)
    if (missing) {
        enum err e = err_set(ERR_UNSUPPORTED,
                             "this machine's CUPTI has no %s: want that of CUDA "
                             "%d.%d, or name another with REGIME_CUPTI_LIB",
                             missing, CUDA_MAJOR, CUDA_MINOR);
        cupti_library_close(c);
        return e;
    }
    return cupti_check(c, c->p_cuptiGetVersion(&c->version), "cuptiGetVersion");
}

void cupti_library_close(struct cupti *c)
{
    if (c->library) dlclose(c->library);
    if (c->perf) dlclose(c->perf);
    c->library = c->perf = NULL;
}

enum err cupti_driver_open(int32_t device, struct cupti_driver *c)
{
    const char *missing = NULL;
    void *symbol;
    memset(c, 0, sizeof *c);
    c->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!c->library)
        return err_set(ERR_UNSUPPORTED,
                       "no NVIDIA driver on this machine (libcuda.so.1 not found): "
                       "counters are read on the GPU itself");
    CUPTI_DRIVER_CALLS(LOAD)
    int n = 0;
    enum err e = missing ? err_set(ERR_UNSUPPORTED, "the driver has no %s", missing)
                         : cupti_driver_check(c, c->p_cuInit(0), "cuInit");
    if (e == ERR_NONE) e = cupti_driver_check(c, c->p_cuDeviceGetCount(&n), "cuDeviceGetCount");
    if (e == ERR_NONE && (device < 0 || device >= n))
        e = err_set(ERR_UNSUPPORTED, "the driver sees %d GPUs, and none has the number %d", n,
                    device);
    if (e != ERR_NONE) cupti_driver_close(c);
    return e;
}

void cupti_driver_close(struct cupti_driver *c)
{
    if (c->library) dlclose(c->library);
    c->library = NULL;
}
