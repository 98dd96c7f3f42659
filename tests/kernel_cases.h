/* kernel_cases.h - the shapes every backend's kernels are checked at.
 *
 * To add a case, add a line; check_kernels.c does the rest for each backend. */
#ifndef TESTS_KERNEL_CASES_H
#define TESTS_KERNEL_CASES_H

#include <stdbool.h>

#include "harness/kernels/kernels.h"

struct matmul_case {
    int32_t n, m, k; /* rows, output columns, sum */
    enum dtype weight;
    bool bias;
    int32_t pad; /* elements between rows of x and of y */
};

static const struct matmul_case matmul_cases[] = {
    {1, 1, 1, DTYPE_F32, false, 0},       {1, 1, 1, DTYPE_BF16, true, 0},
    {1, 32, 64, DTYPE_BF16, false, 0},    {1, 31, 5, DTYPE_F32, true, 3},
    {1, 33, 7, DTYPE_BF16, true, 0},      {1, 200, 130, DTYPE_BF16, false, 0},
    {1, 300, 520, DTYPE_F32, false, 1},   {2, 96, 64, DTYPE_BF16, false, 5},
    {3, 130, 33, DTYPE_F32, true, 0},     {4, 65, 128, DTYPE_BF16, true, 2},
    {5, 160, 100, DTYPE_BF16, false, 0},  {6, 97, 515, DTYPE_F32, false, 0},
    {7, 40, 260, DTYPE_BF16, true, 0},    {8, 128, 96, DTYPE_BF16, false, 0},
    {11, 34, 50, DTYPE_F32, true, 0},     {12, 256, 64, DTYPE_BF16, false, 0},
    {13, 256, 64, DTYPE_BF16, true, 0},   {16, 70, 600, DTYPE_BF16, false, 7},
    {24, 129, 513, DTYPE_F32, false, 0},  {25, 160, 1030, DTYPE_BF16, true, 0},
    {37, 45, 96, DTYPE_F32, true, 1},     {64, 290, 512, DTYPE_BF16, false, 0},
    {100, 64, 1025, DTYPE_F32, false, 0}, {131, 33, 77, DTYPE_BF16, true, 0},
};

/* Of a backend that has int8 weights. */
static const struct matmul_case int8_cases[] = {
    {1, 1, 1, DTYPE_INT8, false, 0},      {1, 33, 63, DTYPE_INT8, true, 0},
    {1, 200, 130, DTYPE_INT8, false, 0},  {2, 96, 64, DTYPE_INT8, false, 5},
    {3, 130, 65, DTYPE_INT8, true, 0},    {4, 65, 128, DTYPE_INT8, false, 2},
    {5, 160, 515, DTYPE_INT8, true, 0},   {6, 97, 600, DTYPE_INT8, false, 0},
    {7, 40, 260, DTYPE_INT8, true, 0},    {9, 64, 191, DTYPE_INT8, false, 0},
    {12, 256, 64, DTYPE_INT8, false, 0},  {16, 70, 577, DTYPE_INT8, true, 7},
    {25, 160, 1030, DTYPE_INT8, true, 0}, {64, 290, 512, DTYPE_INT8, false, 0},
    /* steps of 64 and 8 columns, as tiles of bytes want them */
    {1, 24, 64, DTYPE_INT8, false, 0},    {8, 40, 320, DTYPE_INT8, true, 0},
    {14, 520, 192, DTYPE_INT8, true, 8},  {16, 72, 128, DTYPE_INT8, false, 0},
    {31, 520, 64, DTYPE_INT8, true, 0},   {33, 56, 448, DTYPE_INT8, false, 0},
    {65, 520, 128, DTYPE_INT8, true, 0},
};

struct attention_case {
    int32_t h, hk, d, cap, slots;
    enum dtype kv;
    int32_t n_spans;
    struct span spans[4]; /* row0 follows from n_rows: left 0 here */
};

