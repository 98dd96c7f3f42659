/* double_nvml.c - the management library: 250 W, 1410 MHz, and energy that grows by 50 J with
 * every reading. */
#include <stdio.h>
#include <string.h>

#include "roofline/nvml_library.h"
#include "tests/cupti/double.h"

#define ENTER(f)                                                                                   \
    do {                                                                                           \
        if (cupti_double_enter(#f)) return 15; /* NVML_ERROR_GPU_IS_LOST */                        \
    } while (0)

static unsigned long long energy_now;

static int fake_init(void)
{
    ENTER(nvmlInit);
    cupti_double()->n_held++;
    energy_now = 1000000;
    return NVML_OK;
}
static int fake_shutdown(void)
{
    cupti_double()->n_held--;
    return NVML_OK;
}
static const char *fake_error_string(int result)
{
    return result == 15 ? "GPU is lost" : "Unknown Error";
}
static int fake_handle(const char *bus_id, nvml_device *out)
{
    ENTER(nvmlDeviceGetHandleByPciBusId);
    *out = NULL;
    return strcmp(bus_id, "0000:17:00.0") == 0 ? NVML_OK : 2;
}
static int fake_text(char *out, unsigned size, const char *text)
{
    snprintf(out, size, "%s", text);
    return NVML_OK;
}
static int fake_driver_version(char *out, unsigned size)
{
    ENTER(nvmlSystemGetDriverVersion);
    return fake_text(out, size, "580.65.06");
}
static int fake_name(nvml_device d, char *out, unsigned size)
{
    (void)d;
    ENTER(nvmlDeviceGetName);
    return fake_text(out, size, "NVIDIA A100 of the double");
}
#define FAKE_UNSIGNED(field, value)                                                                \
    static int fake_##field(nvml_device d, unsigned *out)                                          \
    {                                                                                              \
        (void)d;                                                                                   \
        ENTER(field);                                                                              \
        *out = value;                                                                              \
        return NVML_OK;                                                                            \
    }
FAKE_UNSIGNED(power, 250000)
FAKE_UNSIGNED(power_limit, 400000)
static int fake_clock(nvml_device d, int type, unsigned *out)
{
    (void)d;
    ENTER(clock);
    *out = type == NVML_CLOCK_SM ? 1410 : 1593;
    return NVML_OK;
}
static int fake_temperature(nvml_device d, int sensor, unsigned *out)
{
    (void)d;
    ENTER(temperature);
    *out = 41 + (unsigned)sensor;
    return NVML_OK;
}
static int fake_throttle(nvml_device d, unsigned long long *out)
{
    (void)d;
    ENTER(throttle);
    *out = 0x4;
    return NVML_OK;
}
static int fake_energy(nvml_device d, unsigned long long *out)
{
    (void)d;
    ENTER(energy);
    if (cupti_double()->no_energy) return NVML_NOT_SUPPORTED;
    *out = energy_now += 50000;
    return NVML_OK;
}
static int fake_mig(nvml_device d, unsigned *now, unsigned *pending)
{
    (void)d;
    ENTER(mig);
    *now = *pending = 0;
    return NVML_OK;
}
static int fake_persistence(nvml_device d, int *on)
{
    (void)d;
    ENTER(persistence);
    *on = 0;
    return NVML_OK;
}
static int fake_ecc(nvml_device d, int *now, int *pending)
{
    (void)d;
    ENTER(ecc);
    *now = *pending = 1;
    return NVML_OK;
}
static int fake_cu_init(unsigned flags)
{
    ENTER(cuInit);
    return (int)flags;
}
static int fake_cu_device(int *out, int ordinal)
{
    ENTER(cuDeviceGet);
    *out = ordinal;
    return ordinal < cupti_double()->n_gpus ? 0 : 101;
}
static int fake_cu_pci_bus_id(char *out, int size, int device)
{
    ENTER(cuDeviceGetPCIBusId);
    snprintf(out, (size_t)size, "0000:17:%02d.0", device);
    return 0;
}

enum err nvml_library_open(struct nvml_library *out)
{
    if (cupti_double()->no_nvml)
        return err_set(ERR_UNSUPPORTED, "the driver's management library (NVML) lacks everything");
    *out = (struct nvml_library){
        .init = fake_init,
        .shutdown = fake_shutdown,
        .error_string = fake_error_string,
        .handle_by_pci = fake_handle,
        .driver_version = fake_driver_version,
        .name = fake_name,
        .clock = fake_clock,
        .max_clock = fake_clock,
        .throttle = fake_throttle,
        .temperature = fake_temperature,
        .power = fake_power,
        .power_limit = fake_power_limit,
        .energy = fake_energy,
        .mig = fake_mig,
        .persistence = fake_persistence,
        .ecc = fake_ecc,
        .cu_init = fake_cu_init,
        .cu_device = fake_cu_device,
        .cu_pci_bus_id = fake_cu_pci_bus_id,
    };
    return ERR_NONE;
}

void nvml_library_close(struct nvml_library *l)
{
    (void)l;
}
