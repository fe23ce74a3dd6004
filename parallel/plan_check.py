"""Whether a compiled program does what its reduction plan says.

A plan promises three things: every group is reduced by exchanges of its own, of the
planned bytes; the exchanges of one group follow one another; and exchanges of one kind
are issued in the order of the groups. It leaves open how the stages of neighbouring
groups interleave in a hierarchical reduction: one group may be cut into parts inside
hosts while the one before it is still on its way across. All processes run the one
schedule that was compiled, so whatever is left open is open on none of them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from parallel.compiled import Collective, collectives
from parallel.errors import RunError
from parallel.hlo_program import Array, read_program
from parallel.reduction_plan import COMPRESSED, Group, ReductionPlan
from parallel.reduction_route import ANYWHERE, Route
from parallel.run_log import log

_HLO_NAMES = {
    "float32": "f32",
    "bfloat16": "bf16",
    "float16": "f16",
    "float64": "f64",
    "int8": "s8",
}
_SCOPE = re.compile(r"\breduction_group_(\d+)\b")


def scope_name(number: int) -> str:
    """Name under which group `number` of a plan is traced, and found again."""
    return f"reduction_group_{number}"


class Verdict(NamedTuple):
    """What was found in a compiled program.

    Attributes:
      differences: one line per way in which it departs from the plan.
      planned: the plan's exchanges, in the order in which they are issued.
      others: every other exchange, e.g. of metrics and batch statistics.
    """

    differences: tuple[str, ...]
    planned: tuple[Collective, ...]
    others: tuple[Collective, ...]

    @property
    def holds(self) -> bool:
        """Whether the program does what the plan says."""
        return not self.differences

    def __str__(self) -> str:
        """Says it in one line."""
        if not self.holds:
            return "the plan does not hold: " + "; ".join(self.differences)
        asynchronous = sum(one.is_asynchronous for one in self.planned)
        return (
            f"the plan holds: {len(self.planned)} groups in their order, "
            f"{asynchronous} of them asynchronous, {len(self.others)} other collectives"
        )


def group_number(collective: Collective) -> int | None:
    """Number of the plan's group that an exchange belongs to, if to any."""
    found = _SCOPE.search(collective.op_name)
    return int(found[1]) if found else None


def _said(exchanges: list[tuple[str, tuple[Array, ...]]]) -> str:
    return ", ".join(f"{kind} of {' + '.join(map(str, x))}" for kind, x in exchanges)


def _expected(group: Group, route: Route) -> list[tuple[str, tuple[Array, ...]]]:
    """Kinds and results of the exchanges that reduce one group."""
    size, expected = sum(group.sizes), []
    for stage in route:
        num_parts = max(stage.before, stage.after)
        part = -(-size // num_parts)
        length = part * num_parts if stage.after == 1 else part
        dtype = _HLO_NAMES[stage.dtype or group.wire_dtype]
        expected.append((stage.kind, (Array(dtype, (length,)),)))
    return expected


def _difference(
    number: int, group: Group, mine: list[Collective], route: Route
) -> str | None:
    if group.wire_dtype == COMPRESSED:
        return _difference_in_bytes(number, group, mine)
    expected = _expected(group, route)
    found = [(one.kind, one.arrays) for one in mine]
    # A compiler may give the buffer the shape of its only leaf.
    flat = [(kind, tuple(Array(a.dtype, (a.size,)) for a in x)) for kind, x in found]
    if flat == expected:
        return _other_peers(number, mine, route)
    wanted = f"group {number} should be {_said(expected) or 'on one device alone'}"
    if not mine:
        return f"{wanted}, but has none of its own: it was merged or removed"
    return f"{wanted}, but is {_said(found)}"


def _other_peers(number: int, mine: list[Collective], route: Route) -> str | None:
    for one, stage in zip(mine, route, strict=True):
        found = {frozenset(peers) for peers in one.groups}
        if stage.peers is not None and found != set(map(frozenset, stage.peers)):
            return (
                f"the {one.kind} of group {number} should join the devices "
                f"{_first_of(stage.peers)}, but joins {_first_of(one.groups)}"
            )
    return None


def _first_of(peers: Sequence[Sequence[int]]) -> str:
    return f"{list(peers[0])}{', ...' if len(peers) > 1 else ''}"


def _has_bytes(collective: Collective) -> bool:
    return any(array.dtype == "s8" for array in collective.arrays)


def _difference_in_bytes(
    number: int, group: Group, mine: list[Collective]
) -> str | None:
    """As `_difference`, of `error_feedback`: bytes out in parts, bytes gathered."""
    narrow = [one for one in mine if _has_bytes(one)]
    num_devices = max((len(g) for one in narrow for g in one.groups), default=1)
    padded = -(-sum(group.sizes) // num_devices) * num_devices
    found = [(one.kind, sum(a.size for a in one.arrays)) for one in narrow]
    if found == [("all-to-all", padded), ("all-gather", padded)]:
        return None
    said = ", ".join(f"{kind} of {size}" for kind, size in found) or "nothing"
    return (
        f"group {number} should be all-to-all and all-gather of {padded} bytes each, "
        f"but is {said}"
    )


def check_plan(plan: ReductionPlan, text: str, route: Route = ANYWHERE) -> Verdict:
    """Compares the exchanges of a compiled program with what `plan` promises.

    Args:
      plan: of the reduction that the program was traced with.
      text: optimized HLO of the program.
      route: of the reduction, from `reduction_route`: `planned_route` and its like also
        compare which devices exchange with each other.
    """
    program = read_program(text)
    found = collectives(program)
    differences = []
    if not program.is_scheduled:
        differences.append("the text is not scheduled, so it shows no order")
    planned = [one for one in found if group_number(one) is not None]
    if all(stage.peers is not None for stage in route):
        # What a device exchanges with itself is no part of any route.
        planned = [one for one in planned if max(map(len, one.groups)) > 1]
    for number, group in enumerate(plan.groups):
        mine = [one for one in planned if group_number(one) == number]
        differences.append(_difference(number, group, mine, route))
    # The units of bytes, one number per device, may go whenever they are known.
    in_bytes = any(group.wire_dtype == COMPRESSED for group in plan.groups)
    ordered = [one for one in planned if _has_bytes(one) or not in_bytes]
    for kind in dict.fromkeys(one.kind for one in ordered):
        order = [group_number(one) for one in ordered if one.kind == kind]
        if order != sorted(order):
            differences.append(f"the {kind}s are issued in the order {order}")
    if len({one.computation for one in planned}) > 1:
        differences.append("the groups are spread over several computations")
    others = [one for one in found if group_number(one) is None]
    return Verdict(tuple(filter(None, differences)), tuple(planned), tuple(others))


def require_plan(
    plan: ReductionPlan, text: str, verify: str, route: Route = ANYWHERE
) -> Verdict:
    """Refuses a program that does not do what its plan says.

    Args:
      plan: see `check_plan`.
      text: see `check_plan`.
      verify: "error", or "warn" to go on all the same.
      route: see `check_plan`.

    Raises:
      RunError: the plan does not hold and `verify` is "error".
      ValueError: `verify` is neither.
    """
    if verify not in ("error", "warn"):
        raise ValueError(f"verify={verify!r}: choose error or warn.")
    verdict = check_plan(plan, text, route)
    if not verdict.holds and verify == "error":
        raise RunError(
            f'{verdict}. config.parallel.verify="{verify}": choose "warn" to train '
            "all the same, or another config.parallel.policy."
        )
    log.log(20 if verdict.holds else 30, "%s", verdict)
    return verdict
