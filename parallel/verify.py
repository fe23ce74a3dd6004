"""Checks what a workdir holds, without a configuration and without changing it."""

import pathlib

from parallel.checkpoint import FORMAT_VERSION
from parallel.errors import RunError
from parallel.manifest import judge_steps


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
