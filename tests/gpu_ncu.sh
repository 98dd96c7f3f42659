#!/bin/bash
# Our counters against Nsight Compute's: the matmul kernel of one decode forward, counted kernel by
# kernel by both, DRAM bytes read and tensor FLOPs.
#     gpu_ncu.sh NCU REGIME DEVICE DB
# Prints a table.  Exits with 6 where either cannot count here, 1 where they differ: FLOPs are
# counted instructions and must be equal; bytes may differ by 5 %, as what L2 keeps from one
# kernel to the next does.
set -euo pipefail
ncu=$1 regime=$2 device=$3 db=$4
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# 16 rows in the prefill and 1 in a decode forward: kernels of different blocks, so that the name
# tells decode forwards apart.
cell=(-m llama3-8b --layers 2 --decoder ar --matmul own -p 16 -n 8)
ours=few_kernelILi16ELi8ELi4E theirs='few_kernel<16, 8, 4>'
"$regime" run --device "$device" --db "$db" "${cell[@]}" --counters require \
    --probes cupti-activity,cupti-kernel -q -o csv > "$tmp/run.csv"
"$regime" report v_forward_kernel --db "$db" -o csv > "$tmp/kernels.csv"
# The newest run's: launches, bytes read, FLOPs.
read -r launches bytes flop < <(awk -F, -v name="$ours" '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["phase"] == "decode" && index($at["name"], name) {
        found = $at["launches"] " " $at["dram_read_bytes"] " " $at["flop_tensor"] }
    END { print found }' "$tmp/kernels.csv") || true
if [ -z "${flop:-}" ]; then
    echo "our counters have no $theirs of a decode forward"
    exit 6
fi

# One later forward of the same decode.  Neither clocks nor caches are touched, as in our pass.
metrics=dram__bytes_read.sum,sm__ops_path_tensor_src_bf16_dst_fp32.sum
if ! "$ncu" --csv --print-units base --metrics "$metrics" --cache-control none --clock-control none \
    --kernel-name-base demangled --kernel-name "regex:few_kernel<16, 8, 4>" \
    --launch-skip "$launches" --launch-count "$launches" \
    "$regime" run --device "$device" --db "$tmp/ncu.db" "${cell[@]}" --counters off -q -o csv \
    > "$tmp/ncu.csv" 2>&1; then
    grep -m 1 -e ERR_NVGPUCTRPERM -e '==ERROR==' "$tmp/ncu.csv" || tail -n 1 "$tmp/ncu.csv"
    exit 6
fi
# The last two quoted fields of a row but one: metric, unit, value with commas in it.
sum_of() {
    awk -F'","' -v metric="$1" '{ for (i = 1; i < NF; i++) if ($i == metric) {
        value = $NF; gsub(/[",\r]/, "", value); sum += value; n++ } }
        END { printf "%.0f %d\n", sum, n }' "$tmp/ncu.csv"
}
read -r their_bytes n < <(sum_of dram__bytes_read.sum)
read -r their_flop n_flop < <(sum_of sm__ops_path_tensor_src_bf16_dst_fp32.sum)
if [ "$n" -ne "$launches" ] || [ "$n_flop" -ne "$launches" ]; then
    echo "ncu counted $n kernels of $launches: $(tail -n 1 "$tmp/ncu.csv")"
    exit 6
fi
awk -v launches="$launches" -v b="$bytes" -v f="$flop" -v tb="$their_bytes" -v tf="$their_flop" '
BEGIN {
    print "| counter | ours | ncu | ours / ncu |"
    print "|---|---|---|---|"
    printf "| dram_read_bytes | %.0f | %.0f | %.4f |\n", b, tb, (tb > 0 ? b / tb : 0)
    printf "| flop_tensor | %.0f | %.0f | %.4f |\n", f, tf, (tf > 0 ? f / tf : 0)
    ok = f == tf && tb > 0 && b / tb > 0.95 && b / tb < 1.05
    printf "%d launches of one forward: %s\n", launches, ok ? "the two agree" : "the two differ"
    exit !ok
}'
