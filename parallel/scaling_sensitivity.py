"""What each assumption is worth: halved and doubled."""

import dataclasses
import textwrap

from parallel.compute_timeline import Timeline
from parallel.scaling_assumptions import Assumptions, numeric_fields
from parallel.scaling_model import efficiency

COMPARED = ("coordinator", "bitvector", "static plan")
FACTORS = (0.5, 2.0)
_LEAST_PRINTED = 0.5e-4  # half of the last digit of a table in points


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """One assumption changed, all others kept; nothing is fitted again.

    Attributes:
      name: of the assumption.
      factor: by which it was multiplied.
      efficiency: of each protocol of COMPARED then.
      change: from the efficiency before, the same order.
    """

    name: str
    factor: float
    efficiency: tuple[float, ...]
    change: tuple[float, ...]


def _all_efficiencies(
    num_devices: int, a: Assumptions, timeline: Timeline | None
) -> tuple[float, ...]:
    return tuple(efficiency(p, num_devices, a, timeline) for p in COMPARED)


def sensitivities(
    num_devices: int, assumptions: Assumptions, timeline: Timeline | None = None
) -> list[Sensitivity]:
    """Every number of the assumptions, halved and doubled, the weightiest first.

    Weight is what it changes for bitvector or plan; for the coordinator, at a tie.

    Args:
      num_devices: at which efficiencies are compared.
      assumptions: that are changed, one at a time.
      timeline: as of `scaling_model.step_time`; one that is given has its forward
        pass in it, and `forward_share` then changes nothing.
    """
    before = _all_efficiencies(num_devices, assumptions, timeline)
    found = []
    for name in numeric_fields():
        for factor in FACTORS:
            value = getattr(assumptions, name)
            value = type(value)(value * factor)
            changed = dataclasses.replace(assumptions, **{name: value})
            after = _all_efficiencies(num_devices, changed, timeline)
            change = tuple(x - y for x, y in zip(after, before, strict=True))
            found.append(Sensitivity(name, factor, after, change))
    weight = {name: (0.0, 0.0) for name in numeric_fields()}
    for s in found:
        coordinator, *others = map(abs, s.change)
        weight[s.name] = max(weight[s.name], (max(others), coordinator))
    return sorted(found, key=lambda s: weight[s.name], reverse=True)


def table(found: list[Sensitivity]) -> str:
    """Prints one line per assumption and factor: change of efficiency in points.

    Those that change nothing that would be printed share the last line.
    """
    lines = [
        f"{'assumption':26s} {'times':>5s}" + "".join(f"{p:>13s}" for p in COMPARED)
    ]
    told = {s.name for s in found if max(map(abs, s.change)) >= _LEAST_PRINTED}
    for s in found:
        if s.name in told:
            changes = "".join(f"{100 * change:+13.2f}" for change in s.change)
            lines.append(f"{s.name:26s} {s.factor:5g}{changes}")
    # Once each, and in order.
    if idle := dict.fromkeys(s.name for s in found if s.name not in told):
        lines.append(textwrap.fill(f"nothing: {', '.join(idle)}", 80))
    return "\n".join(lines)
