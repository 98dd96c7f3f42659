/* tensor.h - a view of a buffer: shape, element type, and what the bytes are for. */
#ifndef KERNELS_TENSOR_H
#define KERNELS_TENSOR_H

#include <stdint.h>

/* int8 is storage of 2-D weights only: see int8.h. */
enum dtype { DTYPE_F32, DTYPE_BF16, DTYPE_INT8, DTYPE_COUNT };

enum { INT8_GROUP = 32 }; /* int8 weights of a row that share a scale */

/* Whose bytes they are, in the ledger. */
enum role { ROLE_WEIGHT, ROLE_KV, ROLE_ACTIVATION, ROLE_LOGITS, ROLE_COUNT };

/* ROWS: dim[0] outermost.  PACKED: the order the backend's matmul reads fastest;
 * only 2-D weights have it and only the backend knows it.  KEYS, VALUES: the same of a cache for
 * the backend's attention; between slots it is row_stride elements. */
enum layout { LAYOUT_ROWS, LAYOUT_PACKED, LAYOUT_KEYS, LAYOUT_VALUES };

enum { TENSOR_MAX_DIM = 4 };

struct tensor {
    void *data;                  /* borrowed; device memory on a device backend */
    int64_t dim[TENSOR_MAX_DIM]; /* unused trailing dims are 1                  */
    int64_t row_stride;          /* elements from one dim[0] entry to the next  */
    int32_t n_dim;               /* 0: no tensor (an absent bias)               */
    enum dtype dtype;
    enum role role;
    enum layout layout;
};

/* Contiguous tensors of the given shape. */
struct tensor tensor_1d(void *data, enum dtype dtype, enum role role, int64_t a);
struct tensor tensor_2d(void *data, enum dtype dtype, enum role role, int64_t a, int64_t b);
struct tensor tensor_3d(void *data, enum dtype dtype, enum role role, int64_t a, int64_t b,
                        int64_t c);
struct tensor tensor_4d(void *data, enum dtype dtype, enum role role, int64_t a, int64_t b,
                        int64_t c, int64_t d);

/* Columns [begin, begin + h * d) of x[n, m], seen as [n, h, d]. */
struct tensor tensor_heads(struct tensor x, int64_t begin, int64_t h, int64_t d);

int64_t tensor_count(struct tensor t); /* elements */
int64_t tensor_bytes(struct tensor t); /* rows x dtype_row_bytes */
int64_t tensor_room(struct tensor t); /* bytes of memory, gaps between rows included; not of int8 */
int64_t dtype_bytes(enum dtype d);    /* 4, 2; not of int8 */
/* Bytes of a row of n elements: in int8 one each, and one for every group's scale. */
int64_t dtype_row_bytes(enum dtype d, int64_t n);
/* Of what stands beside weight matrices of dtype d: gains, biases, rows that are gathered and,
 * unless asked otherwise, keys and values. */
enum dtype dtype_beside(enum dtype d);
const char *dtype_name(enum dtype d);                             /* "bf16" */
const char *role_name(enum role r);                               /* "weight" */
const char *tensor_str(struct tensor t, char *buf, int buf_size); /* "[4, 768] bf16" */

#endif
