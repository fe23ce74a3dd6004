"""Opens what an earlier run saved, to look at it."""

import pathlib

from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from parallel.workdir import require_same_config

_REMEDIES = {
    "best": "give --checkpoint=latest, or put an intact copy there",
    "checkpoints": "put an intact copy there, or train again",
}


def open_saved(
    workdir: str, which: str, config: dict, may_change: tuple[str, ...]
) -> tuple[Checkpointer, int]:
    """Finds the newest good step of a run; the best of none is the latest.

    Args:
      workdir: of the run.
      which: "best" or "latest".
      config: the resolved configuration, nested; that of the run.
      may_change: see `workdir.prepare_workdir`.

    Returns:
      (where it lies, the step).

    Raises:
      RunError: nothing was saved there, or by another configuration, or all of it
        was damaged since: another step is not taken for the best.
    """
    root = pathlib.Path(workdir).expanduser()
    for name in ("best", "checkpoints") if which == "best" else ("checkpoints",):
        if (root / name).is_dir():
            checkpointer = Checkpointer(root / name, keep=None)
            step = checkpointer.latest_step(_REMEDIES[name])
            if step is not None:
                require_same_config(workdir, config, may_change)
                return checkpointer, step
    raise RunError(
        f"--workdir={workdir!r} holds no complete checkpoint; train first, or give "
        "the workdir of a run that was trained."
    )
