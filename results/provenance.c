/* provenance.c - which program on which machine wrote the rows, and the roofs it measured. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "harness/base/build_info.h"
#include "harness/base/clock.h"
#include "harness/base/cpuinfo.h"
#include "results/db.h"

void provenance_build_id(char out[SHA256_HEX_SIZE])
{
    struct strbuf text = {0};
    strbuf_addf(&text, "%s\n%d\n%s\n%s\n%s\n%s\n%s\n%d\n", build_info.git_sha,
                build_info.git_dirty, build_info.source_sha256, build_info.compiler,
                build_info.config, build_info.cflags, build_info.sanitizers, build_info.has_cuda);
    sha256_hex(strbuf_text(&text), text.len, out);
    strbuf_free(&text);
}

struct host {
    struct cpuinfo cpu;
    struct utsname kernel;
    char os[96];
};

/* First line of a file that starts with prefix, what follows it, unquoted; "" if there is none. */
static void read_line(const char *path, const char *prefix, char *out, size_t size)
{
    char line[256];
    out[0] = '\0';
    FILE *f = fopen(path, "r");
    if (!f) return;
    while (!out[0] && fgets(line, sizeof line, f)) {
        if (strncmp(line, prefix, strlen(prefix)) != 0) continue;
        char *text = line + strlen(prefix);
        text += strspn(text, "\"");
        text[strcspn(text, "\"\n")] = '\0';
        snprintf(out, size, "%s", text);
    }
    fclose(f);
}

static void read_host(struct host *h)
{
    *h = (struct host){0};
    cpuinfo_read(&h->cpu);
    if (uname(&h->kernel) != 0) h->kernel = (struct utsname){0};
    read_line("/etc/os-release", "PRETTY_NAME=", h->os, sizeof h->os);
}

static void host_id_of(const struct host *h, char out[SHA256_HEX_SIZE])
{
    char machine[64];
    read_line("/etc/machine-id", "", machine, sizeof machine);
    struct strbuf text = {0};
    strbuf_addf(&text, "regime host\n%s\n%s\n%s\n%lld %lld %lld %lld\n%s %s\n%s\n", machine,
                h->cpu.model, isa_name(h->cpu.isa), (long long)h->cpu.l1d_bytes,
                (long long)h->cpu.l2_bytes, (long long)h->cpu.llc_bytes,
                (long long)h->cpu.mem_total_bytes, h->kernel.sysname, h->kernel.release, h->os);
    sha256_hex(strbuf_text(&text), text.len, out);
    strbuf_free(&text);
}

void provenance_host_id(char out[SHA256_HEX_SIZE])
{
    struct host h;
    read_host(&h);
    host_id_of(&h, out);
}

static enum err add_build(struct store *s)
{
    struct args a = args_of(s, STMT_BUILD);
    arg_text(&a, s->build_id);
    arg_text(&a, build_info.git_sha);
    arg_int_above(&a, build_info.git_dirty, -1);
    arg_text(&a, build_info.source_sha256);
    arg_text(&a, build_info.compiler);
    arg_text(&a, build_info.config);
    arg_text(&a, build_info.cflags);
    arg_text(&a, build_info.sanitizers);
    arg_int(&a, build_info.has_cuda);
    return db_run(s, &a);
}

static enum err add_host(struct store *s, const struct host *h)
{
    char kernel[160];
    snprintf(kernel, sizeof kernel, "%s %s", h->kernel.sysname, h->kernel.release);
    struct args a = args_of(s, STMT_HOST);
    arg_text(&a, s->host_id);
    arg_text(&a, h->cpu.model[0] ? h->cpu.model : "unknown");
    arg_text(&a, isa_name(h->cpu.isa));
    arg_int_above(&a, h->cpu.l1d_bytes, 0);
    arg_int_above(&a, h->cpu.l2_bytes, 0);
    arg_int_above(&a, h->cpu.llc_bytes, 0);
    arg_int_above(&a, h->cpu.mem_total_bytes, 0);
    arg_text(&a, kernel);
    arg_text(&a, h->os);
    return db_run(s, &a);
}

/* An imagined device is the same on every host; a real one belongs to its own. */
static enum err add_device(struct store *s, const struct device_row *d, char id[SHA256_HEX_SIZE])
{
    const char *host = strcmp(d->kind, "sim") == 0 ? "" : s->host_id;
    struct strbuf text = {0};
    strbuf_addf(&text, "%s\n%s\n%s\n%s\n%lld %lld\n", host, d->device, d->kind,
                d->description ? d->description : "", (long long)d->llc_bytes,
                (long long)d->mem_bytes);
    sha256_hex(strbuf_text(&text), text.len, id);
    strbuf_free(&text);

    struct args a = args_of(s, STMT_DEVICE);
    arg_text(&a, id);
    arg_text(&a, host);
    arg_text(&a, d->device);
    arg_text(&a, d->kind);
    arg_text(&a, d->description);
    arg_int_above(&a, d->llc_bytes, 0);
    arg_int_above(&a, d->mem_bytes, 0);
    return db_run(s, &a);
}

