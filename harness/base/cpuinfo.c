/* cpuinfo.c - /proc/cpuinfo, sysfs and cpuid. */
#include "harness/base/cpuinfo.h"

#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/amx.h"
#include "harness/base/cpuset.h"

enum { CACHES_MAX = 16 };

struct cache {
    int32_t level;
    int64_t bytes;
};

static void read_model(char *out, size_t size)
{
    char line[256];
    snprintf(out, size, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (f == NULL) return;
    while (fgets(line, sizeof line, f) != NULL) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || value == NULL) continue;
        value[strcspn(value, "\n")] = '\0';
        snprintf(out, size, "%s", value + 1 + strspn(value + 1, " \t"));
        break;
    }
    fclose(f);
}

/* One word of a small sysfs file; "" when there is none. */
static void read_word(const char *path, char *out, size_t size)
{
    out[0] = '\0';
    FILE *f = fopen(path, "re");
    if (f == NULL) return;
    if (fgets(out, (int)size, f) == NULL) out[0] = '\0';
    out[strcspn(out, " \n")] = '\0';
    fclose(f);
}

static int32_t caches_sysfs(struct cache *caches)
{
    int32_t n = 0;
    for (int32_t i = 0; i < CACHES_MAX; i++) {
        char path[128], level[16], type[32], size[32], *unit;
        int len = snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/", i);
        snprintf(path + len, sizeof path - len, "level");
        read_word(path, level, sizeof level);
        snprintf(path + len, sizeof path - len, "type");
        read_word(path, type, sizeof type);
        snprintf(path + len, sizeof path - len, "size");
        read_word(path, size, sizeof size);
        if (level[0] == '\0') break;
        if (size[0] == '\0' || strcmp(type, "Instruction") == 0) continue;
        int64_t bytes = strtoll(size, &unit, 10);
        if (*unit == 'K') bytes <<= 10;
        if (*unit == 'M') bytes <<= 20;
        caches[n++] = (struct cache){atoi(level), bytes};
    }
    return n;
}

/* Deterministic cache parameters: leaf 4 (Intel), 0x8000001d (AMD), same fields. */
static int32_t caches_cpuid(uint32_t leaf, struct cache *caches)
{
    int32_t n = 0;
    for (uint32_t i = 0; i < CACHES_MAX; i++) {
        uint32_t a, b, c, d;
        if (!__get_cpuid_count(leaf, i, &a, &b, &c, &d) || (a & 31) == 0) break;
        int64_t ways = (b >> 22) + 1, partitions = (b >> 12 & 1023) + 1, line = (b & 4095) + 1;
        if ((a & 31) == 2) continue; /* instructions only */
        caches[n++] =
            (struct cache){(int32_t)(a >> 5 & 7), ways * partitions * line * ((int64_t)c + 1)};
    }
    return n;
}

static enum isa best_isa(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return ISA_SCALAR;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return amx_granted() ? ISA_AMX : ISA_AVX512;
    return ISA_AVX2;
}

void cpuinfo_read(struct cpuinfo *out)
{
    struct cache caches[CACHES_MAX];
    cpu_set_t cpus;
    int32_t llc_level = 0;
    *out = (struct cpuinfo){.isa = best_isa()};
    read_model(out->model, sizeof out->model);
    out->n_cpus = cpuset_process(&cpus);
    out->mem_total_bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    int32_t n = caches_sysfs(caches);
    if (n == 0) n = caches_cpuid(4, caches);
    if (n == 0) n = caches_cpuid(0x8000001d, caches);
    for (int32_t i = 0; i < n; i++) {
        if (caches[i].level == 1) out->l1d_bytes = caches[i].bytes;
        if (caches[i].level == 2) out->l2_bytes = caches[i].bytes;
        if (caches[i].level > llc_level) {
            llc_level = caches[i].level;
            out->llc_bytes = caches[i].bytes;
        }
    }
}

const char *isa_name(enum isa isa)
{
    static const char *const names[ISA_COUNT] = {"auto", "scalar", "avx2", "avx512", "amx"};
    return isa >= 0 && isa < ISA_COUNT ? names[isa] : "unknown";
}

/* what: where the wish was made. */
static enum err isa_take(const char *what, enum isa wish, enum isa *out)
{
    enum isa best = best_isa();
    if (wish > best)
        return err_set(ERR_UNSUPPORTED, "%s%s: this CPU offers %s at most", what, isa_name(wish),
                       isa_name(best));
    *out = wish;
    return ERR_NONE;
}

enum err isa_choose(enum isa wish, enum isa *out)
{
    const char *name = getenv("REGIME_ISA");
    if (wish != ISA_AUTO) return isa_take("--isa ", wish, out);
    *out = best_isa();
    if (name == NULL || name[0] == '\0') return ERR_NONE;
    for (enum isa i = ISA_SCALAR; i < ISA_COUNT; i++)
        if (strcmp(name, isa_name(i)) == 0) return isa_take("REGIME_ISA=", i, out);
    return err_set(ERR_USAGE, "REGIME_ISA=%s: must be scalar, avx2, avx512 or amx", name);
}

enum err isa_has_bf16(enum isa isa)
{
    if (isa == ISA_AMX) return ERR_NONE;
    if (isa != ISA_AVX512)
        return err_set(ERR_UNSUPPORTED,
                       "bf16 is multiplied by avx512 and amx kernels only, not by %s ones",
                       isa_name(isa));
    if (!__builtin_cpu_supports("avx512bf16"))
        return err_set(ERR_UNSUPPORTED, "this CPU does not multiply bf16 (no avx512_bf16)");
    return ERR_NONE;
}

enum err isa_has_int8(enum isa isa)
{
    if (isa == ISA_SCALAR)
        return err_set(ERR_UNSUPPORTED,
                       "int8 is multiplied by avx2 and avx512 kernels only, not by scalar ones");
    return ERR_NONE;
}

bool cpu_has_vnni(void)
{
    return __builtin_cpu_supports("avx512vnni");
}

/* Seconds of every CPU not idle nor waiting for a disk; steal is included, since another
 * guest of the same machine disturbs a timing as a process does.  -1: unknown. */
static double busy_seconds(void)
{
    unsigned long long user, nice, system, idle, wait, irq, softirq, steal;
    double seconds = -1;
    FILE *f = fopen("/proc/stat", "re");
    if (f == NULL) return -1;
    if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
               &wait, &irq, &softirq, &steal) == 8)
        seconds =
            (double)(user + nice + system + irq + softirq + steal) / (double)sysconf(_SC_CLK_TCK);
    fclose(f);
    return seconds;
}

static double clock_seconds(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cpu_usage_now(struct cpu_usage *out)
{
    out->all_s = busy_seconds();
    out->own_s = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    out->wall_s = clock_seconds(CLOCK_MONOTONIC);
}

double cpu_usage_others(const struct cpu_usage *since)
{
    struct cpu_usage now;
    cpu_usage_now(&now);
    double wall = now.wall_s - since->wall_s;
    if (now.all_s < 0 || since->all_s < 0 || wall <= 0) return -1;
    double others = (now.all_s - since->all_s) - (now.own_s - since->own_s);
    return others > 0 ? others / wall : 0; /* clock ticks are coarse: below 0 is rounding */
}
