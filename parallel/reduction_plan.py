"""The plan of a gradient reduction: what travels together, in which order, how wide."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parallel import grouping
from parallel.link_cost import LinkCost, exposed_seconds, finish_times
from parallel.production_order import Gradient

_MIB = 1 << 20
FORMAT_VERSION = 1
POLICIES = ("optimal", "per_block", "byte_bounds", "chunks", "per_leaf", "one")
WIRE_DTYPES = ("float32", "bfloat16", "float16")
# Of each policy: settings that it must have, and may have.
_SETTINGS = {
    "chunks": (("num_groups",), ()),
    "byte_bounds": (("first", "largest", "last"), ()),
    "optimal": ((), ("tolerance",)),
}
COMPRESSED = "int8"  # only with the memory that `parallel.error_feedback` keeps


@dataclasses.dataclass(frozen=True)
class Group:
    """Gradients that are reduced as one buffer.

    Attributes:
      names: of the leaves, in the order in which they stand in the buffer.
      sizes: elements of each leaf.
      wire_dtype: in which they travel.
      ready: share of the step's compute that is done when the last one is there.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    wire_dtype: str
    ready: float

    @property
    def num_bytes(self) -> int:
        """On the wire, one copy."""
        return sum(self.sizes) * _itemsize(self.wire_dtype)


