"""Whether a compiled program does what its reduction plan says.

A plan promises three things: every group is reduced by exchanges of its own, of the
planned bytes; the exchanges of one group follow one another; and exchanges of one kind
are issued in the order of the groups. It leaves open how the stages of neighbouring
groups interleave in a hierarchical reduction: one group may be cut into parts inside
hosts while the one before it is still on its way across. All processes run the one
schedule that was compiled, so whatever is left open is open on none of them.
"""

import re
from typing import NamedTuple

from parallel.compiled import Collective, collectives
from parallel.errors import RunError
from parallel.hlo_program import Array, read_program
from parallel.reduction_plan import COMPRESSED, Group, ReductionPlan
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


def _expected(group: Group, num_inner: int) -> list[tuple[str, tuple[Array, ...]]]:
    """Kinds and results of the exchanges that reduce one group."""
    dtype, size = _HLO_NAMES[group.wire_dtype], sum(group.sizes)
    if num_inner == 1:
        return [("all-reduce", (Array(dtype, (size,)),))]
    part = -(-size // num_inner)
    return [
        ("reduce-scatter", (Array(dtype, (part,)),)),
        ("all-reduce", (Array(dtype, (part,)),)),
        ("all-gather", (Array(dtype, (part * num_inner,)),)),
    ]


def _difference(
    number: int, group: Group, mine: list[Collective], num_inner: int
) -> str | None:
    if group.wire_dtype == COMPRESSED:
        return _difference_in_bytes(number, group, mine)
    expected = _expected(group, num_inner)
    found = [(one.kind, one.arrays) for one in mine]
    # A compiler may give the buffer the shape of its only leaf.
    flat = [(kind, tuple(Array(a.dtype, (a.size,)) for a in x)) for kind, x in found]
    if flat == expected:
        return None
    wanted = f"group {number} should be {_said(expected)}"
    if not mine:
        return f"{wanted}, but has none of its own: it was merged or removed"
    return f"{wanted}, but is {_said(found)}"


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


def check_plan(plan: ReductionPlan, text: str, num_inner: int = 1) -> Verdict:
    """Compares the exchanges of a compiled program with what `plan` promises.

    Args:
      plan: of the reduction that the program was traced with.
      text: optimized HLO of the program.
      num_inner: devices of the inner axis of `reduction.hierarchical`; 1 for
        `reduction.planned`.
    """
    program = read_program(text)
    found = collectives(program)
    differences = []
    if not program.is_scheduled:
        differences.append("the text is not scheduled, so it shows no order")
    planned = [one for one in found if group_number(one) is not None]
    for number, group in enumerate(plan.groups):
        mine = [one for one in planned if group_number(one) == number]
        differences.append(_difference(number, group, mine, num_inner))
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


def require_plan(plan: ReductionPlan, text: str, verify: str) -> Verdict:
    """Refuses a program that does not do what its plan says.

    Args:
      plan: see `check_plan`.
      text: see `check_plan`.
      verify: "error", or "warn" to go on all the same.

    Raises:
      RunError: the plan does not hold and `verify` is "error".
    """
    verdict = check_plan(plan, text)
    if not verdict.holds and verify == "error":
        raise RunError(
            f'{verdict}. config.parallel.verify="{verify}": choose "warn" to train '
            "all the same, or another config.parallel.policy."
        )
    log.log(20 if verdict.holds else 30, "%s", verdict)
    return verdict
