#!/bin/sh
# Say why no GPU check can run, and exit with the program's code for a missing device.
#     gpu_check.sh REASON      why this build has no CUDA backend; empty when it has one
why=${1:-}
if [ -z "$why" ]; then
    if [ -e /dev/nvidiactl ]; then
        why='this version has no GPU checks'
    else
        why='no NVIDIA GPU is visible (/dev/nvidiactl does not exist)'
    fi
fi
echo "gpu-check: nothing was checked: $why." >&2
exit 6
