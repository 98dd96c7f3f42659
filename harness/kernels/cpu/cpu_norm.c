/* cpu_norm.c - RMSNorm, rows shared out. */
#include "harness/kernels/cpu/cpu.h"

struct rmsnorm {
    const struct cpu_rows *rows;
    struct tensor out, x, gain;
    float eps;
};

static void rmsnorm_member(void *arg, int32_t member, int32_t n_members)
{
    const struct rmsnorm *a = arg;
    /* [n, D], or [n, h, d] with h rows in each. */
    int64_t per = a->x.n_dim == 3 ? a->x.dim[1] : 1, begin, end;
    int64_t d = a->x.dim[a->x.n_dim - 1];
    team_share(a->x.dim[0] * per, 1, member, n_members, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const float *x = (const float *)a->x.data + i / per * a->x.row_stride + i % per * d;
        float *out = (float *)a->out.data + i / per * a->out.row_stride + i % per * d;
        a->rows->rmsnorm(out, x, a->gain.data, a->gain.dtype, d, a->eps);
    }
}

enum err cpu_rmsnorm(void *state, struct tensor out, struct tensor x, struct tensor gain, float eps)
{
    struct cpu *c = state;
    struct rmsnorm a = {c->isa.rows, out, x, gain, eps};
    cpu_run(c, tensor_bytes(x), rmsnorm_member, &a);
    return ERR_NONE;
}
