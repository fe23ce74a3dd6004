"""Step time and efficiency at N devices: compute, network, control plane, jitter.

The slowest rank's compute sets when gradients are there; the control plane says when
all know it; one channel reduces group after group. What ends after the compute makes
the step longer. Noise of the network and of the ranks' background threads is not in it.
"""

import dataclasses

from parallel.compute_timeline import Timeline, fc_densenet
from parallel.jitter import slowdown
from parallel.link_cost import finish_times
from parallel.negotiation import PROTOCOLS
from parallel.scaling_assumptions import Assumptions


@dataclasses.dataclass(frozen=True)
class StepTime:
    """Prediction for one step.

    Attributes:
      num_devices: that share it.
      compute_seconds: of the slowest device.
      exposed_seconds: that communication adds to it.
      efficiency: step time of one device over this one, at equal work per device.
    """

    num_devices: int
    compute_seconds: float
    exposed_seconds: float
    efficiency: float

    @property
    def seconds(self) -> float:
        """Of the whole step."""
        return self.compute_seconds + self.exposed_seconds


def step_time(
    protocol: str,
    num_devices: int,
    assumptions: Assumptions,
    timeline: Timeline | None = None,
) -> StepTime:
    """Predicts one training step.

    Args:
      protocol: one of PROTOCOLS.
      num_devices: that each compute a batch of the same size.
      assumptions: of machine and runs.
      timeline: of the gradients, in the order in which they are ready, negotiated
        about as `assumptions.num_tensors`; the published network's if it is None.

    Raises:
      ValueError: no such protocol, or no device.
    """
    if protocol not in PROTOCOLS:
        choices = ", ".join(PROTOCOLS)
        raise ValueError(f"protocol={protocol!r}: choose one of {choices}.")
    if num_devices < 1:
        raise ValueError(f"num_devices must be 1 or more, got {num_devices}.")
    a = assumptions
    timeline = timeline or fc_densenet(a.forward_share)
    slowest = a.compute_seconds * slowdown(num_devices, a.jitter, a.distribution)
    if num_devices == 1:
        return StepTime(1, slowest, 0.0, 1.0)
    released = PROTOCOLS[protocol](timeline, slowest, num_devices, a)
    ends = finish_times(
        [known for _, known in released],
        [group.num_bytes for group, _ in released],
        lambda size: a.network.all_reduce_seconds(size, num_devices),
    )
    exposed = max(0.0, float(ends[-1]) - slowest)
    efficiency = a.compute_seconds / (slowest + exposed)
    return StepTime(num_devices, slowest, exposed, efficiency)


def efficiency(
    protocol: str,
    num_devices: int,
    assumptions: Assumptions,
    timeline: Timeline | None = None,
) -> float:
    """Step time of one device over that of `num_devices`; as `step_time`."""
    return step_time(protocol, num_devices, assumptions, timeline).efficiency
