/* device.h - machines we can predict without having one: their datasheet roofs.
 *
 * Every number carries the document it was taken from.  Peaks are dense ones: the
 * "with sparsity" figures of datasheets are twice what a dense matmul can reach. */
#ifndef ROOFLINE_DEVICE_H
#define ROOFLINE_DEVICE_H

#include "harness/base/err.h"
#include "harness/kernels/cost.h"
#include "harness/kernels/price.h"

struct device {
    const char *name;              /* "a100-80gb", the part after "sim:"                       */
    const char *title;             /* "NVIDIA A100 80GB SXM"                                   */
    double tensor_bf16_flop_per_s; /* also fp16 with f32 sums                                */
    double tensor_tf32_flop_per_s; /* what f32 operands reach on tensor cores                */
    double vector_f32_flop_per_s;  /* outside tensor cores                                   */
    const char *compute_source;
    double bytes_per_s;   /* device memory                                            */
    int64_t memory_bytes; /* vendor's GB as 1e9: slightly less than the card has      */
    const char *memory_source;
    int64_t l2_bytes;
    const char *l2_source;
    int32_t row_tile; /* rows of one tensor-core instruction                      */
    const char *row_tile_source;
};

/* How often a matmul's operands come from DRAM again, in the upper bound on traffic.  Libraries
 * give each thread block a tile of about 128 x 128 outputs, and blocks that run at the same
 * time share what they read through the L2: on 80 to 132 multiprocessors that is about 8 x 8
 * tiles.  A model, not a property of a device. */
enum { DEVICE_BLOCK_ROWS = 8 * 128, DEVICE_BLOCK_COLS = 8 * 128 };

/* Devices in order; NULL past the last. */
const struct device *device_at(int32_t i);

/* By name, with "sim:" before it or without; ERR_USAGE names the nearest one. */
enum err device_find(const char *name, const struct device **out) MUST_CHECK;

/* TIER_DATASHEET.  dtype is that of the weights: bf16 and int8 ones (which
 * are widened to meet bf16 activations) get the bf16 tensor peak, f32 ones the tf32 peak, which
 * is above what strict f32 arithmetic reaches.  No achievable
 * roof is known of a machine nobody measured, so the other tiers stay unknown. */
void device_price(const struct device *d, enum dtype dtype, double launch_ns, struct price *out);

void device_traffic(const struct device *d, struct traffic_model *out);

/* bf16: what activations are stored in on these machines. */
enum dtype device_activation_dtype(const struct device *d);

#endif
