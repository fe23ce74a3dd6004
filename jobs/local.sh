#!/bin/sh
# Several processes on one machine:
#   PROCESSES=2 jobs/local.sh python main.py --config=... --workdir=...
# Ends with the highest exit code of them; start it with jobs/run.sh to go on by itself.
set -u
count=${PROCESSES:-2}
port=${PORT:-$((40000 + $$ % 20000))}
pids=
number=0
while [ "$number" -lt "$count" ]; do
    JAX_COORDINATOR_ADDRESS=localhost:$port JAX_NUM_PROCESSES=$count \
        JAX_PROCESS_ID=$number "$@" &
    pids="$pids $!"
    number=$((number + 1))
done
# shellcheck disable=SC2064,SC2086
trap "kill -TERM $pids 2>/dev/null" TERM USR1
code=0
for pid in $pids; do
    wait "$pid"
    one=$?
    # A signal ends the wait, not the process.
    while kill -0 "$pid" 2>/dev/null; do
        wait "$pid"
        one=$?
    done
    [ "$one" -le "$code" ] || code=$one
done
# One that JAX aborted because another was lost: as good as 76.
[ "$code" -lt 128 ] || [ "$code" = 130 ] || code=76
exit "$code"
