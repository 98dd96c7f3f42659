/* device.c - see device.h. */
#include "roofline/device.h"

#include <string.h>

#include "harness/base/suggest.h"

#define T 1e12
#define G 1e9
#define MIB ((int64_t)1 << 20)
#define GB ((int64_t)1000000000)

#define A100_DATASHEET "NVIDIA A100 Tensor Core GPU datasheet, June 2021"
#define A100_WHITEPAPER "NVIDIA A100 Tensor Core GPU Architecture whitepaper, V1.0, 2020"
#define H100_DATASHEET                                                                             \
    "NVIDIA H100 Tensor Core GPU datasheet, 2023; tensor peaks are half of its figures with "      \
    "sparsity"
#define H100_WHITEPAPER "NVIDIA H100 Tensor Core GPU Architecture whitepaper, V1.04, 2023"
#define H200_DATASHEET                                                                             \
    "NVIDIA H200 Tensor Core GPU datasheet, 2024; tensor peaks are half of its figures with "      \
    "sparsity"
#define GA102_WHITEPAPER "NVIDIA Ampere GA102 GPU Architecture whitepaper, V2.0, 2021"
#define ADA_WHITEPAPER "NVIDIA Ada GPU Architecture whitepaper, V2.02, 2023"
#define MMA_M16 "PTX ISA: mma.sync has 16 rows for bf16 and tf32"
#define WGMMA_M64 "PTX ISA: wgmma has 64 rows"

static const struct device devices[] = {
    {"a100-40gb", "NVIDIA A100 40GB SXM", 312 * T, 156 * T, 19.5 * T, A100_DATASHEET, 1555 * G,
     40 * GB, A100_DATASHEET, 40 * MIB, A100_WHITEPAPER, 16, MMA_M16},
    {"a100-80gb", "NVIDIA A100 80GB SXM", 312 * T, 156 * T, 19.5 * T, A100_DATASHEET, 2039 * G,
     80 * GB, A100_DATASHEET, 40 * MIB, A100_WHITEPAPER, 16, MMA_M16},
    {"a100-80gb-pcie", "NVIDIA A100 80GB PCIe", 312 * T, 156 * T, 19.5 * T, A100_DATASHEET,
     1935 * G, 80 * GB, A100_DATASHEET, 40 * MIB, A100_WHITEPAPER, 16, MMA_M16},
    {"h100-sxm", "NVIDIA H100 80GB SXM", 989 * T, 494.5 * T, 67 * T, H100_DATASHEET, 3350 * G,
     80 * GB, H100_DATASHEET, 50 * MIB, H100_WHITEPAPER, 64, WGMMA_M64},
    {"h100-pcie", "NVIDIA H100 80GB PCIe", 756 * T, 378 * T, 51 * T, H100_DATASHEET, 2000 * G,
     80 * GB, H100_DATASHEET, 50 * MIB, H100_WHITEPAPER, 64, WGMMA_M64},
    {"h200", "NVIDIA H200 141GB SXM", 989 * T, 494.5 * T, 67 * T, H200_DATASHEET, 4800 * G,
     141 * GB, H200_DATASHEET, 50 * MIB,
     H100_WHITEPAPER " (same chip; the H200 datasheet gives no L2 size)", 64, WGMMA_M64},
    {"rtx-a6000", "NVIDIA RTX A6000 48GB", 154.8 * T, 77.4 * T, 38.7 * T, GA102_WHITEPAPER, 768 * G,
     48 * GB, GA102_WHITEPAPER, 6 * MIB, GA102_WHITEPAPER, 16, MMA_M16},
    {"rtx-3090", "NVIDIA GeForce RTX 3090 24GB", 71 * T, 35.6 * T, 35.6 * T, GA102_WHITEPAPER,
     936 * G, 24 * GB, GA102_WHITEPAPER, 6 * MIB, GA102_WHITEPAPER, 16, MMA_M16},
    {"rtx-4090", "NVIDIA GeForce RTX 4090 24GB", 165.2 * T, 82.6 * T, 82.6 * T, ADA_WHITEPAPER,
     1008 * G, 24 * GB, ADA_WHITEPAPER, 72 * MIB, ADA_WHITEPAPER, 16, MMA_M16},
};

enum { N_DEVICES = sizeof devices / sizeof devices[0] };

const struct device *device_at(int32_t i)
{
    return i >= 0 && i < N_DEVICES ? &devices[i] : NULL;
}

enum err device_find(const char *name, const struct device **out)
{
    const char *bare = strncmp(name, "sim:", 4) == 0 ? name + 4 : name;
    for (int i = 0; i < N_DEVICES; i++) {
        if (strcmp(devices[i].name, bare) == 0) {
            *out = &devices[i];
            return ERR_NONE;
        }
    }
    const char *names[N_DEVICES + 1] = {NULL};
    for (int i = 0; i < N_DEVICES; i++) names[i] = devices[i].name;
    char near[SUGGEST_SIZE];
    return err_set(ERR_USAGE, "no simulated device \"%.60s\"%s (regime list devices)", bare,
                   suggest_phrase(bare, names, near));
}

void device_price(const struct device *d, enum dtype dtype, double launch_ns, struct price *out)
{
    double tensor = dtype == DTYPE_F32 ? d->tensor_tf32_flop_per_s : d->tensor_bf16_flop_per_s;
    *out = (struct price){.known = true,
                          .matmul_flop_per_s = tensor,
                          .attention_flop_per_s = tensor,
                          .vector_flop_per_s = d->vector_f32_flop_per_s,
                          .bytes_per_s = d->bytes_per_s,
                          .launch_ns = launch_ns};
}

void device_traffic(const struct device *d, struct traffic_model *out)
{
    *out = (struct traffic_model){.llc_bytes = d->l2_bytes,
                                  .row_tile = d->row_tile,
                                  .block_rows = DEVICE_BLOCK_ROWS,
                                  .block_cols = DEVICE_BLOCK_COLS};
}

enum dtype device_activation_dtype(const struct device *d)
{
    (void)d;
    return DTYPE_BF16;
}
