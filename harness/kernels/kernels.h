/* kernels.h - the one kernel set every decoder runs on.
 *
 * Every call here checks its operands' shapes, adds its cost to the ledger and
 * hands over to the chosen backend; model code never sees a backend.  Calls are
 * asynchronous where the backend is: results are readable after kernels_sync.
 * Shapes are the caller's to get right: a mismatch is a bug and aborts.
 *
 * Letters used for sizes in every comment of this folder:
 *     n   rows: positions computed, all sequences together     D  model width
 *     m   output columns, or logit rows                        F  feed-forward width
 *     h, hk  query heads, key/value heads                      V  vocabulary rows
 *     d   head width                 cap  positions a cache slot can hold
 */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/cpuinfo.h"
#include "harness/kernels/cost.h"
#include "harness/kernels/ledger.h"
#include "harness/kernels/price.h"
#include "harness/kernels/span.h"

struct kernels; /* an opened backend: its memory, threads and ledger */

struct kernels_config {
    const char *backend;          /* "cpu", "null", "cuda"                                  */
    int32_t n_threads;            /* cpu; 0: one per CPU of the affinity mask               */
    enum isa isa;                 /* cpu                                                    */
    bool twice;                   /* cpu: the same results by twice the multiply-adds       */
    enum dtype compute;           /* cpu: BF16, INT8: weights of that dtype meet activations
                                     rounded to it                                            */
    int32_t device;               /* cuda: the GPU's number                                 */
    enum dtype activation_dtype;  /* null only: what the imagined device uses               */
    struct traffic_model traffic; /* llc_bytes 0: ask the backend                           */
};

/* How a device runs the operations; the zero mode is what every backend has. */
enum matmul_by { MATMUL_CUBLAS, MATMUL_OWN, MATMUL_COUNT };
struct kernels_mode {
    bool graph;         /* launch the calls of a forward together, as one CUDA graph */
    enum matmul_by matmul; /* whose kernels multiply                                    */
};

/* ERR_USAGE names the known backends; ERR_UNSUPPORTED carries the reason one is missing. */
enum err kernels_open(const struct kernels_config *c, struct kernels **out) MUST_CHECK;
void kernels_close(struct kernels *k); /* NULL is allowed */

/* Backends in order; NULL ends.  why is NULL when it can be opened, which may take a look at
 * drivers, and else stays readable until the thread's next failure. */
const char *kernels_backend(int32_t i, const char **why);

const char *kernels_name(const struct kernels *k);
int32_t kernels_threads(const struct kernels *k); /* of the host that compute; 0 on a GPU */
const char *kernels_variant(const struct kernels *k); /* "avx512"; "" if there is one only */
const char *kernels_description(const struct kernels *k); /* of the device, in one line; "" */
enum dtype kernels_activation_dtype(const struct kernels *k);
bool kernels_computes(const struct kernels *k); /* false: it only counts */
struct traffic_model kernels_traffic(const struct kernels *k);
enum err kernels_sync(struct kernels *k) MUST_CHECK;

/* Of operations from now on; ERR_UNSUPPORTED when the backend has not got it. */
enum err kernels_set_mode(struct kernels *k, const struct kernels_mode *mode) MUST_CHECK;

/* Graphs made and launched since the backend was opened; zero where there are none. */
struct kernels_graphs {
    int64_t captured, launched;
};
struct kernels_graphs kernels_graphs(const struct kernels *k);

/* Time on the device's own clock, from begin to the end of the last work that the host waited for
 * before end; -1 where the device has none.  It holds the device's waits for the host in between,
 * and not what comes before the first or after the last of its work. */
enum err kernels_timer_begin(struct kernels *k) MUST_CHECK;
enum err kernels_timer_end(struct kernels *k, int64_t *device_ns) MUST_CHECK;

