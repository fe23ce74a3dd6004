"""When the tensors of every rank are ready, in cycles of the control plane."""

import numpy as np


def jittered(
    num_ranks: int,
    num_tensors: int,
    *,
    num_cycles: float,
    jitter: float,
    seed: int,
    first: float = 1 / 3,
) -> np.ndarray:
    """Draws the cycle in which each rank's tensors are ready.

    Args:
      num_ranks: ranks.
      num_tensors: tensors, ready at equal distances in this order but for jitter.
      num_cycles: when the last one is ready without jitter.
      jitter: standard deviation, as a share of the time, of every tensor at every
        rank on its own; of more than 1 / num_tensors it turns neighbours round.
      seed: of the draw.
      first: share of the step before the first tensor: the forward pass.

    Returns:
      Cycles since the step began [ranks, tensors], float64, not negative.
    """
    generator = np.random.default_rng(seed)
    even = np.linspace(first, 1, num_tensors) * num_cycles
    noise = generator.standard_normal((num_ranks, num_tensors))
    return np.maximum(even * (1 + jitter * noise), 0.0)


def arrivals(ready: np.ndarray) -> list[list[list[int]]]:
    """Lists what becomes ready [cycle][rank], first first; none but the last is late.

    Args:
      ready: cycle in which each rank's tensors are ready [ranks, tensors].
    """
    num_cycles = int(ready.max()) + 1
    listed = [[[] for _ in ready] for _ in range(num_cycles)]
    for rank, times in enumerate(ready):
        for place in np.argsort(times, kind="stable"):
            listed[int(times[place])][rank].append(int(place))
    return listed
