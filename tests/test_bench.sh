#!/bin/bash
# bench kernels: what it counts, what it stores, and what it refuses.
# $REGIME is the program to run.
set -u
regime=$(realpath "${REGIME:-./regime}")
[ -x "$regime" ] || { echo "no program at $regime"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
export REGIME_DB=$dir/bench.db
failed=0

fail() { # WHAT...
    echo "FAIL: $*"
    failed=1
}

refuses() { # SENTENCE ARGS...
    local sentence=$1
    shift
    "$regime" "$@" > out 2> err
    local rc=$?
    [ $rc -eq 2 ] || fail "regime $*: exit code $rc, expected 2"
    [ "$(cat err)" = "regime: $sentence" ] || fail "regime $*: said '$(cat err)', expected '$sentence'"
}

refuses 'bench: expected "kernels" (regime bench --help)' bench
refuses 'bench: expected "kernels" (regime bench --help)' bench cells
refuses '--rows: 0 is not from 1 to 65536' bench kernels --rows 0
refuses '--keys: "8-4" runs backwards' bench kernels --keys 8-4
refuses 'bench kernels: of the axes only --model, --layers, --dtype, --kv-dtype, --threads, --compute-dtype and --seed change anything' \
    bench kernels --batch 2

# bf16 products: of matmuls only, against their own peak.  Exit code 6 where there are none.
REGIME_ISA=scalar "$regime" bench kernels -q -m tiny-test --compute-dtype bf16 > out 2> err
[ $? -eq 6 ] || fail "bf16 products of scalar kernels: expected exit code 6, got '$(cat err)'"
if "$regime" bench kernels -q -m tiny-test --compute-dtype bf16 --rows 3 --keys 8 -o csv > out 2> err; then
    awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { compute = $at["op"] ~ /^(matmul|head)$/ ? "bf16" : "f32"
          if ($at["compute_dtype"] != compute) bad = 1
          peak[compute] = $at["peak_flop_per_s"]; n[compute]++ }
        END { exit bad || n["bf16"] != 5 || n["f32"] < 5 || peak["bf16"] == peak["f32"] }' out ||
        fail "bf16 products: not five matmuls against a peak of their own"
    rm -f "$dir"/bench.db*
else
    [ "$(cat err)" = "regime: this CPU does not multiply bf16 (no avx512_bf16)" ] ||
        grep -q "avx512 and amx kernels only" err || fail "bf16 products: '$(cat err)'"
fi

# tiny-test: 3 layers of d 72, 6 heads and 2 K/V heads of 12, F 100, V 211.
"$regime" bench kernels -q -m tiny-test --dtype f32 --rows 1,3 --keys 8,2 -t 2 -o csv > out &&
    "$regime" bench kernels -q -m tiny-test --dtype int8 --rows 3 --keys 8 -t 2 -o csv >> out ||
    fail "bench kernels: exit code $?"
field() { # NAME OP PART ROWS KEYS DTYPE: from the csv in out
    awk -F, -v name="$1" -v op="$2" -v part="$3" -v rows="$4" -v keys="$5" -v dtype="$6" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["op"] == op && $at["part"] == part && $at["rows"] == rows && $at["keys"] == keys &&
            $at["dtype"] == dtype { print $at[name] }' out
}
is() { # EXPECTED NAME OP PART ROWS KEYS DTYPE
    local want=$1
    shift
    [ "$(field "$@")" = "$want" ] || fail "$*: '$(field "$@")', expected $want"
}
is $((2 * 3 * 120 * 72)) flop matmul qkv 3 '' f32
is $((4 * (120 * 72 + 120))) bytes_dram matmul qkv 3 '' f32
# int8: rows of 72 are three groups; the bias stays bf16.
is $((120 * (72 + 3) + 2 * 120)) bytes_dram matmul qkv 3 '' int8
is $((2 * 211 * 72)) flop head '' 1 '' f32
is $((4 * 6 * 12 * 3 * 8)) flop attention '' 3 8 f32
is $((2 * 2 * 12 * 8 * 4)) bytes_dram attention '' 3 8 f32
is '' flop attention '' 3 2 f32
is $((4 * 6 * 12 * 2)) flop attention '' 1 2 f32
[ "$(field n matmul down 1 '' f32)" -ge 10 ] || fail "fewer than 10 samples"
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
    $1 == "device" { next }
    !($at["time_ns"] > 0 && $at["time_lo_ns"] <= $at["time_ns"] && $at["time_ns"] <= $at["time_hi_ns"]) ||
    !($at["roof_fraction_lo"] <= $at["roof_fraction"] && $at["roof_fraction"] <= $at["roof_fraction_hi"]) {
        print "FAIL: time or fraction outside its limits: " $0; bad = 1 }
    END { exit bad }' out || failed=1

printed=$(field time_ns matmul o 3 '' int8)
"$regime" report v_kernel -o csv > out || fail "report v_kernel: exit code $?"
is "$printed" time_ns matmul o 3 '' int8
exit $failed
