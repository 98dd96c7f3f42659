"""Time a whole decode forward of PyTorch's on a GPU: the shapes of one of this program's cells,
random bf16 weights, SDPA with a static cache, and a CUDA graph, as `regime run --graph on` has.

    python3 docs/beside/forward_torch.py LAYERS D H HK DH F V CONTEXT BATCH [DEVICE]

Prints one line of JSON: milliseconds of a forward, median, least and most of 50, and the versions.
A forward ends with the argmax on the device, which the host waits for.  Norms, rotation and SwiGLU
are PyTorch's own operations, not compiled.  Weights are read from memory as ours are: each layer has
its own.
"""
import json
import statistics
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError as e:
    print(f"no PyTorch here: {e}")
    sys.exit(6)

layers, d, h, hk, dh, ff, vocab, context, batch = (int(a) for a in sys.argv[1:10])
device = torch.device(sys.argv[10] if len(sys.argv) > 10 else "cuda")
if device.type == "cuda" and not torch.cuda.is_available():
    print(f"PyTorch {torch.__version__} sees no GPU")
    sys.exit(6)
dtype = torch.bfloat16


def weight(rows, cols):
    return torch.randn(rows, cols, device=device, dtype=dtype) / cols**0.5


class Layer:
    def __init__(self):
        self.qkv, self.out = weight((h + 2 * hk) * dh, d), weight(d, h * dh)
        self.up, self.down = weight(2 * ff, d), weight(d, ff)
        self.gain = torch.ones(2, d, device=device, dtype=dtype)
        self.keys = torch.randn(batch, hk, context, dh, device=device, dtype=dtype)
        self.values = torch.randn(batch, hk, context, dh, device=device, dtype=dtype)


def norm(x, gain):
    return F.rms_norm(x, (d,), gain, 1e-6)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


angle = (context - 1) * 1e6 ** (-torch.arange(0, dh, 2, device=device) / dh)
cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
stack, head = [Layer() for _ in range(layers)], weight(vocab, d)
last = torch.ones(d, device=device, dtype=dtype)
ids = torch.zeros(batch, dtype=torch.long, device=device)
chosen = torch.zeros(batch, dtype=torch.long, device=device)


def forward():
    x = F.embedding(ids, head)
    for w in stack:
        qkv = F.linear(norm(x, w.gain[0]), w.qkv).view(batch, h + 2 * hk, dh)
        q, k, v = qkv.split((h, hk, hk), 1)
        w.keys[:, :, context - 1] = rotate(k, cos, sin)
        w.values[:, :, context - 1] = v
        y = F.scaled_dot_product_attention(rotate(q, cos, sin).unsqueeze(2), w.keys, w.values,
                                           enable_gqa=h != hk)
        x = x + F.linear(y.reshape(batch, h * dh), w.out)
        gate, up = F.linear(norm(x, w.gain[1]), w.up).chunk(2, -1)
        x = x + F.linear(F.silu(gate) * up, w.down)
    chosen.copy_(F.linear(norm(x, last), head).argmax(-1))


def one(run):
    begin = time.perf_counter()
    run()
    chosen.cpu()  # until the host knows
    return 1e3 * (time.perf_counter() - begin)


with torch.inference_mode():
    run = forward
    if device.type == "cuda":
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                forward()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            forward()
        run = graph.replay
    for _ in range(5):
        one(run)
    ms = [one(run) for _ in range(50)]
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "device": str(device),
                  "context": context, "batch": batch, "median_ms": statistics.median(ms),
                  "least_ms": min(ms), "most_ms": max(ms)}))
