"""When gradients may be reduced, under each way of finding that out."""

from collections.abc import Callable, Sequence

from parallel.compute_timeline import (
    ReadyGradient,
    Timeline,
    by_block,
    in_buckets,
    together,
)
from parallel.control_plane import rounds
from parallel.scaling_assumptions import Assumptions

# Gradients and the second at which all ranks know that they are there.
Released = list[tuple[ReadyGradient, float]]


def negotiate(
    gradients: Sequence[ReadyGradient],
    ready_seconds: Sequence[float],
    *,
    cycle_seconds: float,
    round_seconds: Callable[[int], float],
    fusion_bytes: float,
) -> Released:
    """Groups, and when all ranks know that these are there.

    A round takes all that is ready when it begins, half a cycle after the first on
    average, never before the round before is over, nor in the same cycle.

    Args:
      gradients: in the order in which they are ready.
      ready_seconds: at the slowest rank.
      cycle_seconds: between rounds.
      round_seconds: number of gradients -> seconds of a round.
      fusion_bytes: most bytes that gradients of one round travel together in.
    """
    released, begin, free = [], 0, 0.0
    while begin < len(gradients):
        start = max(free, ready_seconds[begin] + cycle_seconds / 2)
        end = begin
        while end < len(gradients) and ready_seconds[end] <= start:
            end += 1
        known = start + round_seconds(end - begin)
        fused = _fuse(gradients[begin:end], fusion_bytes)
        released += [(gradient, known) for gradient in fused]
        begin, free = end, max(known, start + cycle_seconds)
    return released


def _fuse(
    gradients: Sequence[ReadyGradient], fusion_bytes: float
) -> list[ReadyGradient]:
    groups: list[list[ReadyGradient]] = []
    for gradient in gradients:
        members = [*groups[-1], gradient] if groups else []
        if members and together(members).num_bytes <= fusion_bytes:
            groups[-1] = members
        else:
            groups.append([gradient])
    return [together(members) for members in groups]


def _tensor_by_tensor(
    timeline: Timeline,
    slowest: float,
    a: Assumptions,
    round_seconds: Callable[[float], float],
) -> Released:
    # Tensors that the timeline does not size are spread over those that it does.
    per_gradient = a.num_tensors / len(timeline)
    return negotiate(
        timeline,
        [gradient.ready * slowest for gradient in timeline],
        cycle_seconds=a.coordinator_cycle_seconds,
        round_seconds=lambda count: round_seconds(count * per_gradient),
        fusion_bytes=a.coordinator_fusion_bytes,
    )


def _by_coordinator(
    timeline: Timeline, slowest: float, n: int, a: Assumptions
) -> Released:
    def seconds(num_tensors):
        return rounds.coordinator_seconds(n, num_tensors, a.control_cost)

    return _tensor_by_tensor(timeline, slowest, a, seconds)


def _by_tree(timeline: Timeline, slowest: float, n: int, a: Assumptions) -> Released:
    def seconds(num_tensors):
        return rounds.tree_seconds(n, num_tensors, a.control_cost, a.tree_arity)

    return _tensor_by_tensor(timeline, slowest, a, seconds)


def _by_bitvector(
    timeline: Timeline, slowest: float, n: int, a: Assumptions
) -> Released:
    groups = by_block(timeline)
    return negotiate(
        groups,
        [group.ready * slowest for group in groups],
        cycle_seconds=a.bitvector_cycle_seconds,
        round_seconds=lambda _: rounds.bitvector_seconds(
            n, a.num_tensors, a.control_cost
        ),
        fusion_bytes=a.bitvector_fusion_bytes,
    )


def _by_plan(timeline: Timeline, slowest: float, n: int, a: Assumptions) -> Released:
    return [(group, group.ready * slowest) for group in by_block(timeline)]


def _by_buckets(timeline: Timeline, slowest: float, n: int, a: Assumptions) -> Released:
    buckets = in_buckets(timeline, a.first_bucket_bytes, a.bucket_bytes)
    return [(bucket, bucket.ready * slowest) for bucket in buckets]


# Timeline, slowest rank's compute [s], devices, assumptions -> what goes out when.
PROTOCOLS = {
    "coordinator": _by_coordinator,
    "tree": _by_tree,
    "bitvector": _by_bitvector,
    "static plan": _by_plan,
    "DDP buckets": _by_buckets,
}
