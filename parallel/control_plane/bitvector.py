"""Ranks agree by one all-reduce of bits on what is ready at all of them."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from parallel.control_plane.coordinator import Asked, Coordinator
from parallel.control_plane.message_passing import all_reduce
from parallel.control_plane.readiness import arrivals
from parallel.control_plane.records import Groups, Tensor, fuse
from parallel.control_plane.response_cache import (
    CAPACITY,
    STATUS_BITS,
    Lookup,
    ResponseCache,
    pack,
    unpack,
)
from parallel.control_plane.superstep import ControlCost, Ledger, Traffic

_UNCACHED, _INVALID = 1, 2  # bits of the status; 0 is shut down, which no step sets


@dataclasses.dataclass
class CacheCounts:
    """What the caches saw in one step.

    Attributes:
      hits: requests of all ranks that were cached as they are.
      misses: requests that were not cached.
      invalid: requests that were cached with another shape or type.
      invalidations: second all-reduces.
      coordinator_cycles: cycles in which rank 0 was asked.
    """

    hits: int = 0
    misses: int = 0
    invalid: int = 0
    invalidations: int = 0
    coordinator_cycles: int = 0


class Bitvector:
    """All ranks of the protocol, from step to step."""

    def __init__(
        self,
        num_ranks: int,
        cost: ControlCost,
        *,
        fusion_bytes: float,
        capacity: int = CAPACITY,
    ):
        """Starts with empty caches, so the first step asks rank 0."""
        self._cost, self._fusion_bytes = cost, fusion_bytes
        self._caches = [ResponseCache(capacity) for _ in range(num_ranks)]
        self._waiting: list[list[int]] = [[] for _ in range(num_ranks)]
        self.counts = CacheCounts()

    def step(
        self,
        tensors: Sequence[Tensor],
        ready: np.ndarray,
        asked: Asked | None = None,
    ) -> tuple[list[Groups], Traffic]:
        """Plays one training step; `counts` is then of this step.

        Args:
          tensors: what is to be reduced.
          ready: cycle in which each rank's tensors are ready [ranks, tensors].
          asked: what a rank asks for, where that is not `tensors`.

        Returns:
          The groups that each rank reduced, in its order [ranks], and the traffic.

        Raises:
          RunError: ranks ask for different things by one name.
        """
        asked = asked or (lambda rank, place: tensors[place])
        ledger = Ledger(len(self._caches), self._cost)
        coordinator = Coordinator(ledger, self._fusion_bytes)
        self.counts = CacheCounts()
        executed: list[list] = [[] for _ in self._caches]
        for requests in arrivals(ready):
            self._count_lookups(requests, asked)
            for waiting, places in zip(self._waiting, requests, strict=True):
                waiting.extend(places)
            decided = self._cycle(ledger, coordinator, asked)
            for done, groups in zip(executed, decided, strict=True):
                done.extend(groups)
            ledger.end_cycle()
        return [tuple(done) for done in executed], ledger.traffic()

    def _look_up(self, rank: int, place: int, asked: Asked) -> Lookup:
        return self._caches[rank].look_up(place, asked(rank, place))

    def _count_lookups(self, requests: list[list[int]], asked: Asked) -> None:
        for rank, places in enumerate(requests):
            found = [self._look_up(rank, place, asked) for place in places]
            self.counts.hits += found.count(Lookup.HIT)
            self.counts.misses += found.count(Lookup.MISS)
            self.counts.invalid += found.count(Lookup.INVALID)

    def _bits(self, rank: int, asked: Asked) -> tuple[np.ndarray, np.ndarray]:
        """This rank's bits for AND (status inverted, then hits) and for OR."""
        found = {p: self._look_up(rank, p, asked) for p in self._waiting[rank]}
        places = self._caches[rank].places
        hits = [found.get(place) is Lookup.HIT for place in places]
        invalid = [found.get(place) is Lookup.INVALID for place in places]
        # Inverted, so that AND keeps a status of which any rank complains.
        status = [True, Lookup.MISS not in found.values(), not any(invalid)]
        return np.array(status + hits), np.array([False] * STATUS_BITS + invalid)

    def _cycle(
        self, ledger: Ledger, coordinator: Coordinator, asked: Asked
    ) -> list[Groups]:
        """One round; each rank decides alone, from what it received and remembers."""
        ranks = range(len(self._caches))
        num_bits = STATUS_BITS + len(self._caches[0])
        own = [self._bits(rank, asked) for rank in ranks]
        words = all_reduce(ledger, np.stack([pack(b) for b, _ in own]), np.bitwise_and)
        agreed = [unpack(row, num_bits) for row in words]
        decided = [self._take_agreed(rank, agreed[rank], asked) for rank in ranks]
        if not agreed[0][_INVALID]:
            self.counts.invalidations += 1
            words = np.stack([pack(bits) for _, bits in own])
            for rank, row in enumerate(all_reduce(ledger, words, np.bitwise_or)):
                invalid = unpack(row, num_bits)[STATUS_BITS:]
                self._caches[rank].erase(np.flatnonzero(invalid))
        if not (agreed[0][_UNCACHED] and agreed[0][_INVALID]):
            self.counts.coordinator_cycles += 1
            groups = coordinator.cycle(self._take_uncached(asked), asked)
            for rank in ranks:
                decided[rank] += groups
                for place in (place for group in groups for place in group):
                    self._caches[rank].insert(place, asked(rank, place))
        return decided

    def _take_agreed(self, rank: int, agreed: np.ndarray, asked: Asked) -> Groups:
        """What is ready everywhere, in the order of the cache, no longer waits."""
        places = self._caches[rank].places
        taken = [places[i] for i in np.flatnonzero(agreed[STATUS_BITS:])]
        waiting = self._waiting[rank]
        self._waiting[rank] = [place for place in waiting if place not in taken]
        return fuse(taken, functools.partial(asked, rank), self._fusion_bytes)

    def _take_uncached(self, asked: Asked) -> list[list[int]]:
        """What each rank must ask rank 0 for; that waits there and no longer here."""
        requests = []
        for rank, waiting in enumerate(self._waiting):
            found = {p: self._look_up(rank, p, asked) for p in waiting}
            requests.append([p for p in waiting if found[p] is Lookup.MISS])
            self._waiting[rank] = [p for p in waiting if found[p] is not Lookup.MISS]
        return requests
