#!/bin/bash
# The flow of `make gpu-check` with a stand-in for the program and for the tests that a GPU would
# run: which steps come, what is left behind, and what a failure of each kind ends in.
set -euo pipefail
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_gpu_check.sh: $*"; exit 1; }

# make_fakes: a program that knows every verb the script asks for, tests that pass, tools.
make_fakes() {
    rm -rf "$tmp/bin" "$tmp/tests"
    mkdir -p "$tmp/bin" "$tmp/tests"
    cat > "$tmp/bin/regime" <<'END'
#!/bin/bash
[ -z "${FAIL_AT:-}" ] || [ "$1" != "$FAIL_AT" ] || { echo "regime: $1 went wrong"; exit "${RC:-3}"; }
case "$1 ${2:-}" in
'list backends') echo 'name,available,why'; echo "cuda,${AVAILABLE:-yes,}" ;;
'--version '*) echo 'regime of the test' ;;
'ceilings '*) echo '| name | value |'; echo '|---|---|'; echo '| read | 1555 |' ;;
'sweep '*) [ -z "${SLOW:-}" ] || sleep 30; echo '| decoder | tokens_per_s |' ;;
'report '*) echo '{"device":"cuda:0","device_description":"Card X, compute capability 8.0","threads":null}' ;;
'plot '*) touch "${6:?}/roofline.gp" ;;
*) echo "$1" ;;
esac
END
    for t in kernels model matmul attention graph; do
        printf '#!/bin/bash\necho "%s $*"\n' $t > "$tmp/tests/gpu_$t"
    done
    cat > "$tmp/bin/nvidia-smi" <<'END'