static enum err add_invocation(struct store *s, const struct invocation *i,
                               const struct device_row *d, const char *id)
{
    struct host h;
    read_host(&h);
    host_id_of(&h, s->host_id);
    char device_id[SHA256_HEX_SIZE], now[CLOCK_UTC_SIZE];
    clock_utc(now);
    TRY(add_build(s));
    TRY(add_host(s, &h));
    TRY(add_device(s, d, device_id));
    struct args a = args_of(s, STMT_INVOCATION);
    arg_text(&a, id);
    arg_text(&a, s->build_id);
    arg_text(&a, s->host_id);
    arg_text(&a, device_id);
    arg_int(&a, h.cpu.n_cpus);
    arg_text(&a, i->argv);
    arg_text(&a, i->sweep_name);
    arg_text(&a, i->sweep_text);
    arg_int(&a, (int64_t)i->seed);
    arg_text(&a, now);
    return db_run(s, &a);
}

enum err store_begin_invocation(struct store *s, const struct invocation *i,
                                const struct device_row *d, char invocation_id[37])
{
    CHECK(s->mode == STORE_WRITE);
    if (i->seed > INT64_MAX) return err_set(ERR_USAGE, "seed is above 2^63 - 1");
    TRY(uuid_make(invocation_id));
    TRY(db_begin(s));
    return db_end(s, add_invocation(s, i, d, invocation_id));
}

enum err store_end_invocation(struct store *s, const char *invocation_id, int exit_code)
{
    char now[CLOCK_UTC_SIZE];
    clock_utc(now);
    struct args a = args_of(s, STMT_INVOCATION_END);
    arg_text(&a, invocation_id);
    arg_text(&a, now);
    arg_int(&a, exit_code);
    TRY(db_run(s, &a));
    if (sqlite3_changes(s->db) != 1)
        return err_set(ERR_INTERNAL, "%s holds no invocation %s", s->path, invocation_id);
    return ERR_NONE;
}

enum err store_invocation_device(struct store *s, const char *invocation_id)
{
    if (strcmp(s->invocation_id, invocation_id) == 0) return ERR_NONE;
    s->invocation_id[0] = '\0';
    struct args a = args_of(s, STMT_INVOCATION_DEVICE);
    arg_text(&a, invocation_id);
    int rc = sqlite3_step(a.st);
    enum err e = ERR_NONE;
    if (rc == SQLITE_ROW) {
        snprintf(s->invocation_device_id, sizeof s->invocation_device_id, "%s",
                 (const char *)sqlite3_column_text(a.st, 0));
        snprintf(s->invocation_device, sizeof s->invocation_device, "%s",
                 (const char *)sqlite3_column_text(a.st, 1));
        snprintf(s->invocation_id, sizeof s->invocation_id, "%s", invocation_id);
    } else if (rc == SQLITE_DONE) {
        e = err_set(ERR_INTERNAL, "%s holds no invocation %s", s->path, invocation_id);
    } else {
        e = db_fail(s->db, s->path, "read", rc);
    }
    sqlite3_reset(a.st);
    return e;
}

static enum err add_ceiling(struct store *s, const struct ceiling_row *c)
{
    char now[CLOCK_UTC_SIZE];
    clock_utc(now);
    struct args a = args_of(s, STMT_CEILING);
    arg_text(&a, s->invocation_id);
    arg_text(&a, s->invocation_device_id);
    arg_text(&a, now);
    arg_text(&a, c->kind);
    arg_text(&a, c->name);
    arg_text(&a, c->level);
    arg_text(&a, c->dtype);
    arg_text(&a, c->source);
    arg_text(&a, c->method);
    arg_text(&a, c->flag);
    arg_text(&a, c->moment);
    arg_int_above(&a, c->working_set_bytes, 0);
    arg_int_above(&a, c->threads, 0);
    arg_int_above(&a, c->n, 0);
    arg_real(&a, c->value);
    arg_real(&a, c->ci_lo); /* SQLite stores NaN as NULL */
    arg_real(&a, c->ci_hi);
    arg_real_above(&a, c->other_cpus, -1);
    arg_text(&a, c->isa);
    return db_run(s, &a);
}

enum err store_add_ceilings(struct store *s, const char *invocation_id, const char *device,
                            const struct ceiling_row *rows, int32_t n)
{
    CHECK(s->mode == STORE_WRITE);
    TRY(store_invocation_device(s, invocation_id));
    if (strcmp(device, s->invocation_device) != 0)
        return err_set(ERR_INTERNAL, "ceilings of %s under an invocation on %s", device,
                       s->invocation_device);
    TRY(db_begin(s));
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < n && e == ERR_NONE; i++) e = add_ceiling(s, &rows[i]);
    return db_end(s, e);
}
