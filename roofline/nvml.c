/* nvml.c - see nvml.h. */
#include "roofline/nvml.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roofline/nvml_library.h"

struct nvml {
    struct nvml_library lib;
    bool initialized;
    nvml_device device;
};

static enum err check(const struct nvml *n, int result, const char *what)
{
    if (result == NVML_OK) return ERR_NONE;
    const char *words = n->lib.error_string(result);
    return err_set(ERR_UNSUPPORTED, "the GPU's management library (NVML): %s: %s (%d)", what,
                   words ? words : "no name", result);
}

static enum err open_device(struct nvml *n, int32_t device)
{
    char bus_id[32] = "";
    int cu;
    TRY(nvml_library_open(&n->lib));
    TRY(check(n, n->lib.init(), "starting"));
    n->initialized = true;
    /* The library numbers GPUs in another order than CUDA does. */
    if (n->lib.cu_init(0) != 0 || n->lib.cu_device(&cu, device) != 0 ||
        n->lib.cu_pci_bus_id(bus_id, sizeof bus_id, cu) != 0)
        return err_set(ERR_UNSUPPORTED, "the driver has no GPU %d", device);
    return check(n, n->lib.handle_by_pci(bus_id, &n->device), bus_id);
}

enum err nvml_open(int32_t device, struct nvml **out)
{
    *out = NULL;
    struct nvml *n = calloc(1, sizeof *n);
    if (!n) return err_set(ERR_NOMEM, "NVML: out of memory");
    enum err e = open_device(n, device);
    if (e == ERR_NONE)
        *out = n;
    else
        nvml_close(n);
    return e;
}

void nvml_close(struct nvml *n)
{
    if (!n) return;
    if (n->initialized) n->lib.shutdown();
    nvml_library_close(&n->lib);
    free(n);
}

/* What a GPU does not have is not a failure; a GPU that is lost is. */
static enum err optional(const struct nvml *n, int result, const char *what, bool *known)
{
    *known = result == NVML_OK;
    if (result == NVML_NOT_SUPPORTED || result == NVML_NO_PERMISSION) return ERR_NONE;
    return check(n, result, what);
}

enum err nvml_read(struct nvml *n, struct nvml_reading *out)
{
    const struct nvml_library *l = &n->lib;
    unsigned u = 0;
    unsigned long long w = 0;
    bool known;
    *out = (struct nvml_reading){-1, -1, -1, -1, -1, -1};
    TRY(optional(n, l->clock(n->device, NVML_CLOCK_SM, &u), "clock", &known));
    if (known) out->sm_mhz = (int32_t)u;
    TRY(optional(n, l->clock(n->device, NVML_CLOCK_MEMORY, &u), "memory clock", &known));
    if (known) out->memory_mhz = (int32_t)u;
    TRY(optional(n, l->temperature(n->device, NVML_SENSOR_GPU, &u), "temperature", &known));
    if (known) out->temperature_c = (int32_t)u;
    TRY(optional(n, l->power(n->device, &u), "power", &known));
    if (known) out->power_mw = u;
    TRY(optional(n, l->throttle(n->device, &w), "clock limits", &known));
    if (known) out->throttle_bits = (int64_t)w;
    TRY(optional(n, l->energy(n->device, &w), "energy", &known));
    if (known) out->energy_mj = (int64_t)w;
    return ERR_NONE;
}

enum err nvml_read_state(struct nvml *n, struct nvml_state *out)
{
    const struct nvml_library *l = &n->lib;
    unsigned u = 0, pending;
    int on = 0, later;
    bool known;
    *out = (struct nvml_state){
        .mig = -1, .persistence = -1, .ecc = -1, .power_limit_mw = -1, .max_sm_mhz = -1};
    TRY(check(n, l->driver_version(out->driver, sizeof out->driver), "driver version"));
    TRY(check(n, l->name(n->device, out->name, sizeof out->name), "name"));
    TRY(optional(n, l->mig(n->device, &u, &pending), "MIG", &known));
    if (known) out->mig = u != 0;
    TRY(optional(n, l->persistence(n->device, &on), "persistence", &known));
    if (known) out->persistence = on != 0;
    TRY(optional(n, l->ecc(n->device, &on, &later), "ECC", &known));
    if (known) out->ecc = on != 0;
    TRY(optional(n, l->power_limit(n->device, &u), "power limit", &known));
    if (known) out->power_limit_mw = u;
    TRY(optional(n, l->max_clock(n->device, NVML_CLOCK_SM, &u), "largest clock", &known));
    if (known) out->max_sm_mhz = (int32_t)u;
    return ERR_NONE;
}

void nvml_throttle_words(int64_t bits, char *buf, size_t size)
{
    static const struct {
        int64_t bit;
        const char *word;
    } known[] = {
        {0x2, "clocks set by an application"},
        {0x4, "power cap"},
        {0x8, "slowdown (hardware)"},
        {0x10, "sync boost"},
        {0x20, "thermal (software)"},
        {0x40, "thermal (hardware)"},
        {0x80, "power brake"},
        {0x100, "display clocks"},
    };
    size_t n = 0;
    buf[0] = '\0';
    for (size_t i = 0; bits > 0 && i < sizeof known / sizeof known[0]; i++)
        if ((bits & known[i].bit) && n < size)
            n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", known[i].word);
}
