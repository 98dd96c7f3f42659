/* nvml_library.h - NVML's calls, found at run time.  Declared here by hand: NVIDIA's toolkit does
 * not always bring nvml.h, and the driver that brings the library brings no header. */
#ifndef ROOFLINE_NVML_LIBRARY_H
#define ROOFLINE_NVML_LIBRARY_H

#include "harness/base/err.h"

typedef struct nvmlDevice_st *nvml_device; /* the library's own handle */

enum { NVML_OK = 0, NVML_NOT_SUPPORTED = 3, NVML_NO_PERMISSION = 4 };
enum { NVML_CLOCK_SM = 1, NVML_CLOCK_MEMORY = 2, NVML_SENSOR_GPU = 0 };

struct nvml_library {
    void *library, *driver; /* libnvidia-ml, libcuda */
    int (*init)(void);
    int (*shutdown)(void);
    const char *(*error_string)(int result);
    int (*handle_by_pci)(const char *bus_id, nvml_device *out);
    int (*driver_version)(char *out, unsigned size);
    int (*name)(nvml_device d, char *out, unsigned size);
    int (*clock)(nvml_device d, int type, unsigned *mhz);
    int (*max_clock)(nvml_device d, int type, unsigned *mhz);
    int (*throttle)(nvml_device d, unsigned long long *bits);
    int (*temperature)(nvml_device d, int sensor, unsigned *celsius);
    int (*power)(nvml_device d, unsigned *mw);
    int (*power_limit)(nvml_device d, unsigned *mw);
    int (*energy)(nvml_device d, unsigned long long *mj);
    int (*mig)(nvml_device d, unsigned *now, unsigned *pending);
    int (*persistence)(nvml_device d, int *on);
    int (*ecc)(nvml_device d, int *now, int *pending);
    /* The driver's: which card CUDA's number means. */
    int (*cu_init)(unsigned flags);
    int (*cu_device)(int *out, int ordinal);
    int (*cu_pci_bus_id)(char *out, int size, int device);
};

/* ERR_UNSUPPORTED says what is missing. */
enum err nvml_library_open(struct nvml_library *out) MUST_CHECK;
void nvml_library_close(struct nvml_library *l);

#endif
