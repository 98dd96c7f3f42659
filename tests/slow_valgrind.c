/* slow_valgrind.c - the ledger against a simulated machine: bytes that miss its last-level cache,
 * and multiply-adds that it executes.
 *
 * Callgrind runs this program's own forward: its cache simulator is cachegrind's, and it counts
 * how often every instruction ran; the disassembly says which of them multiply and add, and how
 * many numbers at once.  Valgrind offers AVX2, so these are the AVX2 kernels.  What was executed
 * beside the ledger's products (panels rounded up, exponentials, norms) is in the tolerance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/build_info.h"
#include "tests/toy.h"

enum { LLC_BYTES = 8 << 20, LINE = 64 };

/* ---- inside valgrind ---- */

void counted_forward(struct toy *t, struct kv_cache *c, const struct pass *p);

/* What Callgrind collects. */
__attribute__((noinline)) void counted_forward(struct toy *t, struct kv_cache *c,
                                               const struct pass *p)
{
    struct tensor logits;
    if (model_forward(t->model, c, p, &logits) != ERR_NONE) exit(3);
}

/* One forward of `rows` rows that see `keys` positions, after one of the same, so that what the
 * cache holds is what such a forward left there.  Prints the second one's counts. */
static int inside(const char *dtype, int32_t rows, int32_t keys)
{
    struct toy t;
    struct kv_cache *c;
    static int32_t tokens[64], row[64];
    enum dtype d = DTYPE_F32;
    while (strcmp(dtype_name(d), dtype) != 0) d++;
    toy_open(&t, "tiny-25m", d, 1);
    struct kv_cache_size size = {
        .n_slots = 1, .capacity = keys, .max_rows = rows, .max_logits = rows, .dtype = DTYPE_BF16};
    if (kv_cache_create(t.model, &size, &c) != ERR_NONE) return 3;
    kv_cache_set_valid(c, 0, keys - rows);
    for (int32_t i = 0; i < rows; i++) {
        tokens[i] = 11 + 97 * i;
        row[i] = i;
    }
    struct pass_seq s = {
        .span = {.n_rows = rows, .pos0 = keys - rows, .n_visible = keys, .mask = MASK_FULL},
        .tokens = tokens,
        .logit_row = row,
        .n_logits = rows};
    struct pass p = {.phase = PHASE_DENOISE, .n_seqs = 1, .seq = &s};
    struct tensor logits;
    if (model_forward(t.model, c, &p, &logits) != ERR_NONE) return 3;
    ledger_clear(kernels_ledger(t.k));
    counted_forward(&t, c, &p);
    bool overflow;
    struct cost cost = ledger_total(kernels_ledger(t.k), &overflow).cost;
    printf("counted %s %lld %lld %lld\n", kernels_variant(t.k), (long long)cost.bytes[ROLE_WEIGHT],
           (long long)cost.bytes[ROLE_KV], (long long)cost_flop(&cost));
    kv_cache_free(c);
    toy_close(&t);
    return 0;
}

/* ---- outside ---- */

struct seen {
    long long bytes_weight, bytes_kv, flop; /* the ledger's                          */
    long long read_misses;                  /* data reads that missed the last level */
    double fma_flop;
};

/* How many numbers each multiply-add handles, by address. */
struct code {
    uint64_t *address;
    int *lanes;
    int64_t n, room;
};

static void code_add(struct code *c, uint64_t address, int lanes)
{
    if (c->n == c->room) {
        c->room = c->room ? 2 * c->room : 4096;
        c->address = realloc(c->address, (size_t)c->room * sizeof *c->address);
        c->lanes = realloc(c->lanes, (size_t)c->room * sizeof *c->lanes);
        assert_true(c->address && c->lanes);
    }
    c->address[c->n] = address;
    c->lanes[c->n++] = lanes;
}

static struct code read_code(const char *program)
{
    struct code c = {0};
    char command[1200], line[512];
    snprintf(command, sizeof command, "objdump -d --no-show-raw-insn '%s'", program);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *at = strstr(line, "vfmadd");
        if (!at) continue;
        bool packed = strstr(at, "ps ") != NULL;
        int lanes = !packed ? 1 : strstr(at, "%zmm") ? 16 : strstr(at, "%ymm") ? 8 : 4;
        code_add(&c, strtoull(line, NULL, 16), lanes); /* addresses rise */
    }
    assert_int_equal(pclose(f), 0);
    return c;
}

