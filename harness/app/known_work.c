/* known_work.c - see known_work.h. */
#include "harness/app/known_work.h"

#include <stdlib.h>

enum { FLUSH_COLUMNS = 8192, ADD_COLUMNS = 4096, ADD_CACHES = 8, FLUSH_CACHES = 4 };

struct known_work {
    struct kernels *kernels; /* borrowed */
    enum dtype dtype;        /* of activations */
    int64_t n_add;           /* elements of an operand of add */
    int64_t n;               /* of matmul */
    int64_t flush_rows;
    void *a, *b, *x, *y, *w, *logits; /* on the device */
    size_t add_bytes, square_bytes, packed_bytes, flush_bytes;
    struct row_stat *stats; /* [flush_rows] */
    struct row_key *keys;
};

void known_work_close(struct known_work *w)
{
    if (!w) return;
    kernels_free(w->kernels, w->a, w->add_bytes);
    kernels_free(w->kernels, w->b, w->add_bytes);
    kernels_free(w->kernels, w->x, w->square_bytes);
    kernels_free(w->kernels, w->y, w->square_bytes);
    kernels_free(w->kernels, w->w, w->packed_bytes);
    kernels_free(w->kernels, w->logits, w->flush_bytes);
    free(w->stats);
    free(w->keys);
    free(w);
}

static struct tensor weight_of(const struct known_work *w)
{
    struct tensor t = tensor_2d(w->w, DTYPE_BF16, ROLE_WEIGHT, w->n, w->n);
    t.layout = LAYOUT_PACKED;
    return t;
}

/* Zeros: nothing here depends on values. */
static void zero_row(void *ctx, int64_t row, void *out)
{
    const struct known_work *w = ctx;
    (void)row;
    for (int64_t i = 0; i < w->n; i++) ((uint16_t *)out)[i] = 0;
}

static enum err allocate(struct known_work *w)
{
    struct kernels *k = w->kernels;
    TRY(kernels_alloc(k, w->add_bytes, &w->a));
    TRY(kernels_alloc(k, w->add_bytes, &w->b));
    TRY(kernels_alloc(k, w->square_bytes, &w->x));
    TRY(kernels_alloc(k, w->square_bytes, &w->y));
    TRY(kernels_alloc(k, w->packed_bytes, &w->w));
    TRY(kernels_alloc(k, w->flush_bytes, &w->logits));
    w->stats = calloc((size_t)w->flush_rows, sizeof *w->stats);
    w->keys = calloc((size_t)w->flush_rows, sizeof *w->keys);
    if (!w->stats || !w->keys) return err_set(ERR_NOMEM, "known work: out of memory");
    return kernels_load_weight(k, weight_of(w), zero_row, w);
}

enum err known_work_open(struct kernels *k, const struct known_work_size *size,
                         struct known_work **out)
{
    *out = NULL;
    int64_t cache = kernels_traffic(k).llc_bytes;
    struct known_work *w = calloc(1, sizeof *w);
    if (!w) return err_set(ERR_NOMEM, "known work: out of memory");
    int64_t add = size->add_bytes ? size->add_bytes : ADD_CACHES * cache;
    int64_t flush = size->flush_bytes ? size->flush_bytes : FLUSH_CACHES * cache;
    w->kernels = k;
    w->dtype = kernels_activation_dtype(k);
    w->n = size->matmul;
    w->n_add = (add / dtype_bytes(w->dtype) / ADD_COLUMNS + 1) * ADD_COLUMNS;
    w->flush_rows = flush / (FLUSH_COLUMNS * 4) + 1;
    w->add_bytes = (size_t)(w->n_add * dtype_bytes(w->dtype));
    w->square_bytes = (size_t)(w->n * w->n * dtype_bytes(w->dtype));
    w->packed_bytes = kernels_packed_bytes(k, w->n, w->n, DTYPE_BF16);
    w->flush_bytes = (size_t)(w->flush_rows * FLUSH_COLUMNS * 4);
    enum err e = allocate(w);
    if (e == ERR_NONE)
        *out = w;
    else
        known_work_close(w);
    return e;
}

enum err known_work_run(struct known_work *w, int32_t i)
{
    struct kernels *k = w->kernels;
    const struct tensor none = {.n_dim = 0};
    int64_t rows = w->n_add / ADD_COLUMNS;
    CHECK(i >= 0 && i < KNOWN_WORKS);
    if (i == 0)
        TRY(kn_add(k, tensor_2d(w->a, w->dtype, ROLE_ACTIVATION, rows, ADD_COLUMNS),
                   tensor_2d(w->b, w->dtype, ROLE_ACTIVATION, rows, ADD_COLUMNS)));
    else
        TRY(kn_matmul(k, tensor_2d(w->y, w->dtype, ROLE_ACTIVATION, w->n, w->n),
                      tensor_2d(w->x, w->dtype, ROLE_ACTIVATION, w->n, w->n), weight_of(w), none));
    return kernels_sync(k);
}

void known_work_compare(const struct known_work *w, int32_t i, const struct counters *counted,
                        struct known_work_row rows[KNOWN_ROWS], int32_t *n_rows)
{
    const int64_t add = (int64_t)w->add_bytes, cube = w->n * w->n * w->n;
    const struct {
        int32_t work;
        const char *name;
        enum counter counter;
        int64_t known;
    } all[KNOWN_ROWS] = {
        {0, "add", COUNTER_DRAM_READ_BYTES, 2 * add}, {0, "add", COUNTER_DRAM_WRITE_BYTES, add},
        {0, "add", COUNTER_L2_BYTES, 3 * add},        {0, "add", COUNTER_FLOP_VECTOR, w->n_add},
        {1, "matmul", COUNTER_FLOP_TENSOR, 2 * cube},
    };
    for (int k = 0; k < KNOWN_ROWS; k++) {
        int64_t value = counted->value[all[k].counter];
        if (all[k].work != i || value < 0) continue;
        CHECK(*n_rows < KNOWN_ROWS);
        rows[(*n_rows)++] = (struct known_work_row){.work = all[k].name,
                                                    .counter = all[k].counter,
                                                    .known = all[k].known,
                                                    .counted = value};
    }
}

enum err known_work_flush(struct known_work *w)
{
    const struct choice_rule rule = {.n_ids = FLUSH_COLUMNS, .mask_id = -1};
    TRY(kn_rowstat(w->kernels, w->stats,
                   tensor_2d(w->logits, DTYPE_F32, ROLE_LOGITS, w->flush_rows, FLUSH_COLUMNS),
                   w->keys, &rule));
    return kernels_sync(w->kernels);
}
