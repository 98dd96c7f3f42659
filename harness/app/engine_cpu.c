/* engine_cpu.c - this machine's CPUs: roofs per number of threads, measured by teams of them. */
#include "harness/app/engine_kind.h"

#include <stdlib.h>
#include <string.h>

struct cpu_state {
    enum isa isa; /* of cells that name none */
    int32_t n_cpus;
};

static bool cpu_owns(const char *device, int32_t *number)
{
    *number = 0;
    return strcmp(device, "cpu") == 0;
}

static enum err cpu_open(int32_t number, void **state)
{
    enum isa isa;
    struct cpuinfo cpu;
    (void)number;
    *state = NULL;
    TRY(isa_choose(ISA_AUTO, &isa));
    cpuinfo_read(&cpu);
    struct cpu_state *s = malloc(sizeof *s);
    if (!s) return err_set(ERR_NOMEM, "opening the CPU: out of memory");
    *s = (struct cpu_state){isa, cpu.n_cpus};
    *state = s;
    return ERR_NONE;
}

static struct engine_setup cpu_setup(const void *state, const struct cell *c)
{
    const struct cpu_state *s = state;
    enum isa isa = c->isa == ISA_AUTO ? s->isa : c->isa;
    /* AMX has kernels of bf16 products alone. */
    if (isa == ISA_AMX && c->compute != DTYPE_BF16) isa = ISA_AVX512;
    return (struct engine_setup){c->threads ? c->threads : s->n_cpus, isa, c->compute,
                                 c->arithmetic == ARITHMETIC_TWICE};
}

static enum err cpu_measure(void *state, const struct engine_setup *setup,
                            enum ceilings_extent extent, const struct ceilings_effort *effort,
                            ceilings_progress_fn *progress, void *ctx, struct ceiling_set *out)
{
    struct team *team;
    (void)state;
    TRY(team_create(setup->threads, &team));
    const struct ceilings_ask ask = {.isa = setup->isa,
                                     .compute = setup->compute,
                                     .extent = extent,
                                     .effort = effort,
                                     .progress = progress,
                                     .progress_ctx = ctx};
    enum err e = ceilings_measure(team, &ask, out);
    team_free(team);
    return e;
}

static void cpu_price(const struct ceiling_set *roofs, const struct engine_setup *setup,
                      const struct cell *c, int64_t weight_bytes, struct price *out,
                      bool *cache_resident)
{
    (void)c;
    ceilings_price(roofs, setup->threads, setup->compute, weight_bytes, out, cache_resident);
}

const struct engine_kind engine_cpu = {
    .kind = "cpu",
    .owns = cpu_owns,
    .open = cpu_open,
    .close = free,
    .setup = cpu_setup,
    .measure = cpu_measure,
    .price = cpu_price,
};