/* clang-format off */
static const struct attention_case attention_cases[] = {
    /* one token, one key */
    {1, 1, 8, 4, 1, DTYPE_F32, 1, {{.n_rows = 1, .n_visible = 1}}},
    /* decode of two sequences of different length, groups of 1, 4, 7 */
    {2, 2, 16, 40, 2, DTYPE_F32, 2,
     {{.slot = 1, .n_rows = 1, .pos0 = 36, .n_visible = 37},
      {.slot = 0, .n_rows = 1, .pos0 = 3, .n_visible = 4}}},
    {8, 2, 64, 200, 2, DTYPE_BF16, 2,
     {{.slot = 0, .n_rows = 1, .pos0 = 150, .n_visible = 151},
      {.slot = 1, .n_rows = 1, .pos0 = 64, .n_visible = 65}}},
    {14, 2, 64, 70, 1, DTYPE_BF16, 1, {{.n_rows = 1, .pos0 = 63, .n_visible = 64}}},
    /* prefills */
    {4, 4, 32, 100, 1, DTYPE_F32, 1, {{.n_rows = 100, .n_visible = 100}}},
    {8, 2, 24, 130, 1, DTYPE_BF16, 1, {{.n_rows = 67, .pos0 = 60, .n_visible = 127}}},
    {7, 1, 40, 90, 1, DTYPE_F32, 1, {{.n_rows = 33, .n_visible = 33}}},
    {7, 1, 64, 300, 1, DTYPE_BF16, 1, {{.n_rows = 40, .pos0 = 240, .n_visible = 280}}},
    /* full: every row sees everything, also what lies after it */
    {4, 1, 64, 96, 1, DTYPE_F32, 1, {{.n_rows = 96, .n_visible = 96, .mask = MASK_FULL}}},
    {7, 7, 72, 96, 1, DTYPE_BF16, 1,
     {{.n_rows = 5, .pos0 = 20, .n_visible = 90, .mask = MASK_FULL}}},
    /* block-causal, blocks cut by the start, by the end and by tiles of 64 and of 256 keys */
    {8, 2, 128, 80, 1, DTYPE_F32, 1,
     {{.n_rows = 60, .pos0 = 10, .n_visible = 70, .block = 8, .mask = MASK_BLOCK}}},
    {4, 4, 16, 150, 1, DTYPE_BF16, 1,
     {{.n_rows = 32, .pos0 = 96, .n_visible = 128, .block = 32, .mask = MASK_BLOCK}}},
    {7, 1, 64, 200, 1, DTYPE_F32, 1,
     {{.n_rows = 130, .pos0 = 7, .n_visible = 137, .block = 50, .mask = MASK_BLOCK}}},
    {2, 1, 32, 300, 1, DTYPE_F32, 1,
     {{.n_rows = 30, .pos0 = 245, .n_visible = 275, .block = 16, .mask = MASK_BLOCK}}},
    /* a ragged pass: prefill, decode, denoise and a block at once */
    {8, 4, 48, 90, 4, DTYPE_F32, 4,
     {{.slot = 2, .n_rows = 20, .pos0 = 0, .n_visible = 20},
      {.slot = 0, .n_rows = 1, .pos0 = 70, .n_visible = 71},
      {.slot = 3, .n_rows = 16, .pos0 = 30, .n_visible = 60, .mask = MASK_FULL},
      {.slot = 1, .n_rows = 12, .pos0 = 8, .n_visible = 20, .block = 4, .mask = MASK_BLOCK}}},
    /* the same as tensor cores have it, with rows of 7 query heads a key/value head */
    {14, 2, 128, 300, 3, DTYPE_BF16, 3,
     {{.slot = 2, .n_rows = 1, .pos0 = 280, .n_visible = 281},
      {.slot = 0, .n_rows = 13, .pos0 = 60, .n_visible = 80, .mask = MASK_FULL},
      {.slot = 1, .n_rows = 12, .pos0 = 8, .n_visible = 20, .block = 4, .mask = MASK_BLOCK}}},
    /* long contexts, and few heads */
    {2, 1, 32, 1600, 1, DTYPE_F32, 1, {{.n_rows = 1, .pos0 = 1499, .n_visible = 1500}}},
    {2, 2, 32, 1100, 1, DTYPE_BF16, 1, {{.n_rows = 9, .pos0 = 1020, .n_visible = 1029}}},
    {16, 16, 8, 1100, 1, DTYPE_F32, 1, {{.n_rows = 3, .pos0 = 1080, .n_visible = 1083}}},
    {1, 1, 256, 600, 1, DTYPE_F32, 1, {{.n_rows = 3, .pos0 = 510, .n_visible = 513}}},
};
/* clang-format on */

struct rowstat_case {
    int32_t m, v, n_ids, mask_id;
    float temperature, spread; /* logits are uniform in +-spread */
};

static const struct rowstat_case rowstat_cases[] = {
    {1, 2, 2, -1, 0, 1},          {1, 17, 17, 16, 0, 3},          {3, 64, 60, 5, 0, 8},
    {2, 1000, 900, 0, 0, 2},      {1, 4096, 4096, 4095, 0, 10},   {2, 4097, 4097, 4096, 0, 10},
    {5, 9001, 8999, 4500, 0, 20}, {1, 20000, 5, 2, 0, 1},         {2, 63, 63, -1, 1, 2},
    {9, 500, 490, 64, 0.7f, 4},   {3, 9000, 8990, 8192, 1.5f, 6}, {2, 4100, 4100, 4099, 0.1f, 1},
    {1, 12000, 4096, -1, 1, 50},
};

struct rope_case {
    int32_t n, h, d, first_pos, pad;
    struct rope rope;
};

static const struct rope_case rope_cases[] = {
    {1, 1, 2, 0, 0, {10000, 0, 0}},
    {3, 2, 8, 5, 0, {10000, 0, 0}},
    {7, 14, 64, 1000, 128, {1000000, 0, 0}},
    {5, 3, 80, 4090, 0, {10000, 0, 0}},
    {2, 4, 128, 100000, 32, {500000, 8, 8192}},
    {40, 1, 30, 0, 1, {500000, 32, 64}},
};

struct rows_case {
    int32_t n, d, pad; /* pad: elements between rows */
};

/* For norms, sums, SwiGLU, embeddings and gathers. */
static const struct rows_case rows_cases[] = {
    {1, 1, 0},   {1, 16, 0},  {3, 15, 1},   {2, 17, 0},   {5, 64, 16},  {1, 896, 0},
    {4, 100, 3}, {33, 48, 0}, {2, 1500, 0}, {9, 2048, 5}, {1, 4864, 0},
};

#define N_CASES(array) ((int32_t)(sizeof(array) / sizeof((array)[0])))

#endif
