/* count_pass.c - decoding again with a probe around the forwards. */
#include "harness/app/count_pass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/base/clock.h"
#include "harness/base/hash.h"
#include "roofline/cupti_file.h"

/* ---- the subject ---- */

static enum err check_tokens(const struct count_subject *u)
{
    const struct decode_spec *s = &u->cell->spec;
    char sha256[SHA256_HEX_SIZE];
    size_t n = (size_t)s->batch * (size_t)spec_length(s);
    sha256_hex(session_tokens(u->session), n * sizeof(int32_t), sha256);
    if (!u->tokens_sha256[0] || strcmp(sha256, u->tokens_sha256) == 0) return ERR_NONE;
    return err_set(ERR_VERIFY,
                   "decoding again gave other tokens than the timed decodes: what would "
                   "be counted is other work");
}

/* The step in the middle of its phase, as the plan chose it. */
static void find_middles(struct count_subject *u)
{
    int32_t total[PHASE_COUNT] = {0}, before[PHASE_COUNT] = {0};
    for (int32_t i = 0; i < u->n_steps; i++) total[u->phase[i]]++;
    for (int32_t i = 0; i < u->n_steps; i++)
        u->middle[i] = before[u->phase[i]]++ == total[u->phase[i]] / 2;
}

static enum err add_step(struct count_subject *u, int32_t *room, enum phase phase)
{
    if (u->n_steps == *room) {
        int32_t wanted = *room ? 2 * *room : 64;
        enum phase *grown = realloc(u->phase, (size_t)wanted * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "%d forwards: out of memory", wanted);
        u->phase = grown;
        *room = wanted;
    }
    u->phase[u->n_steps++] = phase;
    return ERR_NONE;
}

static enum err warm_up(struct count_subject *u)
{
    int32_t room = 0;
    TRY(session_restart(u->session));
    while (!session_done(u->session)) {
        struct step_work work;
        TRY(session_step(u->session, &work));
        TRY(add_step(u, &room, work.phase));
    }
    u->middle = calloc((size_t)u->n_steps + 1, sizeof *u->middle);
    if (!u->middle) return err_set(ERR_NOMEM, "%d forwards: out of memory", u->n_steps);
    find_middles(u);
    TRY(check_tokens(u));
    for (int32_t i = 0; i < KNOWN_WORKS; i++) TRY(known_work_run(u->known, i));
    return u->l2 == L2_COLD ? known_work_flush(u->known) : ERR_NONE;
}

enum err count_open(struct count_subject *u, struct engine *e, const struct cell *c)
{
    struct model *m = NULL;
    u->cell = c;
    TRY(engine_load(e, c, 0, &m));
    /* The same kernels as in a graph, launched one by one so that each can be told apart. */
    TRY(engine_set_mode(model_kernels(m), c, false));
    TRY(session_create(m, decoder_find(c->decoder), &c->spec, c->kv_dtype, &u->session));
    TRY(known_work_open(session_kernels(u->session), &u->limits->known, &u->known));
    return warm_up(u);
}

void count_close(struct count_subject *u)
{
    known_work_close(u->known);
    session_free(u->session);
    free(u->phase);
    free(u->middle);
    u->known = NULL;
    u->session = NULL;
    u->phase = NULL;
    u->middle = NULL;
}

/* ---- one pass ---- */

/* An operation of a counted forward; number: in it. */
struct told {
    struct kernels_call call;
    int32_t number;
};

struct pass_state {
    struct count_subject *u;
    const struct probe_ops *ops;
    void *probe;
    struct count_result *r;
    int32_t *chosen; /* owned: the steps that are counted, ascending */
    int32_t n_chosen, room;
    struct told *told; /* owned: operations, as the probe was told of them */
    int32_t n_told, told_room, n_in_forward;
    int64_t decode_ns; /* of the last decode, with everything around it */
};

/* Kernels of the forwards that were pinned only: there are hundreds in each. */
static enum err choose_steps(struct pass_state *p)
{
    const struct count_subject *u = p->u;
    int32_t stride = (u->n_steps + u->limits->max_forwards - 1) / u->limits->max_forwards;
    p->chosen = calloc((size_t)u->n_steps + 1, sizeof *p->chosen);
    if (!p->chosen) return err_set(ERR_NOMEM, "%d forwards: out of memory", u->n_steps);
    for (int32_t i = 0; i < u->n_steps; i++)
        if (u->middle[i] || (!p->ops->kernels && i % stride == 0)) p->chosen[p->n_chosen++] = i;
    return ERR_NONE;
}

