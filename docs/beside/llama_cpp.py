"""Time llama.cpp and this program in turns on one shape, and print ratios.

    pip download --no-deps --no-binary :all: llama-cpp-python   # brings llama.cpp's source; build it:
    cmake -B L -DCMAKE_BUILD_TYPE=Release vendor/llama.cpp && cmake --build L -j --target \\
        llama-bench llama-quantize llama-diffusion-cli
    python3 docs/beside/random_gguf.py G/bf16.gguf              # also --dtype f16 and f32
    L/bin/llama-quantize G/f16.gguf G/q8_0.gguf q8_0
    python3 docs/beside/random_gguf.py G/llada.gguf --arch llada
    python3 docs/beside/llama_cpp.py build/regime L/bin G [ROUNDS] [TEST[:OURS] ...]

Both get two threads and the shape `-m tinyllama-1.1b --layers 16`. Each round runs our program and
each rival, every other round the rivals first; a ratio is the rival's time over ours within a round,
and the median of the rounds and their extremes are printed. Processes alternate, not forwards: a
bandwidth that moves within seconds shows as spread. `roof` is what our program's own forwards come to
against the roofs it probed beside them.

    generate   32 tokens after 1, batch 1: bf16 against bf16 and f16, int8 and int8x2 against q8_0
    prefill    256 positions, logits of the last row only: bf16, f32, and bf16 against f32
    denoise    one full-sequence step over 256 positions, logits of every generated row: bf16
    blas       512 positions against L/bin/blas/llama-bench, built with -DGGML_BLAS=ON, if there is one
    bf16x2, int8x2: activations are rounded to the same (--compute-dtype bf16, int8), as llama.cpp
               does; left out where the CPU has no instruction for it
"""
import json
import re
import statistics
import subprocess
import sys
import tempfile

regime, tools, files = sys.argv[1:4]
rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
wanted = sys.argv[5:] or ["generate", "prefill", "denoise"]


class Missing(Exception):
    """What our program says it lacks here."""


def ours(phase, *flags):
    """Milliseconds of one forward of the phase, and its predicted share of them."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([regime, "run", "-q", "--json", "--db", folder + "/x.db", "-t", "2", "-m",
                               "tinyllama-1.1b", "--layers", "16", "-b", "1", *flags],
                              capture_output=True, text=True)
    if done.returncode == 6:
        raise Missing(done.stderr.strip())
    if done.returncode != 0:
        sys.exit(f"{' '.join(flags)}: exit code {done.returncode}: {done.stderr.strip()}")
    rows = [p for p in json.loads(done.stdout)["cells"][0]["phases"] if p["phase"] == phase]
    ms = rows[0]["time_ns"] / rows[0]["forwards"] / 1e6
    return ms, rows[0]["predicted_ceilings_ns"] / rows[0]["time_ns"]


def bench(file, flags, unit, program="/llama-bench"):
    """Milliseconds per token of llama-bench, or of the whole prompt."""
    done = subprocess.run([tools + program, "-t", "2", "-r", "2", "-o", "json", "-m",
                          f"{files}/{file}.gguf", *flags], check=True, capture_output=True, text=True)
    return 1000 * unit / json.loads(done.stdout)[0]["avg_ts"]


def diffusion():
    """Milliseconds per step of llama-diffusion-cli."""
    out = subprocess.run([tools + "/llama-diffusion-cli", "-t", "2", "-m", files + "/llada.gguf", "-p",
                          "a", "-ub", "256", "-c", "256", "-b", "256", "--diffusion-steps", "3",
                          "--diffusion-eps", "0.001", "--temp", "0"],
                         check=True, capture_output=True, text=True)
    return float(re.search(r"time per step:\s*([0-9.]+)\s*ms", out.stdout + out.stderr).group(1))


GENERATE = ["--decoder", "ar", "-p", "1", "-n", "33", "--dtype"]
PREFILL = ["--decoder", "ar", "-p", "256", "-n", "1", "--dtype"]
DENOISE = ["--decoder", "diffusion", "-p", "1", "-n", "255", "--steps", "3", "--logits", "all", "--dtype"]
BF16, INT8 = ["--compute-dtype", "bf16"], ["--compute-dtype", "int8"]
TG, PP = ["-p", "0", "-n", "32"], ["-p", "256", "-n", "0"]
LONG = ["--decoder", "ar", "-p", "512", "-n", "1", "--dtype"]
BLAS = [(f, lambda f=f: bench(f, ["-p", "512", "-n", "0"], 512, "/blas/llama-bench"))
        for f in ("bf16", "f32")]
TESTS = {
    "generate": [("bf16", lambda: ours("decode", *GENERATE, "bf16"),
                  [("bf16", lambda: bench("bf16", TG, 1)), ("f16", lambda: bench("f16", TG, 1))]),
                 ("int8", lambda: ours("decode", *GENERATE, "int8"),
                  [("q8_0", lambda: bench("q8_0", TG, 1))]),
                 ("int8x2", lambda: ours("decode", *GENERATE, "int8", *INT8),
                  [("q8_0", lambda: bench("q8_0", TG, 1))])],
    "prefill": [("bf16", lambda: ours("prefill", *PREFILL, "bf16"),
                 [("bf16", lambda: bench("bf16", PP, 256)), ("f32", lambda: bench("f32", PP, 256))]),
                ("bf16x2", lambda: ours("prefill", *PREFILL, "bf16", *BF16),
                 [("bf16", lambda: bench("bf16", PP, 256))]),
                ("f32", lambda: ours("prefill", *PREFILL, "f32"),
                 [("f32", lambda: bench("f32", PP, 256))])],
    "denoise": [("bf16", lambda: ours("denoise", *DENOISE, "bf16"), [("llada bf16", diffusion)]),
                ("bf16x2", lambda: ours("denoise", *DENOISE, "bf16", *BF16),
                 [("llada bf16", diffusion)])],
    "blas": [("bf16", lambda: ours("prefill", *LONG, "bf16"), BLAS),
             ("bf16x2", lambda: ours("prefill", *LONG, "bf16", *BF16), BLAS),
             ("f32", lambda: ours("prefill", *LONG, "f32"), BLAS)],
}
print(f"{'test':9} {'ours':6} {'ms':>8}  roof  {'llama.cpp':10} {'ms':>8}  ratio (median, lowest, highest)")
for test in wanted:
    test, _, only = test.partition(":")
    for name, own, rivals in TESTS[test]:
        if only not in ("", name):
            continue
        mine, theirs = [], [[] for _ in rivals]
        try:
            own()
        except Missing as lacks:
            print(f"{test:9} {name:6} left out: {lacks}", flush=True)
            continue
        for i in range(rounds):
            runs = [lambda: mine.append(own())]
            runs += [lambda kept=kept, rival=rival: kept.append(rival())
                     for kept, (_, rival) in zip(theirs, rivals)]
            for run in runs if i % 2 == 0 else runs[::-1]:
                run()
            print(f"{name} {mine[-1][0]:.1f} ms against "
                  f"{', '.join(f'{kept[-1]:.1f}' for kept in theirs)}", file=sys.stderr, flush=True)
        for (rival, _), kept in zip(rivals, theirs):
            ratios = [t / o[0] for t, o in zip(kept, mine)]
            print(f"{test:9} {name:6} {statistics.median(o[0] for o in mine):8.1f}  "
                  f"{statistics.median(o[1] for o in mine):4.2f}  {rival:10} "
                  f"{statistics.median(kept):8.1f}  {statistics.median(ratios):.2f} "
                  f"({min(ratios):.2f}, {max(ratios):.2f})", flush=True)
