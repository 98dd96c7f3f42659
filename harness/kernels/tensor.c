/* tensor.c - shapes. */
#include "harness/kernels/tensor.h"

#include <stdio.h>

#include "harness/base/err.h"

int64_t dtype_bytes(enum dtype d)
{
    CHECK(d != DTYPE_INT8); /* its scales belong to no element */
    return d == DTYPE_BF16 ? 2 : 4;
}

int64_t dtype_row_bytes(enum dtype d, int64_t n)
{
    if (d == DTYPE_INT8) return n + (n + INT8_GROUP - 1) / INT8_GROUP;
    return n * dtype_bytes(d);
}

enum dtype dtype_beside(enum dtype d)
{
    return d == DTYPE_INT8 ? DTYPE_BF16 : d;
}

const char *dtype_name(enum dtype d)
{
    static const char *const name[DTYPE_COUNT] = {"f32", "bf16", "int8"};
    return name[d];
}

const char *role_name(enum role r)
{
    static const char *const name[ROLE_COUNT] = {"weight", "kv", "activation", "logits"};
    return name[r];
}

struct tensor tensor_4d(void *data, enum dtype dtype, enum role role, int64_t a, int64_t b,
                        int64_t c, int64_t d)
{
    return (struct tensor){.data = data,
                           .dim = {a, b, c, d},
                           .row_stride = b * c * d,
                           .n_dim = 4,
                           .dtype = dtype,
                           .role = role,
                           .layout = LAYOUT_ROWS};
}

struct tensor tensor_3d(void *data, enum dtype dtype, enum role role, int64_t a, int64_t b,
                        int64_t c)
{
    struct tensor t = tensor_4d(data, dtype, role, a, b, c, 1);
    t.n_dim = 3;
    return t;
}

struct tensor tensor_2d(void *data, enum dtype dtype, enum role role, int64_t a, int64_t b)
{
    struct tensor t = tensor_4d(data, dtype, role, a, b, 1, 1);
    t.n_dim = 2;
    return t;
}

struct tensor tensor_1d(void *data, enum dtype dtype, enum role role, int64_t a)
{
    struct tensor t = tensor_4d(data, dtype, role, a, 1, 1, 1);
    t.n_dim = 1;
    return t;
}

struct tensor tensor_heads(struct tensor x, int64_t begin, int64_t h, int64_t d)
{
    struct tensor t = tensor_3d(x.data, x.dtype, x.role, x.dim[0], h, d);
    t.data = (char *)x.data + begin * dtype_bytes(x.dtype);
    t.row_stride = x.row_stride;
    return t;
}

int64_t tensor_count(struct tensor t)
{
    return t.n_dim == 0 ? 0 : t.dim[0] * t.dim[1] * t.dim[2] * t.dim[3];
}

int64_t tensor_bytes(struct tensor t)
{
    if (tensor_count(t) == 0) return 0;
    int64_t last = t.dim[t.n_dim - 1];
    return tensor_count(t) / last * dtype_row_bytes(t.dtype, last);
}

int64_t tensor_room(struct tensor t)
{
    return t.dim[0] * t.row_stride * dtype_bytes(t.dtype);
}

const char *tensor_str(struct tensor t, char *buf, int buf_size)
{
    int used = snprintf(buf, (size_t)buf_size, "[");
    for (int i = 0; i < t.n_dim && used < buf_size; i++)
        used += snprintf(buf + used, (size_t)(buf_size - used), "%s%lld", i ? ", " : "",
                         (long long)t.dim[i]);
    if (used < buf_size)
        snprintf(buf + used, (size_t)(buf_size - used), "] %s", dtype_name(t.dtype));
    return buf;
}
