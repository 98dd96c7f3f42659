/* cpu_backend.c - opening the CPU, its memory, and the table of its operations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/mem.h"
#include "harness/kernels/cpu/cpu.h"

/* AMX multiplies pairs of bf16; all else on such a CPU is AVX-512. */
static const struct cpu_isa isa_parts[ISA_COUNT] = {
    [ISA_SCALAR] = {&cpu_rows_scalar, &cpu_tiles_scalar, &cpu_attention_scalar},
    [ISA_AVX2] = {&cpu_rows_avx2, &cpu_tiles_avx2, &cpu_attention_avx2},
    [ISA_AVX512] = {&cpu_rows_avx512, &cpu_tiles_avx512, &cpu_attention_avx512},
    [ISA_AMX] = {&cpu_rows_avx512, &cpu_tiles_avx512, &cpu_attention_avx512},
};

static const char *const variants[ISA_COUNT] = {
    [ISA_SCALAR] = "scalar", [ISA_AVX2] = "avx2", [ISA_AVX512] = "avx512", [ISA_AMX] = "avx512"};

static const struct {
    const struct cpu_tiles *tiles;
    const char *variant;
} twice_parts[ISA_COUNT] = {
    [ISA_AVX2] = {&cpu_tiles_twice_avx2, "avx2 twice"},
    [ISA_AVX512] = {&cpu_tiles_twice_avx512, "avx512 twice"},
    [ISA_AMX] = {&cpu_tiles_twice_avx512, "avx512 twice"},
};

/* Products of int8: those of avx512_vnni, or of pairs of int16. */
static enum err choose_quads(const struct kernels_config *config, enum isa isa,
                             struct cpu_isa *out, const char **variant)
{
    if (config->twice)
        return err_set(ERR_UNSUPPORTED, "there are no int8 products that are made twice");
    if (isa >= ISA_AVX512 && cpu_has_vnni()) {
        out->quads = &cpu_tiles_quads_avx512vnni;
        *variant = "avx512 int8";
    } else {
        out->quads = isa == ISA_SCALAR ? &cpu_tiles_quads_scalar : &cpu_tiles_quads_avx2;
        *variant = isa == ISA_SCALAR ? "scalar int8" : "avx2 int8";
    }
    return ERR_NONE;
}

/* bf16 products are those of amx_bf16 or of avx512_bf16. */
static enum err choose_products(const struct kernels_config *config, enum isa isa,
                                struct cpu_isa *out, const char **variant)
{
    if (config->compute == DTYPE_F32) return ERR_NONE;
    if (config->compute == DTYPE_INT8) return choose_quads(config, isa, out, variant);
    TRY(isa_has_bf16(isa));
    if (isa == ISA_AMX) {
        out->pairs = config->twice ? &cpu_tiles_twice_amx : &cpu_tiles_amx;
        *variant = config->twice ? "amx bf16 twice" : "amx bf16";
    } else {
        out->pairs = config->twice ? &cpu_tiles_pairs_twice : &cpu_tiles_pairs;
        *variant = config->twice ? "avx512 bf16 twice" : "avx512 bf16";
    }
    return ERR_NONE;
}

/* A call below this many bytes is over before a team has woken. */
enum { SERIAL_BYTES = 16 << 10 };

static void cpu_close(void *state)
{
    struct cpu *c = state;
    if (c == NULL) return;
    for (int i = 0; i < SCRATCH_COUNT; i++) mem_unmap(c->scratch[i].data, c->scratch[i].bytes);
    team_free(c->team);
    free(c);
}

