/* cuda_call.c - a call's launch: which launcher takes which of its fields. */
#include "harness/kernels/cuda/cuda.h"

static struct choice_rule rule_of(const struct cuda_call *c)
{
    return (struct choice_rule){.temperature = c->temperature,
                                .seed = c->seed,
                                .n_ids = c->n_ids,
                                .mask_id = c->mask_id,
                                .top_p = c->top_p};
}

enum err cuda_launch(struct cuda *c, const struct cuda_call *call)
{
    const struct tensor *t = call->t;
    const void *const *array = call->array;
    const struct choice_rule rule = rule_of(call);
    cudaStream_t s = c->stream;
    switch (call->kind) {
    case CALL_COPY:
        return cuda_check(cuda_launch_copy(s, t[0], t[1], array[0]), "copying rows");
    case CALL_RMSNORM:
        return cuda_check(cuda_launch_rmsnorm(s, t[0], t[1], t[2], call->number), "rmsnorm");
    case CALL_ROPE:
        return cuda_check(cuda_launch_rope(s, t[0], array[0], array[1]), "rope");
    case CALL_KV_STORE:
        return cuda_check(cuda_launch_kv_store(s, t[0], t[1], t[2], t[3], array[0]), "kv_store");
    case CALL_ATTENTION:
        return cuda_check(cuda_launch_attention(s, t[0], t[1], t[2], t[3], array[0]), "attention");
    case CALL_ATTENTION_FUSED:
        return cuda_check(cuda_launch_attention_fused(s, t[0], t[1], t[2], t[3], array[0], array[1],
                                                      &call->plan, (void *)array[2]),
                          "attention");
    case CALL_SWIGLU:
        return cuda_check(cuda_launch_swiglu(s, t[0], t[1]), "swiglu");
    case CALL_ADD:
        return cuda_check(cuda_launch_add(s, t[0], t[1]), "add");
    case CALL_GUIDE:
        return cuda_check(cuda_launch_guide(s, t[0], t[1], call->number), "guide");
    case CALL_GEMM:
        return cuda_gemm(c, t[0], t[1], t[2], call->number);
    case CALL_MATMUL:
        return cuda_check(cuda_launch_matmul(s, t[0], t[1], t[2], t[3], c->n_sms), "matmul");
    case CALL_NUCLEUS:
        return cuda_check(cuda_launch_nucleus(s, (void *)array[3], t[0], &rule), "nucleus");
    case CALL_ROWSTAT:
        return cuda_check(cuda_launch_rowstat(s, (void *)array[2], (void *)array[1], t[0], array[0],
                                              array[3], &rule),
                          "rowstat");
    }
    return err_set(ERR_INTERNAL, "cuda: a call of kind %d", (int)call->kind);
}
