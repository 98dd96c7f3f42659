/* cuda_library.c - finding the driver and cuBLAS at run time, so that the program starts at once
 * and everywhere, and saying in one sentence what is missing. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/kernels/cuda/cuda.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
/* The library of the headers this was compiled with: another one's calls may differ. */
#define CUBLAS_SONAME "libcublas.so." TEXT(CUBLAS_VER_MAJOR)

/* "not found", or what the loader says if it found something. */
static const char *loader_words(void)
{
    const char *words = dlerror();
    if (!words) return "not found";
    return strstr(words, "No such file") ? "not found" : words;
}

/* A driver runs what was built with its own version of CUDA or an older one. */
static enum err old_driver(void)
{
    enum { BUILT = CUDART_VERSION };
    int driver = 0;
    char runs[40] = "it does not say what it runs";
    cudaGetLastError();
    if (cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0)
        snprintf(runs, sizeof runs, "it runs CUDA %d.%d", driver / 1000, driver % 1000 / 10);
    return err_set(ERR_UNSUPPORTED,
                   "the NVIDIA driver is too old for this build: %s, and CUDA %d.%d is needed; "
                   "update it, or build with a toolkit of its version (make CUDA_HOME=DIR)",
                   runs, BUILT / 1000, BUILT % 1000 / 10);
}

enum err cuda_driver_check(int32_t *n_devices)
{
    *n_devices = 0;
    /* cudart opens it too, but says "driver version is insufficient" when there is none. */
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!driver)
        return err_set(ERR_UNSUPPORTED, "no CUDA driver on this machine (libcuda.so.1 %s)",
                       loader_words());
    int n = 0;
    cudaError_t e = cudaGetDeviceCount(&n);
    dlclose(driver);
    if (e == cudaErrorInsufficientDriver) return old_driver();
    if (e != cudaSuccess)
        return err_set(ERR_UNSUPPORTED, "the CUDA driver cannot be used: %s (%s)",
                       cudaGetErrorString(e), cudaGetErrorName(e));
    if (n == 0) return err_set(ERR_UNSUPPORTED, "the CUDA driver sees no GPU");
    *n_devices = n;
    return ERR_NONE;
}

/* A folder of the user's first, then where the loader looks, then the toolkit's. */
static void *open_cublas(char *why, size_t why_size)
{
    const char *mine = getenv("REGIME_CUDA_LIB_DIR"), *home = getenv("CUDA_HOME");
    char path[3][4096] = {"", CUBLAS_SONAME, "/usr/local/cuda/lib64/" CUBLAS_SONAME};
    if (mine && *mine) snprintf(path[0], sizeof path[0], "%s/%s", mine, CUBLAS_SONAME);
    if (home && *home) snprintf(path[2], sizeof path[2], "%s/lib64/%s", home, CUBLAS_SONAME);
    *why = '\0';
    for (int i = 0; i < 3; i++) {
        if (!path[i][0]) continue;
        void *library = dlopen(path[i], RTLD_NOW | RTLD_LOCAL);
        if (library) return library;
        snprintf(why, why_size, "%s", loader_words());
    }
    return NULL;
}

/* One entry of the table; *missing is set to the first name the library lacks. */
static void *symbol(void *library, const char *name, const char **missing)
{
    void *p = dlsym(library, name);
    if (!p && !*missing) *missing = name;
    return p;
}

enum err cublas_open(struct cublas *out)
{
    char why[256];
    const char *missing = NULL;
    void *lib = open_cublas(why, sizeof why);
    *out = (struct cublas){.library = lib};
    if (!lib)
        return err_set(ERR_UNSUPPORTED,
                       "no cuBLAS on this machine (%s %s; REGIME_CUDA_LIB_DIR can name its folder)",
                       CUBLAS_SONAME, why);
    /* POSIX lets a data pointer from dlsym be read as a function's through memory. */
    void *create = symbol(lib, "cublasCreate_v2", &missing);
    void *destroy = symbol(lib, "cublasDestroy_v2", &missing);
    void *set_stream = symbol(lib, "cublasSetStream_v2", &missing);
    void *set_workspace = symbol(lib, "cublasSetWorkspace_v2", &missing);
    void *set_math_mode = symbol(lib, "cublasSetMathMode", &missing);
    void *gemm = symbol(lib, "cublasGemmEx", &missing);
    void *version = symbol(lib, "cublasGetVersion_v2", &missing);
    void *status_string = symbol(lib, "cublasGetStatusString", &missing);
    if (missing) {
        cublas_close(out);
        return err_set(ERR_UNSUPPORTED, "%s has no %s", CUBLAS_SONAME, missing);
    }
    memcpy(&out->create, &create, sizeof create);
    memcpy(&out->destroy, &destroy, sizeof destroy);
    memcpy(&out->set_stream, &set_stream, sizeof set_stream);
    memcpy(&out->set_workspace, &set_workspace, sizeof set_workspace);
    memcpy(&out->set_math_mode, &set_math_mode, sizeof set_math_mode);
    memcpy(&out->gemm, &gemm, sizeof gemm);
    memcpy(&out->version, &version, sizeof version);
    memcpy(&out->status_string, &status_string, sizeof status_string);
    return ERR_NONE;
}

void cublas_close(struct cublas *c)
{
    if (c->library) dlclose(c->library);
    c->library = NULL;
}

enum err cuda_available(void)
{
    int32_t n_devices;
    struct cublas cublas;
    TRY(cuda_driver_check(&n_devices));
    TRY(cublas_open(&cublas));
    cublas_close(&cublas);
    return ERR_NONE;
}
