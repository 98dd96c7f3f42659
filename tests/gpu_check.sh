#!/bin/bash
# Everything an NVIDIA GPU has to be asked, in ten minutes at most: do the kernels agree with the
# references and the decoders with the CPU, what are its roofs, and how does a short matched sweep
# come out.  Each step has a budget of its own, a line with its verdict and a log; what was found
# is left in a folder of its own.  Needs no network, and no gnuplot: figures then stay as data.
#     gpu_check.sh REASON [REGIME TESTS]
#     REASON        why this build has no CUDA backend; empty when it has one
#     TESTS         folder of the test programs gpu_kernels, gpu_model, ...
#     GPU=0         which GPU
#     GPU_OUT=DIR   where results go (default docs/gpu/CARD-DATE)
# A step for which a permission or a library is missing says so and fails nothing.
# Exits with 6 where there is no GPU, 8 when a check disagrees, 3 when another step failed, else 0, and
# says so in its last line: make itself exits with 2 whenever that is not 0.
set -u
why=$1
if [ -z "$why" ]; then
    regime=$2 tests=$3
    why=$("$regime" list backends -o csv | sed -n 's/^cuda,no,//p')
fi
if [ -n "$why" ]; then
    echo "gpu-check: nothing was checked: $why. (exit code 6)" >&2
    exit 6
fi

device=cuda:${GPU:-0}
smi() { nvidia-smi -i "${GPU:-0}" --query-gpu="$1" --format=csv,noheader 2> /dev/null; }
card=$(smi name) || card=
card=${card:-unknown card}
slug=$(printf %s "$card" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
out=${GPU_OUT:-docs/gpu/$slug-${started%%T*}}
n=1
while [ -z "${GPU_OUT:-}" ] && [ -e "$out" ]; do n=$((n + 1)) out=docs/gpu/$slug-${started%%T*}-$n; done
mkdir -p "$out/logs" || exit 1
db=$out/gpu-check.db
rows=() disagree=0 failed=0

# verdict STEP WORD SECONDS WHAT
verdict() {
    printf '  %-10s %-9s %4s s  %s\n' "$1" "$2" "$3" "$4"
    rows+=("| $1 | $2 | $3 | $4 |")
}

# step NAME BUDGET_S KIND WHAT COMMAND...: KIND check: its failure is a disagreement.
step() {
    local name=$1 budget=$2 kind=$3 what=$4 log=$out/logs/$1.txt begin=$SECONDS rc word=ok
    shift 4
    timeout -k 5 "$budget" "$@" > "$log" 2>&1 < /dev/null
    rc=$?
    if [ $rc -ne 0 ]; then
        word=FAILED
        if [ "$kind" = check ]; then disagree=1; elif [ $rc -eq 6 ]; then word=missing; else failed=1; fi
        what=$(grep -v '^ *$' "$log" | tail -n 1 | cut -c 1-160)
        [ $rc -ne 124 ] || what="stopped after its budget of $budget s"
    fi
    verdict "$name" $word $((SECONDS - begin)) "$what"
    return $rc
}
skip() { verdict "$1" skipped 0 "$2"; }

# every PROGRAM FILTER...: all of them, whatever one says.
every() {
    local program=$1 rc=0 filter
    shift
    for filter in "$@"; do "$program" "$filter" || rc=1; done
    return $rc
}
export -f every

echo "gpu-check: $card as $device; results go to $out"
smi_all=name,uuid,driver_version,memory.total,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.limit,power.draw,temperature.gpu,ecc.mode.current,mig.mode.current
before=$(smi $smi_all) || before=

step kernels 50 check 'every kernel against its reference in double precision' bash -c 'every "$@"' - \
    "$tests/gpu_kernels" 'threads_in_turn*' 'ties*' 'extreme*' 'sampling*' 'views*' 'large*'
step matmul 30 check 'own matrix products against their reference' bash -c 'every "$@"' - \
    "$tests/gpu_matmul" 'products*' 'a_row*'
step attention 30 check 'tensor-core attention against its reference' bash -c 'every "$@"' - \
    "$tests/gpu_attention" 'attention*' 'a_row*' 'cuts*'
step decoders 30 check 'a small model and its decoders against the CPU' bash -c 'every "$@"' - \
    "$tests/gpu_model" 'logits*' 'decoders*' 'own*'
step graphs 20 check 'CUDA graphs change no bit' bash -c 'every "$@"' - "$tests/gpu_graph" 'graphs*' 'one_graph*'

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2> /dev/null)
if [ -n "$sanitizer" ]; then
    step sanitizer 40 check 'compute-sanitizer finds no bad access in the kernels' \
        "$sanitizer" --tool memcheck --error-exitcode 9 "$tests/gpu_kernels" 'ties*'