static enum err cpu_open(const struct kernels_config *config, void **state,
                         struct backend_info *info)
{
    enum err e = ERR_NONE;
    enum isa isa;
    const char *variant;
    struct cpuinfo cpu;
    struct cpu *c = calloc(1, sizeof *c);
    if (c == NULL) return err_set(ERR_NOMEM, "no memory for the cpu backend");
    TRY_OUT(isa_choose(config->isa, &isa));
    if (config->twice && !twice_parts[isa].tiles)
        TRY_OUT(
            err_set(ERR_UNSUPPORTED, "there are no %s kernels that multiply twice", isa_name(isa)));
    TRY_OUT(team_create(config->n_threads, &c->team));
    cpuinfo_read(&cpu);
    c->isa = isa_parts[isa];
    if (config->twice) c->isa.tiles = twice_parts[isa].tiles;
    variant = config->twice ? twice_parts[isa].variant : variants[isa];
    TRY_OUT(choose_products(config, isa, &c->isa, &variant));
    snprintf(c->description, sizeof c->description, "%s, %d CPUs, %s", cpu.model, cpu.n_cpus,
             isa_name(isa));
    *info = (struct backend_info){
        .n_threads = team_size(c->team),
        .variant = variant,
        .description = c->description,
        .activation_dtype = DTYPE_F32,
        .traffic = {.llc_bytes = cpu.llc_bytes,
                    .row_tile = 1,
                    .block_cols = c->isa.tiles->block_panels * PANEL},
    };
    *state = c;
    return ERR_NONE;
out:
    cpu_close(c);
    return e;
}

enum err cpu_scratch(struct cpu *c, enum scratch which, size_t n, void **out)
{
    struct buffer *b = &c->scratch[which];
    *out = b->data;
    if (n <= b->bytes) return ERR_NONE;
    void *data;
    TRY(mem_map(2 * n, &data));
    mem_unmap(b->data, b->bytes);
    *b = (struct buffer){data, 2 * n};
    *out = data;
    return ERR_NONE;
}

void cpu_run(struct cpu *c, int64_t bytes, team_fn *fn, void *arg)
{
    if (bytes < SERIAL_BYTES)
        fn(arg, 0, 1);
    else
        team_run(c->team, fn, arg);
}

static enum err cpu_sync(void *state)
{
    (void)state;
    return ERR_NONE;
}

static enum err cpu_memory(void *state, struct kernels_memory *out)
{
    struct cpuinfo cpu;
    (void)state;
    cpuinfo_read(&cpu);
    *out = (struct kernels_memory){mem_available_bytes(), cpu.mem_total_bytes};
    return ERR_NONE;
}

static enum err cpu_alloc(void *state, size_t n, void **out)
{
    (void)state;
    return mem_map(n, out);
}

static void cpu_free(void *state, void *p, size_t n)
{
    (void)state;
    mem_unmap(p, n);
}

/* Between a contiguous array and a tensor whose rows may be apart. */
static void copy_rows(struct tensor t, char *host, bool to_host)
{
    int64_t row = t.dim[1] * t.dim[2] * t.dim[3], size = dtype_bytes(t.dtype);
    int64_t n = t.n_dim == 1 ? 1 : t.dim[0];
    if (t.n_dim == 1) row = t.dim[0];
    for (int64_t i = 0; i < n; i++) {
        char *in_tensor = (char *)t.data + i * t.row_stride * size;
        char *in_host = host + i * row * size;
        memcpy(to_host ? in_host : in_tensor, to_host ? in_tensor : in_host, (size_t)(row * size));
    }
}

static void copy(struct tensor t, char *host, bool to_host)
{
    if (t.layout == LAYOUT_KEYS || t.layout == LAYOUT_VALUES)
        cpu_copy_cache(t, host, to_host);
    else
        copy_rows(t, host, to_host);
}

static enum err cpu_upload(void *state, struct tensor dst, const void *host)
{
    (void)state;
    copy(dst, (char *)(uintptr_t)host, false);
    return ERR_NONE;
}

static enum err cpu_download(void *state, void *host, struct tensor src)
{
    (void)state;
    copy(src, host, true);
    return ERR_NONE;
}

const struct backend_ops backend_cpu = {
    .name = "cpu",
    .disabled = NULL,
    .computes = true,
    .open = cpu_open,
    .close = cpu_close,
    .sync = cpu_sync,
    .memory = cpu_memory,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .upload = cpu_upload,
    .download = cpu_download,
    .lay_out_cache = cpu_lay_out_cache,
    .packed_bytes = cpu_packed_bytes,
    .load_weight = cpu_load_weight,
    .embed = cpu_embed,
    .rmsnorm = cpu_rmsnorm,
    .matmul = cpu_matmul,
    .rope = cpu_rope,
    .kv_store = cpu_kv_store,
    .attention = cpu_attention,
    .swiglu = cpu_swiglu,
    .add = cpu_add,
    .gather = cpu_gather,
    .guide = cpu_guide,
    .rowstat = cpu_rowstat,
};