/* ---- the ledger ---- */
struct ledger *kernels_ledger(struct kernels *k);
/* Set one tier's price; until then it predicts nothing. */
void kernels_set_price(struct kernels *k, enum tier t, const struct price *p);
/* Charge every following call n times: how a counting backend runs one layer for all. */
void kernels_set_repeat(struct kernels *k, int64_t n);
/* Time every call into ledger_entry.time_ns; synchronises after each. */
void kernels_trace(struct kernels *k, bool on);

/* One call as somebody who watches is told of it. */
struct kernels_call {
    enum op op;
    int64_t rows;        /* of its result              */
    int64_t cols, depth; /* of a matmul, m and k; else 0 */
};
/* What is launched between begin and end is that call's; a failure of either is the call's. */
struct kernels_watch {
    void *ctx;
    enum err (*begin)(void *ctx, const struct kernels_call *c);
    enum err (*end)(void *ctx);
};
/* Borrowed until the next; NULL: nobody watches. */
void kernels_set_watch(struct kernels *k, const struct kernels_watch *w);

/* ---- memory ---- */
/* Bytes an allocation may still take, and all there are; -1: nobody says. */
struct kernels_memory {
    int64_t free_bytes, total_bytes;
};
enum err kernels_memory(struct kernels *k, struct kernels_memory *out) MUST_CHECK;
/* The largest that forwards to come will ask for. */
struct kernels_extent {
    int64_t rows, logit_rows, n_vocab;
    int64_t widest;                   /* of a layer's matmuls, columns or depth     */
    int64_t n_head, d_head, capacity; /* of attention; positions of a slot          */
    enum dtype weights, kv;
    int64_t calls, n_graphs; /* of a forward; forwards that differ in more than contents */
};
/* What a backend will allocate for them by itself, beyond what it already has: buffers that all
 * forwards share, and graphs, of which everybody has its own. */
struct kernels_extra {
    int64_t scratch_bytes, graph_bytes;
};
struct kernels_extra kernels_extra(const struct kernels *k, const struct kernels_mode *mode,
                                   const struct kernels_extent *x);
enum err kernels_alloc(struct kernels *k, size_t n, void **out) MUST_CHECK; /* zeroed */
void kernels_free(struct kernels *k, void *p, size_t n);                    /* NULL is allowed */
enum err kernels_upload(struct kernels *k, struct tensor dst, const void *host) MUST_CHECK;
enum err kernels_download(struct kernels *k, void *host, struct tensor src) MUST_CHECK;

/* A batch's keys and values, [slots, n_heads, cap, d], as this backend's attention reads them:
 * data NULL, tensor_room bytes each.  Upload and download know the order. */
void kernels_cache(const struct kernels *k, enum dtype dtype, int64_t slots, int64_t n_heads,
                   int64_t cap, int64_t d, struct tensor *keys, struct tensor *values);

/* Bytes a 2-D weight occupies in this backend's packed layout. */
size_t kernels_packed_bytes(const struct kernels *k, int64_t rows, int64_t cols, enum dtype dtype);

/* Write row `row` of a weight to out: its last dim's worth of elements in the weight's
 * dtype (int8: as int8.h lays out a row).  Called from several threads at once, each row once. */
typedef void weight_row_fn(void *ctx, int64_t row, void *out);

/* Fill weight w (1-D: one row; 2-D: rows of dim[0]) in its layout. */
enum err kernels_load_weight(struct kernels *k, struct tensor w, weight_row_fn *row,
                             void *ctx) MUST_CHECK;

/* ---- operations ---- */

/* out[n,D] = rows ids[0..n) of table[V,D].  ids: host memory, copied before return. */
enum err kn_embed(struct kernels *k, struct tensor out, struct tensor table,
                  const int32_t *ids) MUST_CHECK;

/* out = x / sqrt(mean(x^2) + eps) * gain over the last dim; x[n,D] or x[n,h,d], out may be x. */
enum err kn_rmsnorm(struct kernels *k, struct tensor out, struct tensor x, struct tensor gain,
                    float eps) MUST_CHECK;