@dataclasses.dataclass(frozen=True)
class ReductionPlan:
    """Groups of gradients in the order in which they are reduced.

    Attributes:
      policy: how it was made, for people.
      groups: first to travel first.
    """

    policy: str
    groups: tuple[Group, ...]

    @property
    def num_bytes(self) -> int:
        """Of all groups on the wire, one copy."""
        return sum(group.num_bytes for group in self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all leaves, in the order in which they travel."""
        return tuple(name for group in self.groups for name in group.names)

    def digest(self) -> str:
        """SHA-256 of everything that processes must agree on."""
        fixed = [[g.names, g.sizes, g.wire_dtype] for g in self.groups]
        text = json.dumps([FORMAT_VERSION, fixed], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> str:
        """The plan as text; `from_json` reads it."""
        content = {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}
        return json.dumps(content, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "ReductionPlan":
        """Reads what `to_json` wrote.

        Raises:
          ValueError: the text is of another format, or no plan.
        """
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("the text is no plan: make the plan again.")
        version = content.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise ValueError(
                f"a plan of format_version {version} cannot be read; "
                f"this code writes {FORMAT_VERSION}: make the plan again."
            )
        try:
            groups = tuple(
                Group(tuple(g["names"]), tuple(g["sizes"]), g["wire_dtype"], g["ready"])
                for g in content["groups"]
            )
            return cls(content["policy"], groups)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"the text is no whole plan ({error!r}): make the plan again."
            ) from error

    def exposed_seconds(self, cost: LinkCost) -> float:
        """Predicted seconds that the reductions add to the compute of a step."""
        return exposed_seconds(*self._timeline(), cost)

    def hidden_share(self, cost: LinkCost) -> float:
        """Predicted share of the communication that runs beside compute."""
        _, num_bytes = self._timeline()
        sending = float(np.sum(cost.seconds(np.array(num_bytes))))
        return 1 - self.exposed_seconds(cost) / sending if sending else 1.0

    def _timeline(self) -> tuple[list[float], list[int]]:
        return [g.ready for g in self.groups], [g.num_bytes for g in self.groups]

    def table(self, cost: LinkCost | None = None) -> str:
        """Prints one line per group; with a cost, when each begins and ends."""
        lines = [
            f"plan {self.digest()[:16]}, policy {self.policy}: {len(self.groups)} "
            f"groups, {len(self.names)} tensors, {self.num_bytes / 1e6:,.1f} MB",
            "group  ready  tensors        MiB  dtype     "
            + ("    ends [ms]  exposed [ms]  " if cost else "")
            + "first ... last",
        ]
        ends = []
        if cost:
            ready, num_bytes = self._timeline()
            then = np.array(ready) * cost.compute_seconds
            ends = finish_times(then, num_bytes, cost.seconds)
        for number, group in enumerate(self.groups):
            line = (
                f"{number:5d}  {group.ready:5.1%}  {len(group.names):7d} "
                f"{group.num_bytes / _MIB:10.3f}  {group.wire_dtype:10s}"
            )
            if cost:
                late = max(0.0, float(ends[number]) - cost.compute_seconds)
                line += f"{1e3 * ends[number]:11.3f}  {1e3 * late:12.3f}  "
            ends_of_group = dict.fromkeys((group.names[0], group.names[-1]))
            lines.append(line + " ... ".join(ends_of_group))
        if cost:
            lines.append(
                f"predicted: {1e3 * self.exposed_seconds(cost):.3f} ms exposed beside "
                f"{1e3 * cost.compute_seconds:.3f} ms of compute, "
                f"{self.hidden_share(cost):.1%} of the communication hidden"
            )
        return "\n".join(lines)


def _itemsize(dtype: str) -> int:
    # numpy does not know bfloat16 by name.
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def wire_bytes(gradients: Sequence[Gradient], wire_dtype: str | None) -> list[int]:
    """Bytes of every gradient on the wire."""
    return [g.size * _itemsize(wire_dtype or g.dtype) for g in gradients]


def make_plan(
    gradients: Sequence[Gradient],
    policy: str = "optimal",
    *,
    wire_dtype: str | None = None,
    cost: LinkCost | None = None,
    block_of: Callable[[str], str] = grouping.top_level_block,
    **settings: Any,
) -> ReductionPlan:
    """Groups gradients by a policy.

    Args:
      gradients: in production order, from `production_order`.
      policy: one of POLICIES; "chunks" has the setting num_groups, "byte_bounds" has
        first, largest and last.
      wire_dtype: in which gradients travel, one of WIRE_DTYPES or COMPRESSED; None: as
        they are.
      cost: of the link; needed for "optimal".
      block_of: name of a leaf -> its block, for "per_block".
      **settings: of the policy.

    Raises:
      ValueError: unknown policy or type, a setting that the policy lacks or must have,
        or gradients that no mean can be taken of.
    """
    if wire_dtype not in (None, *WIRE_DTYPES, COMPRESSED):
        choices = ", ".join((*WIRE_DTYPES, COMPRESSED))
        raise ValueError(f"wire_dtype={wire_dtype!r}: choose one of {choices}.")
    _check(gradients, policy, cost, settings)
    num_bytes = wire_bytes(gradients, wire_dtype)
    makers = {
        "per_leaf": lambda: grouping.per_leaf(gradients),
        "one": lambda: grouping.one_group(gradients),
        "per_block": lambda: grouping.per_block(gradients, block_of),
        "chunks": lambda: grouping.chunks(gradients, **settings),
        "byte_bounds": lambda: grouping.byte_bounds(gradients, num_bytes, **settings),
        "optimal": lambda: grouping.optimal(gradients, num_bytes, cost, **settings),
    }
    described = "".join(f" {name}={value}" for name, value in settings.items())
    groups = [
        group
        for places in makers[policy]()
        for group in _groups_of_one_dtype([gradients[i] for i in places], wire_dtype)
    ]
    return ReductionPlan(policy + described, tuple(groups))


def _check(gradients, policy: str, cost: LinkCost | None, settings: dict) -> None:
    if policy not in POLICIES:
        raise ValueError(f"policy={policy!r}: choose one of {', '.join(POLICIES)}.")
    if policy == "optimal" and cost is None:
        raise ValueError('policy="optimal" needs the cost of the link.')
    required, optional = _SETTINGS.get(policy, ((), ()))
    for name in required:
        if name not in settings:
            raise ValueError(f"policy={policy!r}: needs the setting {name}.")
    for name in settings:
        if name not in (*required, *optional):
            known = ", ".join((*required, *optional)) or "none"
            raise ValueError(f"{name}: the settings of policy={policy!r} are {known}.")
    for gradient in gradients:
        if not gradient.dtype.startswith(("float", "bfloat")):
            raise ValueError(
                f"{gradient.name} is of {gradient.dtype}: the mean of whole numbers is "
                "none; leave it out of what is differentiated."
            )


def _groups_of_one_dtype(
    gradients: Sequence[Gradient], wire_dtype: str | None
) -> list[Group]:
    """Groups of one type each, as a buffer holds; first ready, first to travel."""
    by_dtype = {}
    for gradient in gradients:
        by_dtype.setdefault(wire_dtype or gradient.dtype, []).append(gradient)
    groups = [
        Group(
            names=tuple(g.name for g in members),
            sizes=tuple(math.prod(g.shape) for g in members),
            wire_dtype=dtype,
            ready=max(g.ready for g in members),
        )
        for dtype, members in by_dtype.items()
    ]
    return sorted(groups, key=lambda group: group.ready)
