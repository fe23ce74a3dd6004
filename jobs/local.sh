#!/bin/sh
# Several processes on one machine:
#   PROCESSES=2 jobs/local.sh python main.py --config=configs/digits.py --workdir=...
# Labels times batch must divide over their devices: --dry_run --devices=2 tells.
# Ends with the code that says most: an error (1, 2, ...) before a lost process (76)
# before one that was saved (75). jobs/run.sh starts it again after the last two.
# GPUs, if there are any, are dealt evenly.
set -u
count=${PROCESSES:-2}
port=${PORT:-$((40000 + $$ % 20000))}
gpus=${CUDA_VISIBLE_DEVICES:-}
[ -n "$gpus" ] ||
    gpus=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | paste -sd, -)
available=0
[ -z "$gpus" ] || available=$(echo "$gpus" | tr , '\n' | wc -l)
share=$((available / count))
if [ "$available" -gt 0 ] && [ "$share" -eq 0 ]; then
    echo "error: PROCESSES=$count, but there are $available GPUs; start fewer." >&2
    exit 2
fi
pids=
number=0
while [ "$number" -lt "$count" ]; do
    if [ "$share" -gt 0 ]; then
        first=$((number * share + 1))
        CUDA_VISIBLE_DEVICES=$(echo "$gpus" | cut -d, -f$first-$((first + share - 1)))
        export CUDA_VISIBLE_DEVICES
    fi
    JAX_COORDINATOR_ADDRESS=localhost:$port JAX_NUM_PROCESSES=$count \
        JAX_PROCESS_ID=$number "$@" &
    pids="$pids $!"
    number=$((number + 1))
done
# shellcheck disable=SC2064,SC2086
trap "kill -TERM $pids 2>/dev/null" TERM USR1
# Ctrl-C reaches them by itself; this shell waits for what they make of it.
trap : INT
# How much a code says.
weight() {
    case $1 in
        0) echo 0 ;;
        75) echo 1 ;;
        76) echo 2 ;;
        130) echo 3 ;;
        *) echo 4 ;;
    esac
}
code=0
for pid in $pids; do
    wait "$pid"
    one=$?
    # A signal ends the wait, not the process.
    while kill -0 "$pid" 2>/dev/null; do
        wait "$pid"
        one=$?
    done
    # One that JAX aborted because another was lost: as good as 76.
    [ "$one" -lt 128 ] || [ "$one" = 130 ] || one=76
    [ "$(weight "$one")" -le "$(weight "$code")" ] || code=$one
done
exit "$code"
