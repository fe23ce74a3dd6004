#!/bin/sh
# Runs a command again and again until it is complete: what every job below starts.
#   jobs/run.sh python main.py --config=... --workdir=...
# 75: saved on a signal or a time limit; 76: stuck or a process lost; above 127: ended by
# a signal (no memory, another process lost), as good as 76. With REQUEUE=CMD in the
# environment (a scheduler's own way) CMD runs instead of the command again.
# RUN_JOB tells a restart from a new run: --fresh starts over once a job.
set -u
job=${SLURM_JOB_ID:-${LSB_JOBID:+$LSB_JOBID.${LSB_JOBINDEX:-0}}}
job=${job:-${PBS_JOBID:-$(uname -n).$$.$(date +%s)}}
export RUN_JOB="${RUN_JOB:-$job}"
restarts=0
while :; do
    "$@" &
    pid=$!
    # What the batch system says to this shell, the run must hear.
    # shellcheck disable=SC2064
    trap "kill -TERM $pid 2>/dev/null" TERM
    # shellcheck disable=SC2064
    trap "kill -USR1 $pid 2>/dev/null" USR1
    wait "$pid"
    code=$?
    # A signal ends the wait, not the run.
    while kill -0 "$pid" 2>/dev/null; do
        wait "$pid"
        code=$?
    done
    [ "$code" -lt 128 ] || [ "$code" = 130 ] || code=76
    case $code in
        75 | 76) ;;
        *) exit $code ;;
    esac
    if [ -n "${REQUEUE:-}" ]; then
        sh -c "$REQUEUE"
        exit $?
    fi
    restarts=$((restarts + 1))
    if [ "$restarts" -gt "${MAX_RESTARTS:-20}" ]; then
        echo "gave up after $((restarts - 1)) restarts" >&2
        exit $code
    fi
    echo "exit code $code: restart $restarts" >&2
done
