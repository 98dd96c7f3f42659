#!/bin/bash
# Run test programs (cmocka) and test scripts one after another; print one line for each, the whole
# output of those that fail, and a last line "N passed, N failed".
#     V=1                     print every output
#     TEST_TIMEOUT_S=600      seconds one program may take
# A script passes with exit 0, is skipped with 77 (its last line is the reason), else it fails.
set -u
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

count() { grep -c "$1" "$log"; }

for t in "$@"; do
    start=$EPOCHREALTIME
    timeout -k 5 "${TEST_TIMEOUT_S:-600}" "$t" > "$log" 2>&1 < /dev/null
    rc=$?
    took_ms=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
    ok=$(count '\[       OK \] ')
    skip=$(count '\[  SKIPPED \] [^0-9]')
    bad=$(sed -n 's/^ *\([0-9][0-9]*\) FAILED TEST(S).*/\1/p' "$log" | awk '{s += $1} END {print s + 0}')
    case $t in
    *.sh)
        ok=0 skip=0 bad=0
        case $rc in 0) ok=1 ;; 77) skip=1 ;; *) bad=1 ;; esac ;;
    *)
        # A crash, a time-out or a program that ran nothing is a failure of its own.
        if [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
        if [ "$rc" -eq 0 ] && [ $((ok + skip)) -eq 0 ]; then bad=1; fi ;;
    esac
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    word=ok
    [ "$skip" -eq 0 ] || word=skip
    [ "$bad" -eq 0 ] || word=FAIL
    printf '  %-5s %-28s %3d passed, %d failed%s  (%d.%01d s)\n' "$word" "$(basename "$t")" "$ok" "$bad" \
        "$([ "$skip" -eq 0 ] || echo ", $skip skipped")" $((took_ms / 1000)) $((took_ms % 1000 / 100))
    if [ "$bad" -ne 0 ] || [ "${V:-0}" = 1 ]; then
        cat "$log"
        [ "$rc" -ne 124 ] || echo "$t: stopped after ${TEST_TIMEOUT_S:-600} s"
        [ "$rc" -lt 128 ] || echo "$t: killed by signal $((rc - 128))"
    elif [ "$skip" -ne 0 ]; then
        case $t in *.sh) tail -n 1 "$log" ;; *) grep -i 'skip' "$log" | grep -v '\[==' ;; esac | sed 's/^/        /'
    fi
done
echo "$passed passed, $failed failed$([ $skipped -eq 0 ] || echo ", $skipped skipped")"
[ $failed -eq 0 ]
