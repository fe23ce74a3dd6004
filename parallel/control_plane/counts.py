"""Traffic of the protocols in closed form: for as many ranks as there are.

Equal to what the played protocols count, which tests prove at small sizes. Every
function takes the cycle in which each rank's tensors are ready [ranks, tensors] and
returns the groups that all ranks reduce, in their order, and the traffic of the step.
"""

import functools
import itertools
from collections.abc import Sequence

import numpy as np

from parallel.control_plane.records import (
    LENGTH,
    REQUEST,
    Groups,
    Tensor,
    fuse,
    list_bytes,
)
from parallel.control_plane.request_tree import levels
from parallel.control_plane.response_cache import WORD_BYTES, num_words
from parallel.control_plane.superstep import ControlCost, Traffic


def coordinator(
    tensors: Sequence[Tensor],
    ready: np.ndarray,
    cost: ControlCost,
    *,
    fusion_bytes: float,
) -> tuple[Groups, Traffic]:
    """One step of `coordinator.run_step`."""
    num_ranks, num_tensors = ready.shape
    others = num_ranks - 1
    cycle = ready.astype(int)
    num_cycles = int(cycle.max()) + 1
    order, complete = _order_at_rank_0(ready, cycle)
    groups = _fuse_by_cycle(order, complete, tensors, fusion_bytes)
    received = np.bincount(cycle[1:].ravel(), minlength=num_cycles) * REQUEST.itemsize
    handled = np.bincount(cycle.ravel(), minlength=num_cycles)
    listed = _list_bytes(groups, num_cycles)
    seconds = handled.sum() * cost.record_seconds
    if others:
        rounds = others.bit_length()
        seconds = np.sum(
            cost.superstep(others * LENGTH.itemsize)
            + cost.superstep(received, handled)
            + rounds * (cost.superstep(LENGTH.itemsize) + cost.superstep(listed))
        )
    num_bytes = received.sum() + others * np.sum(2 * LENGTH.itemsize + listed)
    return _joined(groups), Traffic(
        cycles=num_cycles,
        messages=4 * others * num_cycles,
        num_bytes=int(num_bytes),
        busiest_messages=2 * others * num_cycles,
        busiest_records=num_ranks * num_tensors,
        seconds=float(seconds),
    )


def request_tree(
    tensors: Sequence[Tensor],
    ready: np.ndarray,
    cost: ControlCost,
    *,
    fusion_bytes: float,
    arity: int,
) -> tuple[Groups, Traffic]:
    """One step of `request_tree.run_step`."""
    num_ranks, num_tensors = ready.shape
    others = num_ranks - 1
    own = ready.astype(int)
    num_cycles = int(own.max()) + 1
    complete, seconds = _climb(own, arity, num_cycles, cost)
    order = np.lexsort((np.arange(num_tensors), complete))
    groups = _fuse_by_cycle(order, complete, tensors, fusion_bytes)
    listed = _list_bytes(groups, num_cycles)
    below = levels(num_ranks, arity)[1:]
    seconds += len(below) * np.sum(
        cost.superstep(LENGTH.itemsize) + cost.superstep(listed)
    )
    for level in below:
        most = min(arity, len(level))
        seconds += num_cycles * cost.superstep(most * LENGTH.itemsize)
    at_root = min(arity, others)
    at_next = min(max(others - arity, 0), arity)
    per_cycle = max(2 * at_root, 2 * at_next + 2 * (others > 0))
    num_bytes = others * num_tensors * REQUEST.itemsize
    num_bytes += others * np.sum(2 * LENGTH.itemsize + listed)
    return _joined(groups), Traffic(
        cycles=num_cycles,
        messages=4 * others * num_cycles,
        num_bytes=int(num_bytes),
        busiest_messages=per_cycle * num_cycles,
        busiest_records=(at_root + 1) * num_tensors,
        seconds=float(seconds),
    )