static enum err note_call(void *ctx, const struct kernels_call *c)
{
    struct pass_state *p = ctx;
    if (p->n_told == p->told_room) {
        int32_t wanted = p->told_room ? 2 * p->told_room : 256;
        struct told *grown = realloc(p->told, (size_t)wanted * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "%d operations: out of memory", wanted);
        p->told = grown;
        p->told_room = wanted;
    }
    p->told[p->n_told] = (struct told){*c, p->n_in_forward++};
    return p->ops->call_begin(p->probe, p->n_told++);
}

static enum err end_call(void *ctx)
{
    struct pass_state *p = ctx;
    return p->ops->call_end(p->probe);
}

static enum err watched_step(struct pass_state *p, struct kernels *k)
{
    struct step_work work;
    const struct kernels_watch watch = {p, note_call, end_call};
    p->n_in_forward = 0;
    if (p->ops->call_begin) kernels_set_watch(k, &watch);
    enum err e = session_step(p->u->session, &work);
    kernels_set_watch(k, NULL);
    return e;
}

static enum err counted_step(struct pass_state *p)
{
    struct measured nothing;
    struct kernels *k = session_kernels(p->u->session);
    if (p->u->l2 == L2_COLD) TRY(known_work_flush(p->u->known));
    TRY(kernels_sync(k));
    TRY(p->ops->begin(p->probe));
    TRY(watched_step(p, k));
    TRY(kernels_sync(k));
    return p->ops->end(p->probe, &nothing);
}

/* One decode with the probe around the chosen forwards. */
static enum err decode(struct pass_state *p)
{
    int64_t begun = clock_ns();
    int32_t next = 0;
    p->n_told = 0;
    TRY(session_restart(p->u->session));
    for (int32_t step = 0; !session_done(p->u->session); step++) {
        struct step_work work;
        if (next < p->n_chosen && p->chosen[next] == step) {
            TRY(counted_step(p));
            next++;
        } else {
            TRY(session_step(p->u->session, &work));
        }
    }
    p->decode_ns = clock_ns() - begun;
    if (next != p->n_chosen)
        return err_set(ERR_VERIFY, "decoding again took other forwards than before");
    return check_tokens(p->u);
}

static enum err run_known(struct pass_state *p)
{
    struct measured nothing;
    for (int32_t i = 0; i < KNOWN_WORKS; i++) {
        TRY(kernels_sync(session_kernels(p->u->session)));
        TRY(p->ops->begin(p->probe));
        TRY(known_work_run(p->u->known, i));
        TRY(p->ops->end(p->probe, &nothing));
    }
    return ERR_NONE;
}

/* A series, again while the probe wants it. */
static enum err series(struct pass_state *p, int32_t n, enum err (*once)(struct pass_state *p))
{
    bool again = false;
    do {
        TRY(p->ops->start(p->probe, n));
        TRY(once(p));
        TRY(p->ops->stop(p->probe, &again));
    } while (again);
    return ERR_NONE;
}

static enum err count_known(struct pass_state *p)
{
    TRY(series(p, KNOWN_WORKS, run_known));
    for (int32_t i = 0; i < KNOWN_WORKS; i++) {
        struct measured m;
        TRY(p->ops->read(p->probe, i, &m));
        known_work_compare(p->u->known, i, &m.counters, p->r->known, &p->r->row.n_known);
    }
    return ERR_NONE;
}

static enum err read_forwards(struct pass_state *p, int32_t sample)
{
    struct count_result *r = p->r;
    int32_t n = r->row.n_forwards;
    struct counted_forward *grown = realloc(r->forward, (size_t)(n + p->n_chosen) * sizeof *grown);
    if (!grown) return err_set(ERR_NOMEM, "counters of %d forwards: out of memory", p->n_chosen);
    r->forward = grown;
    for (int32_t i = 0; i < p->n_chosen; i++) {
        struct measured m;
        TRY(p->ops->read(p->probe, i, &m));
        r->forward[n + i] = (struct counted_forward){.sample = sample,
                                                     .step = p->chosen[i],
                                                     .phase = p->u->phase[p->chosen[i]],
                                                     .counters = m.counters};
    }
    r->row.n_forwards += p->n_chosen;
    return ERR_NONE;
}