else
    skip sanitizer 'compute-sanitizer is not installed'
fi

step ceilings 35 run 'bandwidths, peaks and launch costs' \
    "$regime" ceilings --device "$device" --db "$db" -o md
step sweep 110 run 'the sweep gpu-check, timed on both clocks' \
    "$regime" sweep gpu-check --device "$device" --db "$db" --counters off -o md
step counters 30 run 'DRAM bytes and FLOPs of AR and block decoding, by hardware counters' \
    "$regime" run --device "$device" --db "$db" -m llama3-8b --layers 4 --decoder ar,block \
    --block-length 8 --steps 2 -p 128 -n 16 --counters require --counter-files "$out/counters" -o md
ncu=$(command -v ncu || ls /usr/local/cuda/bin/ncu 2> /dev/null)
if [ -n "$ncu" ]; then
    step ncu 40 run 'our counters of one kernel are those of Nsight Compute' \
        tests/gpu_ncu.sh "$ncu" "$regime" "$device" "$db"
else
    skip ncu 'Nsight Compute (ncu) is not installed'
fi
if python3 -c 'import torch; raise SystemExit(not torch.cuda.is_available())' 2> /dev/null; then
    # The shapes of the sweep's AR cell: llama3-8b cut to four layers, one sequence, in its middle.
    step torch 30 run 'a decode forward of PyTorch, SDPA and a CUDA graph, for comparison' env \
        CUDA_VISIBLE_DEVICES="${GPU:-0}" \
        python3 docs/beside/forward_torch.py 4 4096 32 8 128 14336 128256 144 1
else
    skip torch 'no PyTorch that sees a GPU'
fi
after=$(smi $smi_all) || after=

step claims 10 run 'popular claims against these runs' "$regime" claims --db "$db" -o md
mkdir -p "$out/figures"
if command -v gnuplot > /dev/null; then
    step figures 20 run 'drawn' "$regime" plot all --db "$db" --out "$out/figures"
else
    "$regime" plot all --db "$db" --out "$out/figures" > "$out/logs/figures.txt" 2>&1
    skip figures 'no gnuplot here: data and scripts are left, to be drawn anywhere'
fi

# section FILE TITLE: a step's table, if it printed one.
section() {
    grep -q '^|' "$out/logs/$1.txt" 2> /dev/null || return 0
    printf '\n## %s\n\n' "$2"
    grep '^|' "$out/logs/$1.txt"
}
{
    printf '# %s, %s\n\n' "$card" "$started"
    printf 'Made by `make gpu-check` with `%s`.\n\n' "$("$regime" --version | head -n 1)"
    "$regime" report v_run --db "$db" -o jsonl 2> /dev/null |
        sed -n 's/.*"device_description": *"\([^"]*\)".*/Device: \1./p' | head -n 1
    printf '\nBefore and after, by nvidia-smi (%s):\n\n    %s\n    %s\n' "$smi_all" \
        "${before:-nvidia-smi is not here}" "${after:-nvidia-smi is not here}"
    printf '\n| step | verdict | seconds | |\n|---|---|---|---|\n'
    printf '%s\n' "${rows[@]}"
    section ceilings Roofs
    section sweep 'The sweep'
    section ncu 'Counters against Nsight Compute'
    section claims Claims
    sed -n 's/^{"torch".*/\nPyTorch: `&`\n/p' "$out/logs/torch.txt" 2> /dev/null
    printf '\nEvery number is in `gpu-check.db` (`regime report`), every log in `logs/`.\n'
} > "$out/report.md"

took=$SECONDS
if [ $disagree -ne 0 ]; then
    echo "gpu-check: this GPU does not agree with the references; $out/report.md ($took s, exit code 8)" >&2
    exit 8
fi
if [ $failed -ne 0 ]; then
    echo "gpu-check: the kernels agree, but a step failed; $out/report.md ($took s, exit code 3)" >&2
    exit 3
fi
echo "gpu-check: all of it is fine; $out/report.md ($took s)"
