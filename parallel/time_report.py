"""Reads where the time of a workdir's runs went, without a device."""

import json
import math
import pathlib
from typing import Any, NamedTuple

from parallel.errors import RunError
from parallel.time_log import TIME_LOG, Phase

_LARGEST = 1 << 30  # bytes
# What a report has lines for, in this order.
KINDS = (
    "productive",
    "compile",
    "input",
    "evaluation",
    "checkpoint",
    "start",
    "restart",
    "lost",
)
_KIND_OF = {phase: str(phase) for phase in Phase} | {Phase.STEP: "productive"}


class Line(NamedTuple):
    """What one process wrote at a time.

    Attributes:
      at: s since 1970.
      step: steps taken.
      seconds: by phase, since the line before.
    """

    at: float
    step: int
    seconds: dict[Phase, float]


class Process(NamedTuple):
    """What one process, or the first of several, wrote.

    Attributes:
      start: s since 1970.
      lines: oldest first.
    """

    start: float
    lines: list[Line]

    @property
    def end(self) -> float:
        """When it was last heard of [s since 1970]."""
        return max([self.start, *(line.at for line in self.lines)])

    @property
    def first_step(self) -> int:
        """Steps that were taken before."""
        return self.lines[0].step if self.lines else 0


class Report(NamedTuple):
    """Where the time went.

    Attributes:
      processes: that were started, one after the other.
      steps: taken and kept.
      seconds: by kind, of KINDS.
    """

    processes: list[Process]
    steps: int
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        """Seconds from the first start to the last word."""
        return sum(self.seconds.values())

    @property
    def goodput(self) -> float:
        """Share of all time in which steps were trained that were kept."""
        return self.seconds["productive"] / max(self.total, 1e-9)


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is no number of seconds")
    return number


def _read(path: pathlib.Path) -> list[Process]:
    """Lines that make no sense are passed over: a killed process may leave half of one.

    Raises:
      OSError: there is none, or it cannot be read.
    """
    if path.stat().st_size > _LARGEST:
        raise RunError(
            f"{path} is larger than {_LARGEST >> 20} MiB; it is no time log."
        )
    processes: list[Process] = []
    for text in path.read_text(errors="replace").splitlines():
        try:
            line = json.loads(text)
            if "start" in line:
                processes.append(Process(_number(line["start"]), []))
            elif "complete" in line and processes and not processes[-1].lines:
                processes.pop()
            elif processes:
                seconds = {Phase(k): _number(s) for k, s in line["seconds"].items()}
                step = int(_number(line["step"]))
                processes[-1].lines.append(Line(_number(line["at"]), step, seconds))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return processes


def _share_kept(before: int, line: Line, resumed: int | None) -> float:
    """Share of a line's work that the next process did not do again."""
    if resumed is None or line.step <= resumed:
        return 1.0
    if line.step <= before:
        return 0.0
    return max(resumed - before, 0) / (line.step - before)


def _add(seconds: dict, process: Process, resumed: int | None, is_first: bool) -> None:
    before = process.first_step
    for line in process.lines:
        kept = _share_kept(before, line, resumed)
        for phase, spent in line.seconds.items():
            if phase == Phase.START:
                seconds["start" if is_first else "restart"] += spent
                continue
            seconds[_KIND_OF[phase]] += kept * spent
            seconds["lost"] += (1 - kept) * spent
        before = line.step


def read_report(workdir: str) -> Report:
    """Adds up what the runs in `workdir` wrote of their time.

    Raises:
      RunError: nothing was written there.
    """
    path = pathlib.Path(workdir).expanduser() / TIME_LOG
    try:
        processes = _read(path)
    except OSError as error:
        raise RunError(
            f"{path} cannot be read ({error.strerror}); name the workdir of a run."
        ) from error
    if not processes:
        raise RunError(f"{path} tells of no run; name the workdir of a run.")
    seconds = dict.fromkeys(KINDS, 0.0)
    for number, process in enumerate(processes):
        later = [p for p in processes[number + 1 :] if p.lines]
        resumed = min((p.first_step for p in later), default=None)
        _add(seconds, process, resumed, is_first=number == 0)
        if number:
            # In between nothing ran, or a process that was killed before it wrote.
            gap = process.start - processes[number - 1].end
            seconds["restart"] += max(gap, 0.0)
    told = [process.lines for process in processes if process.lines]
    steps = max((line.step for line in told[-1]), default=0) if told else 0
    return Report(processes, steps, seconds)


def print_report(workdir: str) -> None:
    """Prints where the time went, one line for each kind.

    Raises:
      RunError: nothing was written there.
    """
    report = read_report(workdir)
    for name, seconds in report.seconds.items():
        share = 100 * seconds / max(report.total, 1e-9)
        print(f"{name:12s} {seconds:12.1f} s {share:6.1f} %")
    print(f"{'total':12s} {report.total:12.1f} s")
    print(
        f"goodput {100 * report.goodput:.1f} %: {report.steps} steps, "
        f"{len(report.processes)} starts"
    )
