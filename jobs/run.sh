#!/bin/sh
# Runs a command again and again until it is complete: what every job below starts.
#   jobs/run.sh python main.py --config=... --workdir=...
# 75: saved on a signal or a time limit; 76: stuck or a process lost; above 127: ended by
# a signal (no memory, another process lost), as good as 76.
# With REQUEUE=CMD in the environment (a scheduler's own way) CMD runs after both.
# Without it 76 starts the command again here, and 75 ends the job: whoever stopped it
# meant it. After MAX_RESTARTS (20) losses in a row it gives up, in either way.
# RUN_JOB tells a restart from a new run: --fresh starts over once a job.
set -u
job=${SLURM_JOB_ID:-${LSB_JOBID:+$LSB_JOBID.${LSB_JOBINDEX:-0}}}
job=${job:-${PBS_JOBID:-$(uname -n).$$.$(date +%s)}}
export RUN_JOB="${RUN_JOB:-$job}"
# A job that is requeued begins anew and must know how often it was lost.
count=.losses-$(printf %s "$RUN_JOB" | tr -c 'A-Za-z0-9._-' _)
losses=0
[ -z "${REQUEUE:-}" ] || losses=$(cat "$count" 2>/dev/null || echo 0)
told=
while :; do
    "$@" &
    pid=$!
    # What the batch system says to this shell, the run must hear.
    # shellcheck disable=SC2064
    trap "told=1; kill -TERM $pid 2>/dev/null" TERM
    # shellcheck disable=SC2064
    trap "told=1; kill -USR1 $pid 2>/dev/null" USR1
    # Ctrl-C reaches the run by itself; this shell waits for what it makes of it.
    trap "told=1" INT
    wait "$pid"
    code=$?
    # A signal ends the wait, not the run.
    while kill -0 "$pid" 2>/dev/null; do
        wait "$pid"
        code=$?
    done
    [ "$code" -lt 128 ] || [ "$code" = 130 ] || code=76
    case $code in
        75) losses=0 ;;
        76) losses=$((losses + 1)) ;;
        *)
            rm -f "$count"
            exit $code
            ;;
    esac
    if [ "$losses" -gt "${MAX_RESTARTS:-20}" ]; then
        echo "gave up: $losses losses in a row" >&2
        rm -f "$count"
        exit $code
    fi
    if [ -n "${REQUEUE:-}" ]; then
        echo "$losses" >"$count"
        sh -c "$REQUEUE"
        exit $?
    fi
    [ "$code" = 76 ] && [ -z "$told" ] || exit $code
    echo "exit code $code: restart $losses" >&2
done
