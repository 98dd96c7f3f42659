/* doctor_gpu.c - what this machine can and cannot count on its first GPU. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/app/count.h"
#include "harness/app/doctor.h"
#include "roofline/cupti_host.h"

enum { CAP_SYS_ADMIN_BIT = 21 };

/* The rest of the first line that begins with `key`; false when there is none. */
static bool read_field(const char *path, const char *key, char *out, size_t size)
{
    char line[200];
    bool found = false;
    FILE *f = fopen(path, "re");
    if (!f) return false;
    while (!found && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        const char *value = line + strlen(key) + strspn(line + strlen(key), " \t");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
        found = true;
    }
    fclose(f);
    return found;
}

/* The management library's word on the GPU, or the sentence why there is none. */
static bool read_gpu(struct nvml_state *out, struct finding *f)
{
    struct nvml *n = NULL;
    enum err e = nvml_open(0, &n);
    if (e == ERR_NONE) e = nvml_read_state(n, out);
    nvml_close(n);
    if (e == ERR_NONE) return true;
    f->state = STATE_MISSING;
    DETAIL(f, "%.230s", err_msg());
    return false;
}

void check_gpu_driver(const struct options *o, struct finding *f)
{
    struct nvml_state s;
    (void)o;
    if (!read_gpu(&s, f)) {
        f->cure = "a GPU needs NVIDIA's driver; in a container, --gpus all";
        return;
    }
    DETAIL(f, "%s, driver %s", s.name, s.driver);
}

void check_cupti(const struct options *o, struct finding *f)
{
    struct cupti_host *h = NULL;
    (void)o;
    if (cupti_host_open("GA100", NULL, &h) != ERR_NONE) {
        f->state = STATE_MISSING;
        DETAIL(f, "%.230s", err_msg());
        f->cure =
            "without it no bytes or FLOPs are counted; timing and the ledger are not affected";
        return;
    }
    DETAIL(f, "CUPTI %d with its host library", cupti_host_version(h));
    cupti_host_close(h);
}

void check_counters(const struct options *o, struct finding *f)
{
    char why[512];
    const struct count_probe *p;
    (void)o;
    for (int32_t i = 0; (p = count_probe_at(i)) && strcmp(p->name, "cupti-base") != 0; i++)
        continue;
    CHECK(p);
    count_probe_reason(p, 0, why, sizeof why);
    DETAIL(f, "%.230s", *why ? why : "bytes and FLOPs of GPU 0 can be counted");
    if (!*why) return;
    f->state = STATE_MISSING;
    f->cure = "runs are timed without them; --counters require refuses instead";
}

void check_privileges(const struct options *o, struct finding *f)
{
    char restricted[40] = "", capabilities[40] = "";
    (void)o;
    bool known = read_field("/proc/driver/nvidia/params", "RmProfilingAdminOnly:", restricted,
                            sizeof restricted);
    if (!known) {
        f->state = STATE_UNKNOWN;
        DETAIL(f, "no NVIDIA kernel module here says who may read counters");
        return;
    }
    read_field("/proc/self/status", "CapEff:", capabilities, sizeof capabilities);
    bool admin = strtoull(capabilities, NULL, 16) >> CAP_SYS_ADMIN_BIT & 1;
    bool open = restricted[0] == '0';
    DETAIL(f, "counters are for %s; this process %s CAP_SYS_ADMIN",
           open ? "everybody" : "administrators", admin ? "has" : "has not");
    if (open || admin) return;
    f->state = STATE_MISSING;
    f->cure = "run as root, or load nvidia with NVreg_RestrictProfilingToAdminUsers=0";
}

void check_mig(const struct options *o, struct finding *f)
{
    struct nvml_state s;
    (void)o;
    if (!read_gpu(&s, f)) return;
    DETAIL(f, "multi-instance GPU is %s", s.mig < 0 ? "not offered" : s.mig ? "on" : "off");
    if (s.mig != 1) return;
    f->state = STATE_WARN;
    f->cure = "roofs and counters are of a slice: use a compute instance as large as its GPU's";
}

void check_persistence(const struct options *o, struct finding *f)
{
    struct nvml_state s;
    (void)o;
    if (!read_gpu(&s, f)) return;
    if (s.persistence < 0) {
        f->state = STATE_UNKNOWN;
        DETAIL(f, "the driver does not say");
        return;
    }
    DETAIL(f, "persistence mode is %s", s.persistence ? "on" : "off");
    if (s.persistence) return;
    f->state = STATE_WARN;
    f->cure = "nvidia-smi -pm 1: else clocks and the energy counter start anew with each program";
}

/* Processes whose name is `comm`, as far as /proc shows them. */
static int32_t count_processes(const char *comm)
{
    int32_t n = 0;
    DIR *proc = opendir("/proc");
    if (!proc) return -1;
    for (const struct dirent *d; (d = readdir(proc));) {
        char path[300], name[64];
        if (strspn(d->d_name, "0123456789") != strlen(d->d_name)) continue;
        snprintf(path, sizeof path, "/proc/%.40s/comm", d->d_name);
        if (read_field(path, "", name, sizeof name) && strcmp(name, comm) == 0) n++;
    }
    closedir(proc);
    return n;
}

void check_dcgm(const struct options *o, struct finding *f)
{
    (void)o;
    int32_t n = count_processes("nv-hostengine");
    if (n <= 0) {
        DETAIL(f, "no DCGM host engine among the processes seen here");
        return;
    }
    f->state = STATE_WARN;
    DETAIL(f, "a DCGM host engine runs: while it samples, the counters are its own");
    f->cure = "dcgmi profile --pause before counting, --resume afterwards";
}

void check_container(const struct options *o, struct finding *f)
{
    (void)o;
    bool in = access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;
    DETAIL(f, in ? "this is a container" : "no container");
    if (!in || access("/proc/driver/nvidia", F_OK) != 0) return;
    f->state = STATE_WARN;
    f->cure = "a GPU's counters need --cap-add=SYS_ADMIN, its energy the utility capability";
}
