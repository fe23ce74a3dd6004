"""Starting over in a workdir: once a job, and nothing is deleted."""

import json
import os
import pathlib
from collections.abc import Mapping

from parallel.agreement import from_first
from parallel.mesh import is_first_process
from parallel.run_log import log
from parallel.whole_file import write_whole

_OF_A_RUN = (
    *("checkpoints", "checkpoints-rejected", "best", "best-rejected", "bad_numbers"),
    *("*.jsonl", "*.png", "events", "samples"),
    # Last: whoever is killed on the way leaves no checkpoint whose config.json is gone.
    *("versions.json", "config.json"),
)
_MARK = "started_over.json"
# jobs/run.sh sets the first, for all restarts of one command; the schedulers' own stay
# the same when a job is requeued.
_JOB_IDS = ("RUN_JOB", "SLURM_JOB_ID", "LSB_JOBID", "PBS_JOBID")
_LONGEST = 1 << 16  # bytes of a mark


def job_of(seen: Mapping[str, str]) -> str:
    """Names the job in the environment `seen`; empty for a command that a person gave.

    A member of an LSF job array shares its job's number, so its index is added.
    """
    for name in _JOB_IDS:
        if number := seen.get(name):
            index = seen.get("LSB_JOBINDEX", "0") if name == "LSB_JOBID" else "0"
            return f"{name}={number}" + (f"[{index}]" if index != "0" else "")
    return ""


def _marked(workdir: pathlib.Path) -> str:
    """The job that started over here last."""
    try:
        with (workdir / _MARK).open("rb") as file:
            content = json.loads(file.read(_LONGEST))
        return content["job"] if isinstance(content["job"], str) else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _move_aside(workdir: pathlib.Path) -> None:
    left = [path for pattern in _OF_A_RUN for path in workdir.glob(pattern)]
    number = 1
    while (aside := workdir / f"before-{number}").exists():
        number += 1
    if left:
        aside.mkdir()
    for path in left:
        path.rename(aside / path.name)


def start_over(workdir: pathlib.Path) -> None:
    """Moves what earlier runs left into before-1/, before-2/ ...; deletes nothing.

    Once a job: a batch job that is requeued runs the same command again, and what it
    saved is what it should go on from. Without a job it is a person who says so, each
    time. The configuration goes too, so another one may follow. The first process does
    it, and the others wait.
    """
    if is_first_process():
        job = job_of(os.environ)
        if job and _marked(workdir) == job:
            log.info(
                "--fresh: job %s has started over here already and goes on; remove "
                "%s to start over again.",
                *(job, workdir / _MARK),
            )
        else:
            _move_aside(workdir)
            # Afterwards: a job that was killed before has trained nothing yet.
            write_whole(workdir / _MARK, json.dumps({"job": job}) + "\n")
    from_first(0)
