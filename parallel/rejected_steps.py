"""Steps of a checkpoint directory that are not what was written."""

import pathlib

from parallel.run_log import log


def name_rejected(place: pathlib.Path, why: str) -> None:
    """Says in the log that the step at `place` is passed over."""
    log.warning("checkpoint %s is passed over: %s.", place, why)


class RejectedSteps:
    """What one process found damaged, and why; each reason is named once."""

    def __init__(self, directory: pathlib.Path):
        """Knows of no damage in `directory` yet."""
        self._directory = directory
        self._reasons: dict[int, str] = {}

    def any(self) -> bool:
        """Whether there are some."""
        return bool(self._reasons)

    def judge(self, step: int, why: str | None) -> bool:
        """Remembers and names a damaged step; whether it is good (`why` is None)."""
        if why is None:
            self._reasons.pop(step, None)  # an intact copy was put there
        elif self._reasons.get(step) != why:
            self._reasons[step] = why
            name_rejected(self._directory / str(step), why)
        return why is None

    def newest(self) -> str:
        """The newest of them with its reason; empty if there is none."""
        if not self._reasons:
            return ""
        step = max(self._reasons)
        return f" (the newest, {step}: {self._reasons[step]})"

    def set_aside(self) -> None:
        """Keeps them for whoever wants to know, out of the way of new steps."""
        aside = self._directory.with_name(f"{self._directory.name}-rejected")
        for step in self._reasons:
            if not (self._directory / str(step)).exists():
                continue
            aside.mkdir(exist_ok=True)
            target = aside / str(step)
            while target.exists():
                target = target.with_name(f"{target.name}-again")
            (self._directory / str(step)).rename(target)
        self._reasons = {}
