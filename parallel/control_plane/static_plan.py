"""All ranks hold the same plan before the first step and say nothing during it."""

import numpy as np

from parallel.control_plane.readiness import arrivals
from parallel.control_plane.records import Groups
from parallel.control_plane.superstep import Traffic


def run_step(groups: Groups, ready: np.ndarray) -> tuple[list[Groups], Traffic]:
    """Plays one training step.

    Args:
      groups: places of tensors that travel together, first to travel first.
      ready: cycle in which each rank's tensors are ready [ranks, tensors].

    Returns:
      The groups that each rank reduced, in its order [ranks], and no traffic. A rank
      waits for the group whose turn it is, however early another is ready.
    """
    executed: list[list] = [[] for _ in ready]
    arrived: list[set[int]] = [set() for _ in ready]
    for requests in arrivals(ready):
        for rank, places in enumerate(requests):
            arrived[rank].update(places)
            done = executed[rank]
            while len(done) < len(groups) and arrived[rank].issuperset(
                groups[len(done)]
            ):
                done.append(groups[len(done)])
    return [tuple(done) for done in executed], Traffic()
