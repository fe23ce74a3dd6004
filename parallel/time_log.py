"""Where the time of a run goes, written down while it runs."""

import contextlib
import enum
import json
import os
import pathlib
import time
from collections.abc import Iterable
from types import TracebackType

TIME_LOG = "time.jsonl"
_EVERY_SECONDS = 10.0


class Phase(enum.StrEnum):
    """What a run is doing, as its own process sees it.

    Devices work on while the host prepares: what they still have to do is charged to
    the phase in which the host waits for them, and that is STEP wherever a run looks
    at its numbers before it scores or saves, or knows when they were done.
    """

    START = "start"  # until the first input is asked for
    INPUT = "input"  # waiting for a batch
    COMPILE = "compile"  # the first step of a process, which it compiles
    STEP = "step"  # training
    EVALUATION = "evaluation"  # scores and pictures
    CHECKPOINT = "checkpoint"


def process_start() -> float:
    """When this process began [s since 1970]; imports take seconds."""
    now = time.time()
    # Linux: in ticks since the machine began.
    with contextlib.suppress(OSError, AttributeError, ValueError, IndexError):
        fields = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks
        if 0 <= age < 600:  # otherwise it did other things before this run
            return now - age
    return now


class TimeLog:
    """Adds seconds up by phase; the first process appends them to time.jsonl.

    A line holds what was done since the line before, and up to which step:
    {"start": s since 1970} begins a process; {"at": s since 1970, "step": 40,
    "seconds": {"step": 1.5, ...}} follow, about one in ten seconds and one for each
    checkpoint, so that a killed process leaves an account of all but its last seconds;
    {"complete": s since 1970} follows where nothing was left to do.
    """

    def __init__(self, workdir: pathlib.Path, *, enabled: bool):
        """Begins with the phase START, which began with the process."""
        self._path, self._enabled = workdir / TIME_LOG, enabled
        now = time.time()
        began = min(process_start(), now)
        self._phase, self._step = Phase.START, 0
        self._since = time.monotonic() - (now - began)
        self._written = time.monotonic()
        self._seconds: dict[str, float] = {}
        self._totals: dict[str, float] = dict.fromkeys(Phase, 0.0)
        self._append({"start": round(began, 3)})

    def now(self, phase: Phase, step: int) -> None:
        """Says that `phase` begins, `step` steps being taken."""
        now = time.monotonic()
        left, seconds = self._phase, now - self._since
        self._seconds[left] = self._seconds.get(left, 0.0) + seconds
        self._totals[left] += seconds
        self._phase, self._step, self._since = phase, step, now
        is_due = now - self._written >= _EVERY_SECONDS
        # A run goes on from a checkpoint: what comes after it may be done again.
        if is_due or left in (Phase.START, Phase.CHECKPOINT):
            self.flush()

    def charge(self, phase: Phase, seconds: float) -> None:
        """Says that the last `seconds` of the phase under way were those of `phase`."""
        self._seconds[phase] = self._seconds.get(phase, 0.0) + seconds
        self._totals[phase] += seconds
        self._since += seconds

    def spent(self, phases: Iterable[Phase]) -> float:
        """Seconds in `phases` so far, the one under way included."""
        under_way = time.monotonic() - self._since if self._phase in phases else 0.0
        return sum(self._totals[phase] for phase in phases) + under_way

    def flush(self) -> None:
        """Writes what is not written yet."""
        if any(self._seconds.values()):
            seconds = {name: round(s, 4) for name, s in self._seconds.items()}
            at = round(time.time(), 3)
            self._append({"at": at, "step": self._step, "seconds": seconds})
        self._seconds, self._written = {}, time.monotonic()

    def _append(self, line: dict) -> None:
        if self._enabled:
            # An account is not worth a run: a full disk ends it where it must.
            with contextlib.suppress(OSError), self._path.open("a") as file:
                file.write(json.dumps(line) + "\n")

    def complete(self) -> None:
        """Says that nothing was left to do: this start is no part of the run's time."""
        self._append({"complete": round(time.time(), 3)})

    def close(self) -> None:
        """Writes the rest."""
        # What ended before its first step leaves no line.
        if self._phase != Phase.START:
            self.now(self._phase, self._step)
            self.flush()

    def __enter__(self) -> "TimeLog":
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Writes the rest."""
        self.close()
