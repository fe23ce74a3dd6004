"""Which gradients travel together: every policy is a pure function of their order.

All take gradients in production order and return groups of their places in it; the
groups come in the order in which they are complete.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from parallel.link_cost import LinkCost
from parallel.production_order import Gradient

Groups = list[list[int]]


def top_level_block(name: str) -> str:
    """The first part of a path: "block_2" of "block_2/conv/kernel"."""
    return name.split("/", 1)[0]


def per_leaf(gradients: Sequence[Gradient]) -> Groups:
    """Every gradient travels alone."""
    return [[place] for place in range(len(gradients))]


def one_group(gradients: Sequence[Gradient]) -> Groups:
    """All gradients travel together, when the last is there."""
    return [list(range(len(gradients)))] if gradients else []


def per_block(
    gradients: Sequence[Gradient], block_of: Callable[[str], str] = top_level_block
) -> Groups:
    """One group per block of the network (the default of arXiv:1909.11150).

    Args:
      gradients: in production order.
      block_of: name of a leaf -> its block.
    """
    blocks = {}
    for place, gradient in enumerate(gradients):
        blocks.setdefault(block_of(gradient.name), []).append(place)
    return sorted(blocks.values(), key=lambda places: places[-1])


def chunks(gradients: Sequence[Gradient], num_groups: int) -> Groups:
    """Contiguous groups of equal numbers of gradients, as near as may be."""
    if num_groups < 1:
        raise ValueError(f"num_groups must be 1 or more, got {num_groups}.")
    places = np.array_split(np.arange(len(gradients)), num_groups)
    return [part.tolist() for part in places if len(part)]


def byte_bounds(
    gradients: Sequence[Gradient],
    num_bytes: Sequence[int],
    *,
    first: int,
    largest: int,
    last: int,
) -> Groups:
    """Fills contiguous groups up to a number of bytes.

    The first group is small so that the link starts early, the last one so that
    little is left to send when the compute is over.

    Args:
      gradients: in production order.
      num_bytes: of each on the wire.
      first: most bytes of the first group; a single gradient may exceed any bound.
      largest: most bytes of a group.
      last: most bytes of the last group.
    """
    if min(first, largest, last) < 1:
        raise ValueError(f"bounds must be positive: {first=}, {largest=}, {last=}.")
    sizes = np.asarray(num_bytes, dtype=np.int64)
    tail = np.cumsum(sizes[::-1])
    in_last = max(1, int(np.searchsorted(tail, last, side="right")))
    middle = max(len(gradients) - in_last, 0)
    groups, filled = [], np.inf
    for place in range(middle):
        bound = first if len(groups) == 1 else largest
        if filled + sizes[place] > bound:
            groups.append([])
            filled = 0
        groups[-1].append(place)
        filled += sizes[place]
    rest = list(range(middle, len(gradients)))
    return [*groups, rest] if rest else groups


def optimal(
    gradients: Sequence[Gradient],
    num_bytes: Sequence[int],
    cost: LinkCost,
    *,
    tolerance: float = 1e-3,
) -> Groups:
    """The fewest contiguous groups that expose as little communication as any.

    Dynamic programming: the soonest end of the first i gradients in k groups is the
    soonest over every place where the last of these groups may begin, because ending
    earlier never makes a later group end later.

    Args:
      gradients: in production order.
      num_bytes: of each on the wire.
      cost: of the link and of the compute.
      tolerance: exposed time that fewer groups may cost, as a share of the compute.
    """
    count = len(gradients)
    if count == 0:
        return []
    total = np.concatenate([[0.0], np.cumsum(num_bytes, dtype=np.float64)])
    ready = np.array([g.ready for g in gradients]) * cost.compute_seconds
    # sending[i, j]: a group of gradients j .. i.
    sending = cost.seconds(total[1:, None] - total[None, :-1])
    sending[np.triu_indices(count, 1)] = np.inf
    allowed = max(_soonest_end(ready, sending), cost.compute_seconds)
    allowed += tolerance * cost.compute_seconds
    ends = np.full(count, np.inf)
    ends[0] = 0.0  # of the gradients before j, none yet
    begins, soonest = [], np.inf
    while soonest > allowed:
        candidates = np.maximum(ends[None, :], ready[:, None]) + sending
        begins.append(candidates.argmin(axis=1))
        *until_each, soonest = candidates.min(axis=1)
        ends = np.array([np.inf, *until_each])
    bounds = [count]
    for begin in reversed(begins):
        bounds.append(int(begin[bounds[-1] - 1]))
    return [list(range(a, b)) for a, b in itertools.pairwise(reversed(bounds))]


def _soonest_end(ready: np.ndarray, sending: np.ndarray) -> float:
    """When all can be sent, in as many groups as it takes [seconds]."""
    ends = np.zeros(len(ready) + 1)
    for i in range(len(ready)):
        ends[i + 1] = np.min(np.maximum(ends[: i + 1], ready[i]) + sending[i, : i + 1])
    return float(ends[-1])
