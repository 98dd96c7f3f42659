/* perf_memory.c - see perf_memory.h. */
#include "roofline/perf_memory.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 256, PATH = 1024 };

/* The same traffic goes by several names, on one machine too: the first family that is described
 * anywhere is taken, so that nothing is counted twice. */
static const char *const families[][MEMORY_DIRECTIONS] = {
    {"cas_count_read", "cas_count_write"}, /* Intel servers: integrated memory controllers   */
    {"data_reads", "data_writes"},         /* Intel desktops and laptops                     */
    {"data_read", "data_write"},           /* the same, counters that never stop             */
};
enum { N_FAMILIES = sizeof families / sizeof families[0] };

static bool read_text(const char *folder, const char *file, char text[TEXT])
{
    char path[PATH + TEXT + 2];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool ok = fgets(text, TEXT, f) != NULL;
    fclose(f);
    if (ok) text[strcspn(text, "\n")] = '\0';
    return ok;
}

static enum err not_understood(const char *folder, const char *file, const char *text)
{
    return err_set(ERR_UNSUPPORTED, "%s/%s: \"%.60s\" is not understood", folder, file, text);
}

/* Put a value into the bits that format/TERM names: "config:0-7", "config:0-7,21". */
static enum err place_bits(const char *folder, const char *term, uint64_t value, uint64_t *config)
{
    char file[TEXT], text[TEXT], *at;
    snprintf(file, sizeof file, "format/%.100s", term);
    if (!read_text(folder, file, text)) return not_understood(folder, file, "");
    if (strncmp(text, "config:", 7) != 0) return not_understood(folder, file, text);
    at = text + 6;
    do {
        long first = strtol(at + 1, &at, 10), last = *at == '-' ? strtol(at + 1, &at, 10) : first;
        if (first < 0 || last < first || last > 63) return not_understood(folder, file, text);
        for (long bit = first; bit <= last; bit++, value >>= 1) *config |= (value & 1) << bit;
    } while (*at == ',');
    if (*at) return not_understood(folder, file, text);
    return value ? err_set(ERR_UNSUPPORTED, "%s/%s: the value of an event has more bits", folder,
                           file)
                 : ERR_NONE;
}

/* "event=0x04,umask=0x03"; a term without a value is 1. */
static enum err parse_event(const char *folder, const char *file, uint64_t *config)
{
    char text[TEXT], *save = NULL;
    if (!read_text(folder, file, text)) return not_understood(folder, file, "");
    *config = 0;
    for (char *term = strtok_r(text, ",", &save); term; term = strtok_r(NULL, ",", &save)) {
        char *end = "", *equals = strchr(term, '=');
        uint64_t value = 1;
        if (equals) {
            *equals = '\0';
            value = strtoull(equals + 1, &end, 0);
        }
        if (*end || (equals && end == equals + 1)) return not_understood(folder, file, equals + 1);
        TRY(place_bits(folder, term, value, config));
    }
    return ERR_NONE;
}

/* Bytes of a count: its scale in MiB. */
static enum err parse_scale(const char *folder, const char *event, double *bytes)
{
    char file[TEXT], text[TEXT], *end;
    snprintf(file, sizeof file, "events/%.100s.unit", event);
    if (!read_text(folder, file, text)) return not_understood(folder, file, "");
    if (strcmp(text, "MiB") != 0) return not_understood(folder, file, text);
    snprintf(file, sizeof file, "events/%.100s.scale", event);
    if (!read_text(folder, file, text)) return not_understood(folder, file, "");
    *bytes = strtod(text, &end) * (1 << 20);
    return *end || end == text || !(*bytes > 0) ? not_understood(folder, file, text) : ERR_NONE;
}

/* One counter for each CPU of the mask, one CPU per socket: "0", "0,18", "0-1". */
static enum err add_cpus(const char *folder, const struct memory_counter *c,
                         struct memory_counter *out, int32_t *n)
{
    char text[TEXT], *at = text;
    if (!read_text(folder, "cpumask", text)) return not_understood(folder, "cpumask", "");
    for (bool more = true; more; at++) {
        char *from = at;
        long first = strtol(at, &at, 10), last = *at == '-' ? strtol(at + 1, &at, 10) : first;
        if (at == from || first < 0 || last < first || (*at && *at != ','))
            return not_understood(folder, "cpumask", text);
        for (long cpu = first; cpu <= last; cpu++) {
            if (*n == MEMORY_COUNTERS_MAX)
                return err_set(ERR_UNSUPPORTED, "%s: more than %d counters of memory", folder,
                               MEMORY_COUNTERS_MAX);
            out[*n] = *c;
            out[(*n)++].cpu = (int32_t)cpu;
        }
        more = *at == ',';
    }
    return ERR_NONE;
}

static enum err add_pmu(const char *folder, const char *const family[MEMORY_DIRECTIONS],
                        struct memory_counter *out, int32_t *n)
{
    struct memory_counter c = {.cpu = 0};
    char text[TEXT], file[TEXT], *end;
    for (int d = 0; d < MEMORY_DIRECTIONS; d++) {
        snprintf(file, sizeof file, "events/%s", family[d]);
        if (!read_text(folder, file, text)) return ERR_NONE;
        TRY(parse_event(folder, file, &c.config[d]));
        TRY(parse_scale(folder, family[d], &c.bytes[d]));
    }
    if (!read_text(folder, "type", text)) return not_understood(folder, "type", "");
    c.type = (uint32_t)strtoul(text, &end, 10);
    if (*end || end == text) return not_understood(folder, "type", text);
    return add_cpus(folder, &c, out, n);
}

static int is_name(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

enum err memory_counters_find(const char *sysfs, struct memory_counter out[MEMORY_COUNTERS_MAX],
                              int32_t *n)
{
    struct dirent **name = NULL;
    int n_names = scandir(sysfs, &name, is_name, alphasort);
    enum err e = ERR_NONE;
    *n = 0;
    for (int f = 0; f < N_FAMILIES && *n == 0 && e == ERR_NONE; f++)
        for (int i = 0; i < n_names && e == ERR_NONE; i++) {
            char folder[PATH];
            snprintf(folder, sizeof folder, "%.700s/%.255s", sysfs, name[i]->d_name);
            e = add_pmu(folder, families[f], out, n);
        }
    for (int i = 0; i < n_names; i++) free(name[i]);
    free(name);
    return e;
}
