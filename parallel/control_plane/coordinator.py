"""One rank hears all requests and tells all ranks what to reduce."""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from parallel.control_plane.message_passing import broadcast, gather
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
from parallel.errors import RunError

_NAMED = 4  # ranks in an error message

# What rank asks for at a place of the list of tensors.
Asked = Callable[[int, int], Tensor]


class RequestTable:
    """Counts, per tensor, who has asked, and refuses requests that differ."""

    def __init__(self, num_reporters: int):
        """A tensor is complete when `num_reporters` have asked for it."""
        self._num_reporters = num_reporters
        self._asked: dict[int, list[tuple[int, Tensor]]] = {}

    def is_complete(self, place: int, rank: int, tensor: Tensor) -> bool:
        """Counts one request; true if it is the last of its tensor.

        Raises:
          RunError: the ranks that asked for the tensor mean different things.
        """
        asked = self._asked.setdefault(place, [])
        asked.append((rank, tensor))
        if len(asked) < self._num_reporters:
            return False
        del self._asked[place]
        _check_agreement(asked)
        return True


def _check_agreement(asked: list[tuple[int, Tensor]]) -> None:
    ranks_of: dict[str, list[int]] = {}
    for rank, tensor in asked:
        ranks_of.setdefault(str(tensor), []).append(rank)
    if len(ranks_of) == 1:
        return
    sides = []
    for meant, ranks in ranks_of.items():
        named = ", ".join(map(str, ranks[:_NAMED]))
        more = f" and {len(ranks) - _NAMED} more" if len(ranks) > _NAMED else ""
        sides.append(f"{meant} on rank {named}{more}")
    raise RunError(
        f"tensor {asked[0][1].name!r} is {'; '.join(sides)}: "
        "make all ranks build the same network."
    )


class Coordinator:
    """Rank 0 of the protocol, and the way to it and back."""

    def __init__(self, ledger: Ledger, fusion_bytes: float):
        """Knows how many ranks there are from `ledger`, where it counts."""
        self._ledger, self._fusion_bytes = ledger, fusion_bytes
        self._table = RequestTable(ledger.num_ranks)

    def cycle(self, requests: Sequence[Sequence[int]], asked: Asked) -> Groups:
        """One round: gather sizes, gather requests, count, fuse, broadcast.

        Args:
          requests: places of the tensors that each rank asks for [rank][...], in the
            order in which they became ready there.
          asked: what a rank means by a place.

        Returns:
          What every rank now reduces, as all of them are told.
        """
        ledger = self._ledger
        gather(ledger, [LENGTH.itemsize] * ledger.num_ranks)
        ledger.end_superstep()
        gather(ledger, [len(places) * REQUEST.itemsize for places in requests])
        complete = []
        for rank, places in enumerate(requests):
            ledger.handle(0, len(places))
            for place in places:
                if self._table.is_complete(place, rank, asked(rank, place)):
                    complete.append(place)
        ledger.end_superstep()
        groups = fuse(complete, functools.partial(asked, 0), self._fusion_bytes)
        broadcast(ledger, LENGTH.itemsize)
        broadcast(ledger, list_bytes(groups))
        return groups


def run_step(
    tensors: Sequence[Tensor],
    ready: np.ndarray,
    cost: ControlCost,
    *,
    fusion_bytes: float,
    asked: Asked | None = None,
) -> tuple[list[Groups], Traffic]:
    """Plays one training step.

    Args:
      tensors: what is to be reduced.
      ready: cycle in which each rank's tensors are ready [ranks, tensors].
      cost: of the messages.
      fusion_bytes: most bytes of a group.
      asked: what a rank asks for, where that is not `tensors`.

    Returns:
      The groups that each rank reduced, in its order [ranks], and the traffic.

    Raises:
      RunError: ranks ask for different things by one name.
    """
    asked = asked or (lambda rank, place: tensors[place])
    ledger = Ledger(len(ready), cost)
    coordinator = Coordinator(ledger, fusion_bytes)
    executed: list[list] = [[] for _ in ready]
    for requests in arrivals(ready):
        groups = coordinator.cycle(requests, asked)
        for done in executed:
            done.extend(groups)
        ledger.end_cycle()
    return [tuple(done) for done in executed], ledger.traffic()
