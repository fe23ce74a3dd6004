"""What every training holds of its workdir while it runs."""

import contextlib
import pathlib
from collections.abc import Iterator

from parallel.agreement import from_first
from parallel.consensus import require_agreement
from parallel.shared_directory import require_shared
from parallel.start_over import start_over
from parallel.survival import Survival
from parallel.watchdog import Watch, watched
from parallel.workdir import make_workdir, prepare_workdir
from parallel.workdir_lock import WorkdirLock


@contextlib.contextmanager
def training_workdir(
    workdir: str, config: dict, may_change: tuple[str, ...], survival: Survival
) -> Iterator[tuple[pathlib.Path, Watch]]:
    """Locks a workdir, checks or records whose it is, and watches the run in it.

    Args:
      workdir: its path.
      config: the resolved configuration, nested.
      may_change: see `prepare_workdir`.
      survival: how the run begins.

    Yields:
      (path, what is told of every phase of the run).

    Raises:
      RunError: another run is in it, it is of another configuration, or processes do
        not share it.
    """
    require_agreement({"--fresh": str(survival.fresh)})
    path = make_workdir(workdir)
    require_shared(path)
    with WorkdirLock(path):
        if survival.fresh:
            start_over(path)
        # Afterwards: a requeued job does not start over and goes on from its own.
        saved = [*path.glob("checkpoints/[0-9]*"), *path.glob("best/[0-9]*")]
        # The first process moved it, and file systems may show that late to others.
        is_begun = bool(from_first(int(bool(saved))))
        prepare_workdir(workdir, config, may_change, is_begun=is_begun)
        with watched(path, survival.stuck_after) as watch:
            yield path, watch
