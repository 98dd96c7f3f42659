"""Time this program's matmul and PyTorch's in turns, in one process, on cold weights.

    make BUILD=build/pic CUDA=0 CFLAGS=-fPIC build/pic/libregime.a
    gcc -O2 -std=c11 -D_GNU_SOURCE -fPIC -shared -I. docs/beside/matmul.c build/pic/libregime.a \\
        -o build/pic/beside.so -lmd -lm -lpthread
    python3 docs/beside/linear_torch.py build/pic/beside.so [THREADS] [N] [K]

Each line: milliseconds, medians and in brackets the best, and the ratio of PyTorch's time to ours,
the median over rounds and in brackets that of the bests.
bf16: PyTorch rounds activations to bf16 and multiplies bf16 by bf16; ours does so too (--compute-dtype
bf16; "bf16 x bf16"), and by default multiplies f32 activations by bf16 weights ("bf16 x f32").
"""
import ctypes
import statistics
import sys
import time

import torch

ROUNDS, ROWS, POOL_BYTES = 11, (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024), 512 << 20

lib = ctypes.CDLL(sys.argv[1])
lib.beside_open.restype = ctypes.c_void_p
lib.beside_open.argtypes = 3 * [ctypes.c_int] + 4 * [ctypes.c_int64]
lib.beside_run.argtypes = [ctypes.c_void_p, ctypes.c_int64]
threads, n, k = (int(a) for a in (sys.argv[2:] + ["2", "8192", "2048"][len(sys.argv) - 2:]))
torch.set_num_threads(threads)


def seconds(call):
    """One call, after one to wake the threads; both read other weights than the last."""
    call()
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


print(f"torch {torch.__version__}, {threads} threads, y[rows, {n}] = x[rows, {k}] . w^T")
for name, dtype, ours_dtype, compute in (("bf16 x bf16", torch.bfloat16, 1, 1),
                                         ("bf16 x f32", torch.bfloat16, 1, 0),
                                         ("f32", torch.float32, 0, 0)):
    size = 4 if name == "f32" else 2
    pool = max(2, POOL_BYTES // (n * k * size))
    weights = [(torch.randn(n, k) / 32).to(dtype) for _ in range(pool)]
    ours = lib.beside_open(threads, ours_dtype, compute, max(ROWS), n, k, pool)
    if not ours:
        print(f"{name}: this CPU has not got it")
        continue
    at = 0
    for rows in ROWS:
        x = torch.randn(rows, k).to(dtype)

        def torch_call():
            global at
            at += 1
            return torch.nn.functional.linear(x, weights[at % pool])

        def our_call():
            assert lib.beside_run(ours, rows) == 0

        t, o = [], []
        with torch.inference_mode():
            for _ in range(ROUNDS):
                t.append(seconds(torch_call))
                time.sleep(0.01)  # let the other's threads stop spinning
                o.append(seconds(our_call))
                time.sleep(0.01)
        ratio = statistics.median(a / b for a, b in zip(t, o))
        print(f"{name:11} {rows:5} rows: "
              f"torch {1e3 * statistics.median(t):8.3f} ({1e3 * min(t):8.3f}) ms, "
              f"ours {1e3 * statistics.median(o):8.3f} ({1e3 * min(o):8.3f}) ms, "
              f"ratio {ratio:5.2f} ({min(t) / min(o):5.2f})", flush=True)
