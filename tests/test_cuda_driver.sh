#!/bin/bash
# On a machine without a usable GPU the program says in one line why, exits with 6, and looks for
# a driver only when somebody asks.
set -euo pipefail
regime=$(realpath "${REGIME:-./regime}")
[ ! -e /dev/nvidiactl ] || { echo 'skipped: this machine has an NVIDIA driver'; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
fail() { echo "test_cuda_driver.sh: $*"; exit 1; }

why='this build has no CUDA backend'
built=0
case $("$regime" --version) in
*', with CUDA'*) built=1 why='no CUDA driver on this machine (libcuda.so.1 not found)' ;;
esac

# says_why REASON: list, doctor and a run on the device agree on it.
says_why() {
    "$regime" list backends > out || fail 'list backends failed'
    grep -q "^| cuda  *| no  *| $1" out || fail "list backends: $(cat out)"
    "$regime" list devices > out || fail 'list devices failed'
    grep -q "^| cuda:N  *| cuda  *| no  *| $1" out || fail "list devices: $(cat out)"
    "$regime" doctor > out || true
    grep -q "cuda  *$1" out || fail "doctor: $(cat out)"
    local rc=0
    "$regime" run -m tiny-test --decoder ar -p 4 -n 4 --device cuda:0 > out 2> err || rc=$?
    [ $rc -eq 6 ] || fail "run --device cuda:0: exit code $rc, not 6"
    [ "$(wc -l < err)" -eq 1 ] && [ ! -s out ] || fail "run --device cuda:0: $(cat err out)"
    grep -q "^regime: cuda:0: $1" err || fail "run --device cuda:0: $(cat err)"
}
says_why "$why"
[ $built -eq 1 ] || exit 0

# The loader's own account of what it was asked for.
LD_DEBUG=libs "$regime" list models > out 2>&1
if grep -q 'library=libcu' out; then fail 'looks for CUDA unasked'; fi
LD_DEBUG=libs "$regime" list backends > out 2>&1
grep -q 'find library=libcuda' out || fail 'does not look for a driver'

# A driver that is there and does not work: its own words.
echo 'int cuInit(unsigned flags) { return 100; }' > driver.c
${CC:-cc} -shared -fPIC -o libcuda.so.1 driver.c
export LD_LIBRARY_PATH=$tmp
says_why 'the NVIDIA driver is too old for this build: it does not say what it runs, and CUDA '
# One of an older CUDA than this was built with.
cat >> driver.c <<'END'
int cuDriverGetVersion(int *version) { *version = 11040; return 0; }
END
${CC:-cc} -shared -fPIC -o libcuda.so.1 driver.c
says_why 'the NVIDIA driver is too old for this build: it runs CUDA 11.4, and CUDA '
