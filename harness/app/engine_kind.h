/* engine_kind.h - what an engine needs to know of a kind of device; engine.c does the rest. */
#ifndef APP_ENGINE_KIND_H
#define APP_ENGINE_KIND_H

#include "harness/kernels/kernels.h"
#include "results/cell.h"
#include "roofline/ceilings.h"

/* Whose kernels and, without `twice`, whose roofs. */
struct engine_setup {
    int32_t threads; /* of the host; 0 where none of them compute */
    enum isa isa;    /* of their kernels; AUTO where there are none */
    enum dtype compute; /* of matmuls' products where there is a choice */
    bool twice;         /* all arithmetic is done twice */
};

struct engine_kind {
    const char *kind; /* "cpu", "cuda": also the backend's name */
    /* Whether the name is one of this kind's; number: which of several. */
    bool (*owns)(const char *device, int32_t *number);

    /* state: what roofs are measured with. */
    enum err (*open)(int32_t number, void **state);
    void (*close)(void *state); /* NULL is allowed */

    struct engine_setup (*setup)(const void *state, const struct cell *c);
    enum err (*measure)(void *state, const struct engine_setup *setup, enum ceilings_extent extent,
                        const struct ceilings_effort *effort, ceilings_progress_fn *progress,
                        void *ctx, struct ceiling_set *out);
    /* TIER_CEILINGS of a cell whose forwards stream weight_bytes. */
    void (*price)(const struct ceiling_set *roofs, const struct engine_setup *setup,
                  const struct cell *c, int64_t weight_bytes, struct price *out,
                  bool *cache_resident);
};

extern const struct engine_kind engine_cpu, engine_cuda;

#endif