static enum err read_kernels(struct pass_state *p)
{
    const struct kernel_record *k;
    int32_t n;
    TRY(p->ops->kernels(p->probe, &k, &n));
    p->r->kernel = calloc((size_t)n + 1, sizeof *p->r->kernel);
    if (!p->r->kernel) return err_set(ERR_NOMEM, "records of %d kernels: out of memory", n);
    for (int32_t i = 0; i < n; i++) {
        int32_t step = p->chosen[k[i].forward];
        struct counted_kernel *out = &p->r->kernel[i];
        *out = (struct counted_kernel){.step = step, .phase = p->u->phase[step], .record = k[i]};
        if (k[i].call < 0) continue;
        if (k[i].call >= p->n_told)
            return err_set(ERR_DEVICE, "a kernel of operation %d came back, of %d", k[i].call,
                           p->n_told);
        out->call = p->told[k[i].call].call;
        out->record.call = p->told[k[i].call].number;
    }
    p->r->row.n_kernels = n;
    return ERR_NONE;
}

static enum err copy_image(const struct cupti_image *from, struct cupti_image *to)
{
    if (!from || !from->data) return ERR_NONE;
    TRY(cupti_image_alloc(to, from->bytes));
    memcpy(to->data, from->data, from->bytes);
    return ERR_NONE;
}

static enum err take_facts(struct pass_state *p)
{
    struct count_result *r = p->r;
    struct probe_facts facts;
    p->ops->facts(p->probe, &facts);
    r->row.passes = facts.passes;
    r->row.version = facts.version;
    memcpy(r->chip, facts.chip, sizeof r->chip);
    memcpy(r->set, facts.set, sizeof r->set);
    r->row.chip = r->chip;
    TRY(copy_image(facts.config, &r->config));
    return copy_image(facts.counted, &r->counted);
}

static enum err count_all(struct pass_state *p)
{
    const struct count_limits *l = p->u->limits;
    TRY(choose_steps(p));
    if (p->ops->kernels) {
        TRY(series(p, p->n_chosen, decode));
        p->r->row.samples = 1;
        TRY(read_kernels(p));
        return take_facts(p);
    }
    TRY(count_known(p));
    for (int32_t sample = 0; sample < l->max_decodes; sample++) {
        if (sample > 0 && p->decode_ns * (sample + 1) > l->decode_ns) break;
        TRY(series(p, p->n_chosen, decode));
        TRY(read_forwards(p, sample));
        p->r->row.samples = sample + 1;
    }
    return take_facts(p);
}

enum err count_pass(struct count_subject *u, const struct probe_ops *ops, struct count_result *r)
{
    struct pass_state p = {.u = u, .ops = ops, .r = r};
    TRY(ops->open(u->device, &p.probe));
    enum err e = count_all(&p);
    ops->close(p.probe);
    free(p.chosen);
    free(p.told);
    r->row.forward = r->forward;
    r->row.kernel = r->kernel;
    r->row.known = r->known;
    return e;
}

/* ---- energy ---- */

static enum err repeat_decodes(struct count_subject *u, struct energy_row *out)
{
    const struct decode_spec *s = &u->cell->spec;
    int64_t begun = clock_ns();
    do {
        TRY(session_restart(u->session));
        while (!session_done(u->session)) {
            struct step_work work;
            TRY(session_step(u->session, &work));
        }
        TRY(kernels_sync(session_kernels(u->session)));
        out->decodes++;
        out->tokens += (int64_t)s->batch * s->n_gen;
        out->window_ns = clock_ns() - begun;
    } while (out->window_ns < u->limits->energy_ns);
    return check_tokens(u);
}

enum err count_energy(struct count_subject *u, struct count_result *r)
{
    struct nvml *n = NULL;
    enum err e = ERR_NONE;
    TRY(nvml_open(u->device, &n));
    TRY_OUT(kernels_sync(session_kernels(u->session)));
    TRY_OUT(nvml_read(n, &r->energy.before));
    TRY_OUT(repeat_decodes(u, &r->energy));
    TRY_OUT(nvml_read(n, &r->energy.after));
    r->row.energy = &r->energy;
    r->row.samples = 1;
out:
    nvml_close(n);
    return e;
}

/* ---- results ---- */

void count_result_free(struct count_result *r)
{
    free(r->forward);
    free(r->kernel);
    cupti_image_free(&r->config);
    cupti_image_free(&r->counted);
    *r = (struct count_result){.row = {.probe = NULL}};
}

enum err count_save(const struct count_result *r, const char *folder, const char *run_id)
{
    char path[4096];
    if (!r->counted.data) return ERR_NONE; /* the probe decodes nothing */
    struct cupti_file f = {.version = r->row.version, .config = r->config, .counted = r->counted};
    memcpy(f.chip, r->chip, sizeof f.chip);
    memcpy(f.set, r->set, sizeof f.set);
    snprintf(path, sizeof path, "%s/%s-%s.counters", folder, run_id, r->row.probe);
    return cupti_file_write(path, &f);
}
