"""How long one round of negotiation lasts when all ranks ask for the same at once."""

from parallel.control_plane.records import LENGTH, NAME, REQUEST, RESPONSE_HEADER
from parallel.control_plane.request_tree import levels
from parallel.control_plane.response_cache import WORD_BYTES, num_words
from parallel.control_plane.superstep import ControlCost


def _list_bytes(num_tensors: float, num_groups: float) -> float:
    return num_groups * RESPONSE_HEADER.itemsize + num_tensors * NAME.itemsize


def coordinator_seconds(
    num_ranks: int, num_tensors: float, cost: ControlCost, num_groups: float = 1
) -> float:
    """Gather of sizes, gather of requests, counting at rank 0, two broadcasts."""
    others = num_ranks - 1
    if not others:
        return num_tensors * cost.record_seconds
    listed = _list_bytes(num_tensors, num_groups)
    requests = others * num_tensors * REQUEST.itemsize
    return (
        cost.superstep(others * LENGTH.itemsize)
        + cost.superstep(requests, num_ranks * num_tensors)
        + others.bit_length()
        * (cost.superstep(LENGTH.itemsize) + cost.superstep(listed))
    )


def tree_seconds(
    num_ranks: int,
    num_tensors: float,
    cost: ControlCost,
    arity: int,
    num_groups: float = 1,
) -> float:
    """The same, where every inner rank counts for those below it."""
    if num_ranks == 1:
        return num_tensors * cost.record_seconds
    listed = _list_bytes(num_tensors, num_groups)
    seconds = 0.0
    for level in levels(num_ranks, arity)[1:]:
        most = min(arity, len(level))
        seconds += cost.superstep(most * LENGTH.itemsize)
        seconds += cost.superstep(
            most * num_tensors * REQUEST.itemsize, (most + 1) * num_tensors
        )
        seconds += cost.superstep(LENGTH.itemsize) + cost.superstep(listed)
    return seconds


def bitvector_seconds(num_ranks: int, num_cached: int, cost: ControlCost) -> float:
    """One all-reduce of the status bits and one bit per cached tensor."""
    rounds = num_ranks.bit_length() - 1
    supersteps = rounds + 2 * (num_ranks > 1 << rounds)
    return supersteps * cost.superstep(WORD_BYTES * num_words(num_cached))