def cached_bitvector(
    tensors: Sequence[Tensor],
    ready: np.ndarray,
    cost: ControlCost,
    *,
    fusion_bytes: float,
    cached: Sequence[int],
) -> tuple[Groups, Traffic]:
    """One step of `Bitvector.step` in which every request hits.

    Args:
      tensors: what is to be reduced.
      ready: cycle in which each rank's tensors are ready [ranks, tensors].
      cost: of the messages.
      fusion_bytes: most bytes of a group.
      cached: places of the tensors by position in the cache.
    """
    num_ranks, num_tensors = ready.shape
    complete = ready.max(axis=0).astype(int)
    num_cycles = int(complete.max()) + 1
    position = np.argsort(cached)
    order = np.lexsort((position, complete))
    groups = _fuse_by_cycle(order, complete, tensors, fusion_bytes)
    num_bytes = num_words(num_tensors) * WORD_BYTES
    rounds = num_ranks.bit_length() - 1
    rest = num_ranks - (1 << rounds)
    messages = (rounds << rounds) + 2 * rest
    supersteps = rounds + 2 * (rest > 0)
    return _joined(groups), Traffic(
        cycles=num_cycles,
        messages=messages * num_cycles,
        num_bytes=messages * num_bytes * num_cycles,
        busiest_messages=(rounds + (rest > 0)) * num_cycles,
        busiest_records=0,
        seconds=num_cycles * supersteps * cost.superstep(num_bytes),
    )


def _order_at_rank_0(
    ready: np.ndarray, cycle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Tensors in the order in which their last request is counted, and its cycle."""
    num_ranks, num_tensors = ready.shape
    complete = cycle.max(axis=0)
    # Rank 0 counts rank by rank: among those of the last cycle, the last rank decides.
    last = num_ranks - 1 - np.argmax((cycle == complete)[::-1], axis=0)
    time = ready[last, np.arange(num_tensors)]
    return np.lexsort((time, last, complete)), complete


def _climb(
    own: np.ndarray, arity: int, num_cycles: int, cost: ControlCost
) -> tuple[np.ndarray, float]:
    """When tensors are complete at the root, and how long the requests climb.

    Args:
      own: cycle in which each rank's tensors are ready [ranks, tensors].
      arity: of the tree.
      num_cycles: of the step.
      cost: of the messages.

    Returns:
      Cycles [tensors], and the seconds of all supersteps in which requests climb.
    """
    by_level = levels(len(own), arity)
    if len(by_level) == 1:
        return own[0], own.size * cost.record_seconds
    seconds = 0.0
    below = own[by_level[-1]]
    per_record = REQUEST.itemsize / cost.bytes_per_second + cost.record_seconds
    for level in by_level[-2::-1]:
        parent = np.arange(len(below)) // arity
        at = own[level].copy()
        num_parents = int(parent[-1]) + 1
        # How long each parent is busy in each cycle [parents, cycles].
        busy = per_record * _histogram(below, parent, num_parents, num_cycles)
        parents = np.arange(num_parents)
        counted = _histogram(at[:num_parents], parents, num_parents, num_cycles)
        busy += cost.record_seconds * counted
        seconds += num_cycles * cost.latency_seconds + busy.max(axis=0).sum()
        np.maximum.at(at, parent, below)
        below = at
    return below[0], float(seconds)


def _histogram(
    cycle: np.ndarray, row: np.ndarray, num_rows: int, num_cycles: int
) -> np.ndarray:
    """Counts [rows, cycles] of the entries of `cycle` [ranks, tensors]."""
    keys = row[:, None] * num_cycles + cycle
    counted = np.bincount(keys.ravel(), minlength=num_rows * num_cycles)
    return counted.reshape(num_rows, num_cycles)


def _fuse_by_cycle(
    order: np.ndarray,
    complete: np.ndarray,
    tensors: Sequence[Tensor],
    fusion_bytes: float,
) -> dict[int, Groups]:
    """Groups per cycle: what is complete in different cycles never travels together."""
    return {
        int(cycle): fuse(map(int, places), tensors.__getitem__, fusion_bytes)
        for cycle, places in itertools.groupby(order, key=complete.__getitem__)
    }


def _list_bytes(groups: dict[int, Groups], num_cycles: int) -> np.ndarray:
    found = np.zeros(num_cycles)
    for cycle, listed in groups.items():
        found[cycle] = list_bytes(listed)
    return found


def _joined(groups: dict[int, Groups]) -> Groups:
    return functools.reduce(tuple.__add__, groups.values(), ())
