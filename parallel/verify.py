"""Checks what a workdir holds, without a configuration and without changing it."""

import pathlib

from parallel.agreement import from_first
from parallel.checkpoint import FORMAT_VERSION
from parallel.errors import RunError
from parallel.manifest import judge_steps
from parallel.mesh import is_first_process


def verify_workdir(workdir: str) -> bool:
    """Reads every checkpoint of `workdir`, prints a line for each.

    Returns:
      Whether all are good.

    Raises:
      RunError: it holds none.
    """
    root = pathlib.Path(workdir).expanduser()
    judged = {
        f"{name}/{step}": why
        for name in ("checkpoints", "best")
        for step, why in judge_steps(root / name, FORMAT_VERSION).items()
    }
    if not judged:
        raise RunError(f"--workdir={workdir!r} holds no checkpoint.")
    for place, why in judged.items():
        print(f"{place}: {why or 'good'}")
    return not any(judged.values())


_OF_A_RUN = (
    *("checkpoints", "checkpoints-rejected", "best", "best-rejected", "bad_numbers"),
    *("*.jsonl", "*.png", "events", "samples"),
)


def start_over(workdir: pathlib.Path) -> None:
    """Moves what earlier runs left into before-1/, before-2/ ...; deletes nothing.

    The first process does it, and the others wait.
    """
    if is_first_process():
        left = [path for pattern in _OF_A_RUN for path in workdir.glob(pattern)]
        number = 1
        while (aside := workdir / f"before-{number}").exists():
            number += 1
        if left:
            aside.mkdir()
        for path in left:
            path.rename(aside / path.name)
    from_first(0)
