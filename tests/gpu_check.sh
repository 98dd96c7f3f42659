#!/bin/bash
# Everything an NVIDIA GPU has to be asked, in ten minutes at most: do the kernels agree with the
# references and the decoders with the CPU, what are its roofs, and how does a short matched sweep
# come out.  Each step has a budget of its own, a line with its verdict and a log; what was found
# is left in a folder of its own.  Needs no network, and no gnuplot: figures then stay as data.
#     gpu_check.sh REASON [REGIME TESTS]
#     REASON        why this build has no CUDA backend; empty when it has one
#     TESTS         folder of the test programs gpu_kernels, gpu_model, ...
#     GPU=0         which GPU, as nvidia-smi numbers them
#     GPU_OUT=DIR   where results go (default docs/gpu/CARD-DATE)
# A step for which a permission or a library is missing says so and fails nothing; no step hinders
# the ones after it; and the report is written anew after each, so that a run that is cut short
# leaves one, too.
# Exits with 6 where there is no GPU, 8 when a check disagrees, 3 when another step failed, else 0, and
# says so in its last line: make itself exits with 2 whenever that is not 0.
set -u
why=$1
export CUDA_DEVICE_ORDER=PCI_BUS_ID # the numbers of nvidia-smi
[ -z "${GPU:-}" ] || export CUDA_VISIBLE_DEVICES=$GPU
# Where there is no toolkit, PyTorch may have brought the libraries along.
wheels() {
    local found
    found=$(python3 -c 'import nvidia; print("\n".join(nvidia.__path__))' 2> /dev/null |
        while read -r d; do find "$d" -name "$1" 2> /dev/null; done | sort | tail -n 1)
    [ -n "$found" ] && printf '%s\n' "$found"
}
if [ -z "$why" ]; then
    regime=$2 tests=$3
    backend() { timeout 60 "$regime" list backends -o csv | sed -n 's/^cuda,no,//p'; }
    why=$(backend)
    case $why in
    *'no cuBLAS'*)
        library=$(wheels 'libcublas.so.*') &&
            export REGIME_CUDA_LIB_DIR=${library%/*} && why=$(backend)
        ;;
    esac
    cuda=${CUDA_HOME:-/usr/local/cuda}
    if [ -z "${REGIME_CUPTI_LIB:-}" ] &&
        ! compgen -G "$cuda/lib64/libcupti.so.*" > /dev/null &&
        ! compgen -G "$cuda/extras/CUPTI/lib64/libcupti.so.*" > /dev/null; then
        library=$(wheels 'libcupti.so.*') && export REGIME_CUPTI_LIB=$library
    fi
fi
if [ -n "$why" ]; then
    echo "gpu-check: nothing was checked: $why. (exit code 6)" >&2
    exit 6
fi

device=cuda:0
id=${GPU:-${CUDA_VISIBLE_DEVICES:-0}}
smi() { timeout 20 nvidia-smi -i "${id%%,*}" --query-gpu="$1" --format=csv,noheader 2> /dev/null; }
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
    write_report
}

# step NAME BUDGET_S KIND WHAT COMMAND...: KIND check: its failure is a disagreement.
step() {
    local name=$1 budget=$2 kind=$3 what=$4 log=$out/logs/$1.txt begin=$SECONDS rc word=ok
    shift 4
    timeout -k 5 "$budget" "$@" > "$log" 2>&1 < /dev/null
    rc=$?
    if [ $rc -ne 0 ]; then
        word=FAILED
        case $kind,$rc in
        run,6) word=missing ;;
        run,75) word=part failed=1 ;;
        check,* | run,8) disagree=1 ;;
        *) failed=1 ;;
        esac
        what=$(grep -v '^ *$' "$log" | tail -n 1 | cut -c 1-160)
        case $rc in
        75) what='as much of it as its budget allowed; the same command goes on' ;;
        124 | 137) what="stopped after its budget of $budget s" ;;
        esac
    fi
    verdict "$name" $word $((SECONDS - begin)) "$what"
    return $rc
}
skip() { verdict "$1" skipped 0 "$2"; }

# section FILE TITLE: a step's table, if it printed one.
section() {
    grep -q '^|' "$out/logs/$1.txt" 2> /dev/null || return 0
    printf '\n## %s\n\n' "$2"
    grep '^|' "$out/logs/$1.txt"
}
write_report() {
    {
        printf '# %s, %s\n\n' "$card" "$started"
        printf 'Made by `make gpu-check` with `%s`.\n\n' "$version"
        [ -z "${described:-}" ] || printf 'Device: %s.\n' "$described"
        printf '\nBefore and after, by nvidia-smi (%s):\n\n    %s\n    %s\n' "$smi_all" \
            "${before:-nvidia-smi is not here}" "${after:-not known}"
        printf '\n| step | verdict | seconds | |\n|---|---|---|---|\n'
        printf '%s\n' "${rows[@]}"
        section ceilings Roofs
        section sweep 'The sweep'
        section traces 'Operations against the roofs'
        section ncu 'Counters against Nsight Compute'
        section claims Claims
        sed -n 's/^{"torch".*/\nPyTorch: `&`\n/p' "$out/logs/torch.txt" 2> /dev/null
        printf '\nEvery number is in `gpu-check.db` (`regime report`), every log in `logs/`.\n'
    } > "$out/report.md"
}

