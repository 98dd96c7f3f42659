/* nvml_library.c - see nvml_library.h. */
#include "roofline/nvml_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* Where a call's pointer lies in the table, and its exported name. */
struct entry {
    size_t offset;
    const char *name;
};
#define ENTRY(field, name)                                                                         \
    {                                                                                              \
        offsetof(struct nvml_library, field), name                                                 \
    }

static const struct entry nvml_entries[] = {
    ENTRY(init, "nvmlInit_v2"),
    ENTRY(shutdown, "nvmlShutdown"),
    ENTRY(error_string, "nvmlErrorString"),
    ENTRY(handle_by_pci, "nvmlDeviceGetHandleByPciBusId_v2"),
    ENTRY(driver_version, "nvmlSystemGetDriverVersion"),
    ENTRY(name, "nvmlDeviceGetName"),
    ENTRY(clock, "nvmlDeviceGetClockInfo"),
    ENTRY(max_clock, "nvmlDeviceGetMaxClockInfo"),
    ENTRY(throttle, "nvmlDeviceGetCurrentClocksThrottleReasons"),
    ENTRY(temperature, "nvmlDeviceGetTemperature"),
    ENTRY(power, "nvmlDeviceGetPowerUsage"),
    ENTRY(power_limit, "nvmlDeviceGetEnforcedPowerLimit"),
    ENTRY(energy, "nvmlDeviceGetTotalEnergyConsumption"),
    ENTRY(mig, "nvmlDeviceGetMigMode"),
    ENTRY(persistence, "nvmlDeviceGetPersistenceMode"),
    ENTRY(ecc, "nvmlDeviceGetEccMode"),
};
static const struct entry driver_entries[] = {
    ENTRY(cu_init, "cuInit"),
    ENTRY(cu_device, "cuDeviceGet"),
    ENTRY(cu_pci_bus_id, "cuDeviceGetPCIBusId"),
};

static const char *load(struct nvml_library *l, void *from, const struct entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        void *symbol = dlsym(from, e[i].name);
        if (!symbol) return e[i].name;
        memcpy((char *)l + e[i].offset, &symbol, sizeof symbol);
    }
    return NULL;
}

enum err nvml_library_open(struct nvml_library *out)
{
    memset(out, 0, sizeof *out);
    out->driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!out->driver)
        return err_set(ERR_UNSUPPORTED,
                       "no NVIDIA driver on this machine (libcuda.so.1 not found)");
    out->library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    const char *missing = "libnvidia-ml.so.1";
    if (out->library)
        missing = load(out, out->library, nvml_entries, sizeof nvml_entries / sizeof *nvml_entries);
    if (!missing)
        missing =
            load(out, out->driver, driver_entries, sizeof driver_entries / sizeof *driver_entries);
    if (!missing) return ERR_NONE;
    nvml_library_close(out);
    return err_set(ERR_UNSUPPORTED,
                   "the driver's management library (NVML) lacks %s: in a "
                   "container, let the driver's \"utility\" capability in",
                   missing);
}

void nvml_library_close(struct nvml_library *l)
{
    if (l->library) dlclose(l->library);
    if (l->driver) dlclose(l->driver);
    l->library = l->driver = NULL;
}