#!/bin/bash
case "$*" in *query-gpu=name\ *) echo 'Card X 80GB' ;; *) echo 'Card X 80GB, GPU-1, 580.1, 1410 MHz' ;; esac
END
    printf '#!/bin/bash\n[ "$1" != -c ] || exit 1\n[ -n "${TORCH:-}" ] || { echo no PyTorch here; exit 6; }\necho "{\\"torch\\": \\"2.9\\"}"\n' \
        > "$tmp/bin/python3"
    chmod +x "$tmp"/bin/* "$tmp"/tests/*
}

# check RC [NAME=VALUE...]: run it and look at the exit code; what it said is in $said.
check() {
    local want=$1 rc=0
    shift
    rm -rf "$tmp/out"
    said=$(env "$@" GPU_OUT="$tmp/out" PATH="$tmp/bin:/usr/bin:/bin" \
        tests/gpu_check.sh "${WHY:-}" "$tmp/bin/regime" "$tmp/tests" 2>&1) || rc=$?
    [ $rc -eq "$want" ] || fail "exit code $rc, not $want: $said"
}
says() { case $said in *"$1"*) ;; *) fail "\"$said\" lacks \"$1\"" ;; esac }

make_fakes
check 0 FAIL_AT=
says 'Card X 80GB as cuda:0'
for step in kernels matmul attention decoders graphs ceilings sweep counters traces claims; do
    says "  $step"
    [ -s "$tmp/out/logs/$step.txt" ] || fail "no log of $step"
done
says 'all of it is fine'
grep -q '^# Card X 80GB, 20' "$tmp/out/report.md" || fail "$(cat "$tmp/out/report.md")"
grep -q '^Device: Card X, compute capability 8.0.$' "$tmp/out/report.md" || fail 'no device in the report'
grep -q '580.1, 1410 MHz' "$tmp/out/report.md" || fail 'no driver and clocks in the report'
grep -q '^| read | 1555 |' "$tmp/out/report.md" || fail 'no roofs in the report'
grep -q '^| kernels | ok |' "$tmp/out/report.md" || fail 'no verdicts in the report'
[ -e "$tmp/out/figures/roofline.gp" ] || fail 'no figures'

# No GPU: the reason, 6, and nothing is written.
check 6 AVAILABLE='no,no CUDA driver on this machine'
says 'nothing was checked: no CUDA driver on this machine. (exit code 6)'
[ ! -e "$tmp/out" ] || fail 'results of nothing'
WHY='no nvcc in PATH' check 6 AVAILABLE='yes,'
says 'nothing was checked: no nvcc in PATH.'

# A test that fails is a disagreement, told with its last words; the steps after it still run.
printf '#!/bin/bash\necho "attention of 3 keys: off by 0.5"\nexit 1\n' > "$tmp/tests/gpu_attention"
check 8 FAIL_AT=
says 'attention  FAILED'
says 'off by 0.5'
says '  sweep      ok'
says 'does not agree'
says 'exit code 8'

# Another step that fails is no disagreement; a step has a budget.
make_fakes
check 3 FAIL_AT=ceilings
says 'ceilings went wrong'
says 'the kernels agree, but a step failed'
says 'exit code 3'
# What may not be counted here is missing, not wrong.
check 0 FAIL_AT=run RC=6
says '  counters   missing'
says 'run went wrong'
sed 's/^step sweep 95/step sweep 1/' tests/gpu_check.sh > "$tmp/short.sh"
chmod +x "$tmp/short.sh"
rc=0
said=$(SLOW=1 GPU_OUT="$tmp/out" PATH="$tmp/bin:/usr/bin:/bin" "$tmp/short.sh" '' "$tmp/bin/regime" "$tmp/tests" 2>&1) || rc=$?
[ $rc -eq 3 ] || fail "a step over its budget: exit code $rc"
says 'stopped after its budget of 1 s'

# Nsight Compute beside it: the same bytes and FLOPs are fine, others are not, and where it may not count
# it is missing.
make_fakes
cat > "$tmp/bin/regime.ncu" <<'END'
case "$1 $2" in
'report v_forward_kernel')
    echo 'run_id,phase,name,launches,time_ns,share,dram_read_bytes,dram_write_bytes,l2_bytes,l1_bytes,flop_tensor'
    echo "a,prefill,_Z10few_kernelItLi16ELi16ELi4EEv6matmul,9,1,1,1,1,1,1,1"
    echo "a,decode,_Z10few_kernelItLi16ELi8ELi4EEv6matmul,2,1,1,3000,1,1,1,${FLOP:-4096}"
    exit ;;
esac
END
sed -i "1r $tmp/bin/regime.ncu" "$tmp/bin/regime"
cat > "$tmp/bin/ncu" <<'END'
#!/bin/bash
[ -z "${DENIED:-}" ] || { echo '==ERROR== ERR_NVGPUCTRPERM - no permission'; exit 1; }
case "$*" in *'--kernel-name-base mangled --kernel-name regex:few_kernelItLi16ELi8ELi4E '*) ;; *) exit 1 ;; esac
name=_Z10few_kernelItLi16ELi8ELi4EEv6matmul
echo '==PROF== Profiling'
if [ -n "${RAW:-}" ]; then
    echo '"ID","Kernel Name","Block Size","dram__bytes_read.sum","sm__ops_path_tensor_src_bf16_dst_fp32.sum"'
    echo '"","","","byte",""'
    for i in 0 1; do echo "\"$i\",\"$name\",\"(128, 1, 1)\",\"1,490\",\"2,048\""; done
    exit
fi
echo '"ID","Kernel Name","Metric Name","Metric Unit","Metric Value","Rule Name","Rule Type"'
for i in 0 1; do
    echo "\"$i\",\"$name\",\"dram__bytes_read.sum\",\"byte\",\"1,490\",\"\",\"\""
    echo "\"$i\",\"$name\",\"sm__ops_path_tensor_src_bf16_dst_fp32.sum\",\"\",\"2,048\",\"\",\"\""
done
END
chmod +x "$tmp/bin/ncu"
check 0 FAIL_AT=
says '  ncu        ok'
grep -q '^| dram_read_bytes | 3000 | 2980 | 1.0067 |$' "$tmp/out/report.md" || fail "ncu is not in the report"
check 0 RAW=1
grep -q '^| dram_read_bytes | 3000 | 2980 | 1.0067 |$' "$tmp/out/report.md" || fail "ncu's raw page is not read"
check 3 FLOP=4095
says '  ncu        FAILED'
says 'the two differ'
check 0 DENIED=1
says '  ncu        missing'
says 'ERR_NVGPUCTRPERM'

# The sanitizer: what it finds is a disagreement, its own trouble is not.
make_fakes
cat > "$tmp/bin/compute-sanitizer" <<'END'
#!/bin/bash
case ${CASE:-} in
'') echo '========= ERROR SUMMARY: 0 errors' ;;
found) echo '========= Invalid __global__ read of size 4 bytes'; echo '========= ERROR SUMMARY: 1 error'; exit 9 ;;
test) echo '========= ERROR SUMMARY: 0 errors'; exit 1 ;;
tool) echo '========= Error: Device not supported'; exit 255 ;;
esac
END
chmod +x "$tmp/bin/compute-sanitizer"
check 0 CASE=
says '  sanitizer  ok'
check 8 CASE=found
check 8 CASE=test
check 0 CASE=tool
says '  sanitizer  missing'
says 'Device not supported'

# What was stopped by its own budget is a part, and a run that is killed leaves the report of what was done.
make_fakes
check 3 FAIL_AT=sweep RC=75
says '  sweep      part'
cat > "$tmp/tests/gpu_attention" <<'END'
#!/bin/bash
kill -KILL $(ps -o ppid= -p $PPID)
END
rc=0
{ GPU_OUT="$tmp/out" PATH="$tmp/bin:/usr/bin:/bin" tests/gpu_check.sh '' "$tmp/bin/regime" "$tmp/tests" || rc=$?; } \
    > /dev/null 2>&1
[ $rc -eq 137 ] || fail "killed: exit code $rc"
grep -q '^| matmul | ok |' "$tmp/out/report.md" || fail 'a run that is killed leaves no report'

# A folder to bring along has every library but the machine's own, and says what a GPU would be asked.
if [ "$(basename "$(dirname "${CUSIM:-/}")")" != / ] && [ -x "${CUSIM:-}/../tests/gpu_graph" ]; then
    tests/gpu_bundle.sh '' "$REGIME" "$CUSIM/../tests" "$tmp/bundle" > "$tmp/said"
    [ "$(sed -n 's/.*(\([0-9]*\) MB).*/\1/p' "$tmp/said")" -le 64 ] || fail "$(cat "$tmp/said")"
    if LD_LIBRARY_PATH="$tmp/bundle/lib" ldd "$tmp"/bundle/bin/* | grep -E 'sqlite|yaml|cjson|cmocka|libmd' |
        grep -v "$tmp/bundle/lib"; then
        fail 'the bundle lacks libraries'
    fi
    if [ ! -e /dev/nvidiactl ]; then
        rc=0
        said=$(cd / && "$tmp/bundle/gpu-check" 2>&1) || rc=$?
        [ $rc -eq 6 ] || fail "gpu-check of a bundle: exit code $rc"
        says 'nothing was checked: no CUDA driver on this machine'
    fi
fi

# PyTorch beside it, where there is one.
make_fakes
check 0 FAIL_AT=
says '  torch      missing'
check 0 TORCH=1
says '  torch      ok'
grep -q '^PyTorch: `{"torch": "2.9"}`$' "$tmp/out/report.md" || fail 'PyTorch is not in the report'

# The budgets add up to eight minutes at most.
sum=$(awk '$1 == "step" && $3 + 0 > 0 { s += $3; n++ } END { print s; exit n < 10 }' tests/gpu_check.sh)
[ "$sum" -le 480 ] || fail "the budgets add up to $sum s"
