#!/bin/sh
# Runs a command again and again until it is complete: what every job below starts.
#   jobs/run.sh python main.py --config=... --workdir=...
# 75: saved on a signal or a time limit; 76: stuck or a process lost. With REQUEUE=CMD
# in the environment (a scheduler's own way) CMD runs instead of the command again.
set -u
restarts=0
while :; do
    "$@"
    code=$?
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
