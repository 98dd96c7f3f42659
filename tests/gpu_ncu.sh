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
# tells decode forwards apart.  As the compiler spells it, which both tools report.
cell=(-m llama3-8b --layers 2 --decoder ar --matmul own -p 16 -n 8)
name=few_kernelItLi16ELi8ELi4E
export LC_ALL=C # ncu writes numbers as the language has them
"$regime" run --device "$device" --db "$db" "${cell[@]}" --counters require \
    --probes cupti-activity,cupti-kernel -q -o csv > "$tmp/run.csv"
"$regime" report v_forward_kernel --db "$db" -o csv > "$tmp/kernels.csv"
# The newest run's: launches, bytes read, FLOPs.
read -r launches bytes flop < <(awk -F, -v name="$name" '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["phase"] == "decode" && index($at["name"], name) {
        found = $at["launches"] " " $at["dram_read_bytes"] " " $at["flop_tensor"] }
    END { print found }' "$tmp/kernels.csv") || true
if [ -z "${flop:-}" ]; then
    echo "our counters have no $name of a decode forward"
    exit 6
fi

# What ncu itself says went wrong, else its last word.
complain() {
    grep -m 1 -e ERR_NVGPUCTRPERM "$tmp/ncu.csv" || grep -m 1 '^==ERROR==' "$tmp/ncu.csv" ||
        grep -m 1 '^==WARNING==' "$tmp/ncu.csv" || tail -n 1 "$tmp/ncu.csv"
}

# One later forward of the same decode.  Neither clocks nor caches are touched, as in our pass.
metrics=dram__bytes_read.sum,sm__ops_path_tensor_src_bf16_dst_fp32.sum
if ! "$ncu" --csv --page details --print-units base --metrics "$metrics" \
    --cache-control none --clock-control none \
    --kernel-name-base mangled --kernel-name "regex:$name" \
    --launch-skip "$launches" --launch-count "$launches" \
    "$regime" run --device "$device" --db "$tmp/ncu.db" "${cell[@]}" --counters off -q -o csv \
    > "$tmp/ncu.csv" 2>&1; then
    complain
    exit 6
fi
# Rows come one a metric, or (page raw) one a kernel with a column a metric and a row of units first.
# Fields are quoted, values have commas in them.
sum_of() {
    awk -F'","' -v metric="$1" '
        { sub(/\r$/, ""); sub(/^"/, ""); sub(/"$/, "") }
        !header { for (i = 1; i <= NF; i++) {
            if ($i == "Metric Name") { name = i; header = 1 }
            if ($i == "Metric Value") value = i
            if ($i == metric) { raw = i; header = 1 } }
            next }
        raw { at = raw }
        !raw { at = $name == metric ? value : 0 }
        at { v = $at; gsub(/,/, "", v); if (v ~ /^[0-9.]+([eE][-+]?[0-9]+)?$/) { sum += v; n++ } }
        END { printf "%.0f %d\n", sum, n }' "$tmp/ncu.csv"
}
read -r their_bytes n < <(sum_of dram__bytes_read.sum)
read -r their_flop n_flop < <(sum_of sm__ops_path_tensor_src_bf16_dst_fp32.sum)
if [ "$n" -ne "$launches" ] || [ "$n_flop" -ne "$launches" ]; then
    echo "ncu counted $n kernels of $launches: $(complain)"
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
