/* cpu_embed.c - rows picked by number: token embeddings, and rows of activations. */
#include <string.h>

#include "harness/kernels/cpu/cpu.h"

struct pick {
    const struct cpu *cpu;
    struct tensor out, from;
    const int32_t *index;
};

static void pick_member(void *arg, int32_t member, int32_t n_members)
{
    const struct pick *p = arg;
    int64_t begin, end, d = p->out.dim[1];
    team_share(p->out.dim[0], 1, member, n_members, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        float *out = (float *)p->out.data + i * p->out.row_stride;
        int64_t at = p->index[i] * p->from.row_stride;
        if (p->from.layout == LAYOUT_PACKED)
            cpu_unpack_row(p->cpu, out, p->from, p->index[i]);
        else if (p->from.dtype == DTYPE_BF16)
            p->cpu->isa.rows->from_bf16(out, (const uint16_t *)p->from.data + at, d);
        else
            memcpy(out, (const float *)p->from.data + at, (size_t)d * sizeof *out);
    }
}

enum err cpu_embed(void *state, struct tensor out, struct tensor table, const int32_t *ids)
{
    struct cpu *c = state;
    struct pick p = {c, out, table, ids};
    /* A row of a packed table touches a cache line per element. */
    int64_t bytes = tensor_bytes(out) * (table.layout == LAYOUT_PACKED ? 16 : 1);
    cpu_run(c, bytes, pick_member, &p);
    return ERR_NONE;
}

enum err cpu_gather(void *state, struct tensor out, struct tensor x, const int32_t *index)
{
    struct cpu *c = state;
    struct pick p = {c, out, x, index};
    cpu_run(c, tensor_bytes(out), pick_member, &p);
    return ERR_NONE;
}
