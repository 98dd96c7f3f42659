#!/bin/sh
# regime quality, nelbo and gaussian as one types them: what they print, store and refuse.
set -u
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
fail() {
    echo "FAIL: $*"
    exit 1
}
run() { "$REGIME" "$@" --db "$dir/q.db" -q 2> "$dir/err"; }
says() { grep -q -- "$1" "$dir/err" || fail "expected \"$1\", not \"$(cat "$dir/err")\""; }

small="-p 4 -n 8 --block-length 4 --samples 40"
run quality --process sticky-4 --decoder ar,block --steps 1,4 $small -o csv > "$dir/out" || fail "quality: $(cat "$dir/err")"
[ "$(wc -l < "$dir/out")" -eq 4 ] || fail "quality printed $(cat "$dir/out")"
# AR and one token a step are the truth; all four at once are not.
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
         NR > 1 && $at["decoder"] == "ar" && $at["kl"] != 0 { exit 1 }
         NR > 1 && $at["steps"] == 4 && $at["kl"] != 0 { exit 1 }
         NR > 1 && $at["steps"] == 1 && !($at["kl"] > 0.1) { exit 1 }' "$dir/out" ||
    fail "divergences: $(cat "$dir/out")"

# Strategies that decide from probabilities have some here, and only here.
run quality --process sticky-4 --decoder block --strategy threshold $small > "$dir/out" ||
    fail "threshold: $(cat "$dir/err")"
run run --decoder block --strategy threshold -m tiny-test > /dev/null && fail "threshold ran on random weights"
says 'mean nothing on seeded random'

run nelbo --process even-2 --decoder ar,block,diffusion $small --draws 2 --json > "$dir/out" || fail "nelbo"
[ "$(grep -o '"estimator"' "$dir/out" | wc -l)" -eq 13 ] || fail "nelbo: $(cat "$dir/out")"
run nelbo --process none -m tiny-test --decoder ar $small > /dev/null || fail "nelbo of a model: $(cat "$dir/err")"
run gaussian --process even-2 --samples 20 > "$dir/out" || fail "gaussian: $(cat "$dir/err")"
grep -q 'uniform-32768' "$dir/out" || fail "gaussian printed $(cat "$dir/out")"
run report v_quality > /dev/null || fail "v_quality"
run report v_speed_at_quality > /dev/null || fail "v_speed_at_quality"

run quality --process sticki-4 --decoder ar && fail "took a process that is none"
says 'nearest is "sticky-4"'
run quality --process sticky-4 --decoder diffusion --cache dual --block-length 4 && fail "took a cache"
says 'no stale keys'
run quality --decoder ar --samples 0 && fail "took no samples"
says 'whole number from 1'
"$REGIME" list processes | grep -q 'even-2' || fail "list processes"
echo PASS
