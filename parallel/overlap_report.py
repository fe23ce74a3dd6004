"""What a profile says of a plan: which part of each group's reduction was hidden.

Times are those of the devices' own operations, so this is a measurement. It was seen
to read profiles of CPUs; those of GPUs name the same operations.
"""

import pathlib
import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax

from parallel.compiled import collectives
from parallel.errors import RunError
from parallel.hlo_program import read_program
from parallel.plan_check import group_number
from parallel.reduction_plan import ReductionPlan

# Operations whose time is that of others inside them.
_CONTAINERS = frozenset(("while", "call", "conditional"))


class Span(NamedTuple):
    """One run of one operation on one device.

    Attributes:
      operation: name of the instruction in the compiled program.
      begin: [seconds].
      end: [seconds].
    """

    operation: str
    begin: float
    end: float


class GroupOverlap(NamedTuple):
    """One group of a plan, the mean over devices and steps.

    Attributes:
      number: of the group.
      num_bytes: on the wire, one copy.
      seconds: of its exchanges.
      exposed_seconds: of them while the device computed nothing.
      bus_bytes_per_second: 2 (n - 1) / n bytes per byte and second, what n devices'
        links carry in a ring.
    """

    number: int
    num_bytes: int
    seconds: float
    exposed_seconds: float
    bus_bytes_per_second: float

    @property
    def hidden_share(self) -> float:
        """Share of the exchanges' time that ran beside compute."""
        return 1 - self.exposed_seconds / self.seconds if self.seconds else 1.0


def read_profile(path: pathlib.Path) -> list[list[Span]]:
    """Spans of every device in a profile, as `jax.profiler.trace` leaves it.

    Args:
      path: an .xplane.pb file, or a directory that has one below it.

    Raises:
      RunError: no profile there.
    """
    found = sorted(path.rglob("*.xplane.pb")) if path.is_dir() else [path]
    if not found or not found[-1].exists():
        raise RunError(f"{path} holds no profile (*.xplane.pb).")
    data = jax.profiler.ProfileData.from_file(str(found[-1]))
    devices = []
    with warnings.catch_warnings():
        # The type of an event's statistics is made in a way that Python deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        for plane in data.planes:
            lines = [_spans(line.events) for line in plane.lines]
            # A GPU's streams are one device; a CPU's threads are one device each.
            is_device = plane.name.startswith("/device:")
            devices += [sum(lines, [])] if is_device else lines
    return [spans for spans in devices if spans]


def _spans(events: Iterable) -> list[Span]:
    spans = []
    for event in events:
        operation = dict(event.stats).get("hlo_op")
        if operation:
            begin = 1e-9 * event.start_ns
            spans.append(Span(operation, begin, begin + 1e-9 * event.duration_ns))
    return spans


def outside(span: Span, others: Sequence[Span]) -> float:
    """Seconds of `span` during which none of `others` runs."""
    free, at = 0.0, span.begin
    for other in sorted(others, key=lambda s: s.begin):
        if other.end <= at or other.begin >= span.end:
            continue
        free += max(0.0, other.begin - at)
        at = max(at, other.end)
    return free + max(0.0, span.end - at)


def overlap(
    plan: ReductionPlan, text: str, devices: Sequence[Sequence[Span]]
) -> list[GroupOverlap]:
    """Says of each group what its reduction took and what of it was exposed.

    Args:
      plan: that the program was traced with.
      text: optimized HLO of the program that was profiled.
      devices: spans of each, any number of steps.

    Raises:
      RunError: the profile has no run of some group.
    """
    program = read_program(text)
    exchanges = {c.name: c for c in collectives(program)}
    every = [i for part in program.computations.values() for i in part]
    containers = {i.name for i in every if i.opcode in _CONTAINERS}
    taken = {number: [] for number in range(len(plan.groups))}
    widths = dict.fromkeys(taken, 1)
    for spans in devices:
        compute = [
            s
            for s in spans
            if s.operation not in exchanges and s.operation not in containers
        ]
        for span in spans:
            exchange = exchanges.get(span.operation)
            number = group_number(exchange) if exchange else None
            if number in taken:
                widths[number] = max(len(group) for group in exchange.groups)
                seconds = span.end - span.begin
                taken[number].append((seconds, outside(span, compute)))
    missing = [number for number, runs in taken.items() if not runs]
    if missing:
        raise RunError(f"the profile has no run of the groups {missing} of the plan.")
    return [
        _mean(number, plan.groups[number].num_bytes, taken[number], widths[number])
        for number in taken
    ]


def _mean(number: int, num_bytes: int, runs: list, num_devices: int) -> GroupOverlap:
    seconds, exposed = (sum(column) / len(runs) for column in zip(*runs, strict=True))
    carried = 2 * (num_devices - 1) / num_devices * num_bytes
    return GroupOverlap(
        number, num_bytes, seconds, exposed, carried / seconds if seconds else 0.0
    )


def table(found: Sequence[GroupOverlap]) -> str:
    """One line per group, and their sum."""
    lines = ["group         MiB  took [ms]  exposed [ms]  hidden  bus [GB/s]"]
    for one in found:
        lines.append(
            f"{one.number:5d}  {one.num_bytes / 2**20:10.3f}  {1e3 * one.seconds:9.3f}"
            f"  {1e3 * one.exposed_seconds:12.3f}  {one.hidden_share:6.1%}"
            f"  {1e-9 * one.bus_bytes_per_second:10.3f}"
        )
    took = sum(one.seconds for one in found)
    exposed = sum(one.exposed_seconds for one in found)
    hidden = 1 - exposed / took if took else 1.0
    lines.append(
        f"  all {'':10s}  {1e3 * took:9.3f}  {1e3 * exposed:12.3f}  {hidden:6.1%}"
    )
    return "\n".join(lines)