# The tool's own trouble is no disagreement: what it finds in a kernel is, or what a test does.
sanitize() {
    local rc=0 log
    log=$("$sanitizer" --tool memcheck --error-exitcode 9 "$@" 2>&1 | tee /dev/stderr
        exit "${PIPESTATUS[0]}") || rc=$?
    case $rc,$log in
    0,*'ERROR SUMMARY: 0 errors'*) return 0 ;;
    9,* | *'ERROR SUMMARY: 0 errors'*) return 8 ;;
    esac
    printf '%s\n' "$log" | grep -m 1 -i error || echo "compute-sanitizer did not watch (exit code $rc)"
    return 6
}

# What may not be counted is recorded with its reason, and what may is counted.
count() {
    local rc=0
    "$regime" run "$@" --counters require --counter-files "$out/counters" -o md || rc=$?
    [ $rc -eq 6 ] || return $rc
    "$regime" run "$@" --counters auto --counter-files "$out/counters" -o md || return $?
    "$regime" run "$@" --counters require -o md # says again what is missing
}
export -f sanitize count
export sanitizer regime out db

version=$("$regime" --version | head -n 1)
echo "gpu-check: $card as $device; results go to $out"
smi_all=name,uuid,driver_version,memory.total,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.limit,power.draw,temperature.gpu,ecc.mode.current,mig.mode.current
before=$(smi $smi_all) || before=

step kernels 45 check 'every kernel against its reference in double precision' \
    "$tests/gpu_kernels" 'threads_in_turn*' 'ties*' 'extreme*' 'sampling*' 'top_p*' 'views*' 'large*' 'int8*'
step matmul 25 check 'own matrix products against their reference' \
    "$tests/gpu_matmul" 'products*' 'a_row*' 'int8_products*'
step attention 30 check 'tensor-core attention against its reference' \
    "$tests/gpu_attention" 'attention*' 'a_row*' 'cuts*'
step decoders 30 check 'a small model and its decoders against the CPU' \
    "$tests/gpu_model" 'logits*' 'decoders*' 'own*'
step graphs 20 check 'CUDA graphs change no bit' "$tests/gpu_graph" 'graphs*' 'one_graph*'

step ceilings 35 run 'bandwidths, peaks and launch costs' \
    "$regime" ceilings --device "$device" --db "$db" -o md
step sweep 95 run 'the sweep gpu-check, timed on both clocks' \
    "$regime" sweep gpu-check --device "$device" --db "$db" --counters off --time-budget 80 -o md
described=$(timeout 20 "$regime" report v_run --db "$db" -o jsonl 2> /dev/null |
    sed -n 's/.*"device_description": *"\([^"]*\)".*/\1/p' | head -n 1)
step counters 35 run 'DRAM bytes and FLOPs of AR and block decoding, by hardware counters' bash -c 'count "$@"' - \
    --device "$device" --db "$db" -m llama3-8b --layers 4 --decoder ar,block \
    --block-length 8 --steps 2 -p 128 -n 16
# The same cells as in the sweep, with their kernels traced, for which no privilege is needed: how near
# does each operation come to its roof?
trace=(--device "$device" --db "$db" -m llama3-8b --layers 4 -b 1 --graph on --seed 1 --probes cupti-activity
    --counters auto -q -o md)
step traces 30 run 'where the time of a forward goes, kernel by kernel' bash -c '
    regime=$1; shift
    "$regime" run "$@" --decoder diffusion -p 896 -n 128 --steps 2 &&
    "$regime" run "$@" --decoder ar -p 128 -n 8 --n-depth 16128 &&
    "$regime" report operations --db "$db" -o md' - "$regime" "${trace[@]}"
ncu=$(command -v ncu || ls "$cuda/bin/ncu" 2> /dev/null)
if [ -n "$ncu" ]; then
    step ncu 35 run 'our counters of one kernel are those of Nsight Compute' \
        tests/gpu_ncu.sh "$ncu" "$regime" "$device" "$db"
else
    skip ncu 'Nsight Compute (ncu) is not installed'
fi
sanitizer=$(command -v compute-sanitizer || ls "$cuda/bin/compute-sanitizer" 2> /dev/null)
if [ -n "$sanitizer" ]; then
    step sanitizer 35 run 'compute-sanitizer finds no bad access in the kernels' bash -c 'sanitize "$@"' - \
        "$tests/gpu_kernels" 'ties*' 'views*' 'int8_weights_agree*'
else
    skip sanitizer 'compute-sanitizer is not installed'
fi
# The shapes of the sweep's AR cell: llama3-8b cut to four layers, one sequence, in its middle.
step torch 35 run 'a decode forward of PyTorch, SDPA and a CUDA graph, for comparison' \
    python3 docs/beside/forward_torch.py 4 4096 32 8 128 14336 128256 144 1
after=$(smi $smi_all) || after=

step claims 10 run 'popular claims against these runs' "$regime" claims --db "$db" -o md
mkdir -p "$out/figures"
if command -v gnuplot > /dev/null; then
    step figures 20 run 'drawn' "$regime" plot all --db "$db" --out "$out/figures"
else
    timeout 20 "$regime" plot all --db "$db" --out "$out/figures" > "$out/logs/figures.txt" 2>&1
    skip figures 'no gnuplot here: data and scripts are left, to be drawn anywhere'
fi

write_report

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