/* y[n,m] = x[n,k] . w[m,k]^T + bias[m]; sums in f32 whatever the dtypes, products too unless the
 * backend was opened to multiply in bf16.
 * bias.n_dim == 0: none.  y of ROLE_LOGITS is charged to OP_HEAD. */
enum err kn_matmul(struct kernels *k, struct tensor y, struct tensor x, struct tensor w,
                   struct tensor bias) MUST_CHECK;

/* Rotation of pair (j, j + d/2) by pos * base^(-2j/d); factor != 0 rescales the slow
 * ones as Llama 3.1 does (low 1, high 4, context it was trained with in `original`). */
struct rope {
    float base;
    float factor;
    int32_t original;
};

/* Rotate x[n,h,d] in place; row i is at position pos[i].  pos: host memory. */
enum err kn_rope(struct kernels *k, struct tensor x, const int32_t *pos,
                 const struct rope *r) MUST_CHECK;

/* Append: cache[slot, :, pos, :] = row, for every row of every span.
 * k, v [n,hk,d] (strided views); caches [slots, hk, cap, d]. */
enum err kn_kv_store(struct kernels *k, struct tensor k_cache, struct tensor v_cache,
                     struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                     int32_t n_spans) MUST_CHECK;

/* out[n,h,d] = softmax(q . keys^T / sqrt(d)) . values over the positions each row sees
 * (span.h).  Query head i uses key/value head i * hk / h. */
enum err kn_attention(struct kernels *k, struct tensor out, struct tensor q, struct tensor k_cache,
                      struct tensor v_cache, const struct span *spans, int32_t n_spans) MUST_CHECK;

/* out[n,F] = silu(gate) * up, gate_up[n,2F] = [gate | up]. */
enum err kn_swiglu(struct kernels *k, struct tensor out, struct tensor gate_up) MUST_CHECK;

/* x[n,D] += y[n,D]. */
enum err kn_add(struct kernels *k, struct tensor x, struct tensor y) MUST_CHECK;

/* out[m,D] = rows index[0..m) of x[n,D].  index: host memory. */
enum err kn_gather(struct kernels *k, struct tensor out, struct tensor x,
                   const int32_t *index) MUST_CHECK;

/* Classifier-free guidance: z[m,V] = u[m,V] + scale (z - u), rounded after each operation. */
enum err kn_guide(struct kernels *k, struct tensor z, struct tensor u, float scale) MUST_CHECK;

/* What one read of a row of logits yields. */
struct row_stat {
    int32_t id;         /* the chosen token: argmax, or sampled at temperature > 0     */
    float confidence;   /* softmax of the raw logits at id                             */
    float p_first;      /* largest and second largest probability among allowed ids    */
    float p_second;
    float entropy_nats; /* of the softmax over all V                                   */
};

/* Who is asking: with the seed, the whole key of a row's random numbers. */
struct row_key {
    uint32_t request, position, step;
};

struct choice_rule {
    float temperature; /* 0: argmax, lowest id on ties; > 0: Gumbel-max                */
    uint64_t seed;
    int32_t n_ids;     /* ids from here on are never chosen                            */
    int32_t mask_id;   /* never chosen either; -1: none                                */
    float top_p;       /* at temperature > 0 an id is only chosen if those likelier than it
                          hold less than this of the allowed ids' probability at that
                          temperature: the likeliest always, and the one that crosses the
                          line with all its equals; 0: any                             */
};

static inline bool rule_has_nucleus(const struct choice_rule *r)
{
    return r->temperature > 0 && r->top_p > 0 && r->top_p < 1;
}

/* stats[m] (host memory, readable on return: this call synchronises) of logits[m,V]. */
enum err kn_rowstat(struct kernels *k, struct row_stat *stats, struct tensor logits,
                    const struct row_key *keys, const struct choice_rule *rule) MUST_CHECK;

#endif