static int lanes_at(const struct code *c, uint64_t address)
{
    int64_t lo = 0, hi = c->n;
    while (lo < hi) {
        int64_t middle = (lo + hi) / 2;
        if (c->address[middle] < address)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < c->n && c->address[lo] == address ? c->lanes[lo] : 0;
}

/* Lines "0xADDRESS LINE COUNT ..." are executions; the line after "calls=" is what the callee
 * cost.  The object is linked at 0 and its addresses are those of the file. */
static void read_profile(const char *path, const struct code *code, struct seen *out)
{
    char line[4096];
    int misses_at = -1, n = 0;
    bool callee = false;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "events:", 7) == 0) {
            for (char *w = strtok(line + 7, " \n"); w; w = strtok(NULL, " \n"), n++)
                if (strcmp(w, "DLmr") == 0) misses_at = n;
        } else if (strncmp(line, "summary:", 8) == 0 || strncmp(line, "totals:", 7) == 0) {
            char *w = strtok(strchr(line, ':') + 1, " \n");
            for (int i = 0; w && i < misses_at; i++) w = strtok(NULL, " \n");
            if (w) out->read_misses = strtoll(w, NULL, 10);
        } else if (strncmp(line, "calls=", 6) == 0) {
            callee = true;
        } else if (strncmp(line, "0x", 2) == 0) {
            char *end;
            uint64_t address = strtoull(line, &end, 16);
            strtoll(end, &end, 10); /* line number */
            if (!callee)
                out->fma_flop += 2.0 * lanes_at(code, address) * (double)strtoll(end, NULL, 10);
            callee = false;
        }
    }
    fclose(f);
    assert_true(misses_at >= 0);
}

static void look(const char *dtype, int32_t rows, int32_t keys, struct seen *out)
{
    char self[1024], profile[64], command[2048], line[256], variant[16] = "";
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    memset(out, 0, sizeof *out);
    snprintf(profile, sizeof profile, "/tmp/regime-callgrind-%d", (int)getpid());
    snprintf(command, sizeof command,
             "valgrind -q --tool=callgrind --cache-sim=yes --D1=32768,8,64 --LL=%d,16,%d "
             "--dump-instr=yes --compress-pos=no --compress-strings=no "
             "--toggle-collect=counted_forward --callgrind-out-file=%s "
             "'%s' inside %s %d %d 2> /dev/null",
             LLC_BYTES, LINE, profile, self, dtype, rows, keys);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        sscanf(line, "counted %15s %lld %lld %lld", variant, &out->bytes_weight, &out->bytes_kv,
               &out->flop);
    assert_int_equal(pclose(f), 0);
    assert_string_equal(variant, "avx2");
    struct code code = read_code(self);
    assert_true(code.n > 0);
    read_profile(profile, &code, out);
    unlink(profile);
    free(code.address);
    free(code.lanes);
}

static bool missing(const char *program)
{
    char command[64];
    snprintf(command, sizeof command, "command -v %s > /dev/null", program);
    if (system(command) == 0) return false;
    print_message("skipped: no %s\n", program);
    return true;
}

static void check(const char *dtype, int32_t rows, int32_t keys)
{
    struct seen s;
    if (missing("valgrind") || missing("objdump")) skip();
    if (build_info.sanitizers[0]) {
        print_message("skipped: valgrind cannot run a sanitizer build\n");
        skip();
    }
    look(dtype, rows, keys, &s);
    double bytes = (double)(s.bytes_weight + s.bytes_kv), misses = (double)s.read_misses * LINE;
    double flop = (double)s.flop;
    print_message("%s, %d rows, %d keys: bytes %.4f of the ledger's %.0f, multiply-adds %.4f of "
                  "its %.0f\n",
                  dtype, rows, keys, misses / bytes, bytes, s.fma_flop / flop, flop);
    if (!(fabs(misses / bytes - 1) <= 0.03))
        fail_msg("%.0f bytes missed the cache, the ledger has %.0f", misses, bytes);
    if (!(fabs(s.fma_flop / flop - 1) <= 0.02))
        fail_msg("%.0f FLOPs were executed, the ledger has %.0f", s.fma_flop, flop);
}

static void one_row_of_bf16(void **state)
{
    check("bf16", 1, 600);
}

static void one_row_of_int8(void **state)
{
    check("int8", 1, 600);
}

static void a_block_of_bf16(void **state)
{
    check("bf16", 16, 600);
}

static void one_row_of_f32(void **state)
{
    check("f32", 1, 600);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "inside") == 0)
        return inside(argv[2], atoi(argv[3]), atoi(argv[4]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_row_of_bf16),
        cmocka_unit_test(one_row_of_int8),
        cmocka_unit_test(one_row_of_f32),
        cmocka_unit_test(a_block_of_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
