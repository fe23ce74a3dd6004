"""The coordinator's work shared by the inner ranks of an r-ary tree."""

import functools
from collections.abc import Sequence

import numpy as np

from parallel.control_plane.coordinator import Asked, RequestTable
from parallel.control_plane.readiness import arrivals
from parallel.control_plane.records import (
    LENGTH,
    REQUEST,
    Groups,
    Tensor,
    fuse,
    list_bytes,
)
from parallel.control_plane.superstep import ControlCost, Ledger, Traffic


def levels(num_ranks: int, arity: int) -> list[range]:
    """Ranks by their distance from rank 0, in a heap: parent (i - 1) // arity."""
    found, first, width = [], 0, 1
    while first < num_ranks:
        found.append(range(first, min(first + width, num_ranks)))
        first, width = first + width, width * arity
    return found


def children(rank: int, num_ranks: int, arity: int) -> range:
    """Ranks that report to `rank`."""
    first = arity * rank + 1
    return range(min(first, num_ranks), min(first + arity, num_ranks))


class RequestTree:
    """All ranks of the protocol: each counts for the ranks below it."""

    def __init__(self, ledger: Ledger, fusion_bytes: float, arity: int):
        """Knows how many ranks there are from `ledger`, where it counts."""
        if arity < 1:
            raise ValueError(f"arity must be 1 or more, got {arity}.")
        self._ledger, self._fusion_bytes = ledger, fusion_bytes
        self._arity = arity
        num_ranks = ledger.num_ranks
        self._levels = levels(num_ranks, arity)
        self._children = [children(i, num_ranks, arity) for i in range(num_ranks)]
        self._tables = [RequestTable(len(below) + 1) for below in self._children]

    def _up(self, level: range, num_bytes: Sequence[int]) -> None:
        for rank in level:
            parent = (rank - 1) // self._arity
            self._ledger.send(rank, parent, num_bytes[rank])

    def _down(self, num_bytes: int) -> None:
        for level in self._levels[1:]:
            for rank in level:
                self._ledger.send((rank - 1) // self._arity, rank, num_bytes)
            self._ledger.end_superstep()

    def _count(self, rank: int, reports: list[list[int]], asked: Asked) -> list[int]:
        """Places that are now complete in the tree below `rank`, in a fixed order."""
        below = self._children[rank]
        # A leaf passes on what it has; there is nothing to count.
        if below or rank == 0:
            self._ledger.handle(rank, sum(len(reports[r]) for r in (rank, *below)))
        return sorted(
            place
            for reporter in (rank, *below)
            for place in reports[reporter]
            if self._tables[rank].is_complete(place, reporter, asked(reporter, place))
        )

    def cycle(self, requests: Sequence[Sequence[int]], asked: Asked) -> Groups:
        """One round: sizes up, requests up and counted on the way, list down.

        Args:
          requests: places of the tensors that each rank asks for [rank][...].
          asked: what a rank means by a place.

        Returns:
          What every rank now reduces, as all of them are told.
        """
        ledger, deepest_first = self._ledger, self._levels[:0:-1]
        for level in deepest_first:
            self._up(level, [LENGTH.itemsize] * ledger.num_ranks)
            ledger.end_superstep()
        reports = [list(places) for places in requests]
        for rank in self._levels[-1]:
            reports[rank] = self._count(rank, reports, asked)
        if not deepest_first:
            ledger.end_superstep()
        for level in deepest_first:
            self._up(level, [len(places) * REQUEST.itemsize for places in reports])
            above = self._levels[self._levels.index(level) - 1]
            for rank in above:
                reports[rank] = self._count(rank, reports, asked)
            ledger.end_superstep()
        groups = fuse(reports[0], functools.partial(asked, 0), self._fusion_bytes)
        self._down(LENGTH.itemsize)
        self._down(list_bytes(groups))
        return groups


def run_step(
    tensors: Sequence[Tensor],
    ready: np.ndarray,
    cost: ControlCost,
    *,
    fusion_bytes: float,
    arity: int,
    asked: Asked | None = None,
) -> tuple[list[Groups], Traffic]:
    """Plays one training step; as `coordinator.run_step`, in a tree of `arity`."""
    asked = asked or (lambda rank, place: tensors[place])
    ledger = Ledger(len(ready), cost)
    tree = RequestTree(ledger, fusion_bytes, arity)
    executed: list[list] = [[] for _ in ready]
    for requests in arrivals(ready):
        groups = tree.cycle(requests, asked)
        for done in executed:
            done.extend(groups)
        ledger.end_cycle()
    return [tuple(done) for done in executed], ledger.traffic()
