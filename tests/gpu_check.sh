#!/bin/sh
# Verify the CUDA kernels on a GPU: every case of tests/kernel_cases.h against the reference, and a
# small model against the CPU.  Exits with 6 where there is none, with 8 when a check fails.
#     gpu_check.sh REASON [REGIME KERNELS MODEL MATMUL ATTENTION]
#     REASON      why this build has no CUDA backend; empty when it has one
#     KERNELS, MODEL, MATMUL, ATTENTION   the test programs
set -u
why=$1
if [ -z "$why" ]; then
    regime=$2 kernels=$3 model=$4 matmul=$5 attention=$6
    why=$("$regime" list backends -o csv | sed -n 's/^cuda,no,//p')
fi
if [ -n "$why" ]; then
    echo "gpu-check: nothing was checked: $why." >&2
    exit 6
fi
failed=0
for tests in 'threads_in_turn*' 'ties*' 'extreme*' 'sampling*' 'views*' 'large*'; do
    "$kernels" "$tests" || failed=1
done
for tests in 'logits*' 'decoders*'; do
    "$model" "$tests" || failed=1
done
for tests in 'products*' 'a_row*'; do
    "$matmul" "$tests" || failed=1
done
for tests in 'attention*' 'a_row*' 'cuts*'; do
    "$attention" "$tests" || failed=1
done
[ $failed -eq 0 ] || { echo 'gpu-check: the GPU does not agree with the references.' >&2; exit 8; }
echo 'gpu-check: the kernels on this GPU agree with the references.'
