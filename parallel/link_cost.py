"""What it costs to send groups of gradients while the backward pass goes on."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class LinkCost:
    """Compute and communication of one step, in seconds.

    Attributes:
      compute_seconds: of the whole program without communication.
      bytes_per_second: at which one device's gradients are reduced; of a ring of n
        devices, the link's bandwidth times n / (2 (n - 1)).
      latency_seconds: of one reduction of nothing.
    """

    compute_seconds: float
    bytes_per_second: float
    latency_seconds: float

    def __post_init__(self):
        """Refuses what no link can be."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            sends = field.name == "bytes_per_second"
            if not (math.isfinite(value) and (value > 0 if sends else value >= 0)):
                least = "positive" if sends else "0 or more"
                raise ValueError(
                    f"{field.name} must be {least} and finite, got {value}."
                )

    def seconds(self, num_bytes: float | np.ndarray) -> float | np.ndarray:
        """Of one reduction of `num_bytes`, or of one of each."""
        return self.latency_seconds + num_bytes / self.bytes_per_second


def finish_times(
    ready_seconds: Sequence[float],
    num_bytes: Sequence[float],
    seconds_of: Callable[[float], float],
) -> np.ndarray:
    """Replays reductions that wait for their gradients and for each other.

    Args:
      ready_seconds: when each group is complete [groups].
      num_bytes: of each group on the wire [groups].
      seconds_of: bytes -> seconds of one reduction.

    Returns:
      When each reduction ends [groups], on one channel that takes them in their order.
    """
    free, ends = 0.0, []
    for ready, size in zip(ready_seconds, num_bytes, strict=True):
        free = max(free, ready) + seconds_of(size)
        ends.append(free)
    return np.array(ends)


def exposed_seconds(
    ready: Sequence[float], num_bytes: Sequence[float], cost: LinkCost
) -> float:
    """Seconds by which communication makes the step longer than its compute.

    Args:
      ready: share of the compute that is done when each group is complete [groups].
      num_bytes: of each group on the wire [groups].
      cost: of the link and of the compute.
    """
    if not len(ready):
        return 0.0
    then = np.asarray(ready) * cost.compute_seconds
    last = finish_times(then, num_bytes, cost.seconds)[-1]
    return max(0.0, float(last) - cost.compute_seconds)


def least_exposed_seconds(
    ready: Sequence[float], num_bytes: Sequence[float], cost: LinkCost
) -> float:
    """Seconds that no grouping of these gradients can hide.

    The gradients from any one on have to be sent after it is there: in one reduction at
    best, for more would cost more latency. A compiled schedule can still expose less,
    if it leaves work that no gradient needs for the end, e.g. unpacking earlier groups.

    Args:
      ready: share of the compute that is done when each gradient is there, in order.
      num_bytes: of each on the wire.
      cost: of the link and of the compute.
    """
    if not len(ready):
        return 0.0
    to_send = np.cumsum(np.asarray(num_bytes, dtype=np.float64)[::-1])[::-1]
    ends = np.asarray(ready) * cost.compute_seconds + cost.seconds(to_send)
    return max(0.0, float(np.max(ends)) - cost.compute_seconds)
