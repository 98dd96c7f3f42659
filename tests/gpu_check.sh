#!/bin/sh
# Say why no GPU check can run, and exit with the program's code for a missing device.
why=${1:-}
if [ -z "$why" ] && ! [ -e /dev/nvidiactl ]; then
    why='no NVIDIA GPU is visible (/dev/nvidiactl does not exist)'
fi
echo "gpu-check: nothing was checked: $why." >&2
exit 6
