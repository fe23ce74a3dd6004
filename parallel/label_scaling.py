"""Step time of one pair per label at many processes, beside one pair on all devices.

A model and no measurement. Pairs of different labels exchange nothing, so processes
wait for each other only where the run looks at all of them: when it writes its log. One
pair that is trained on all devices averages its gradients, and waits, in every step.
"""

import dataclasses
import math
from typing import Any

from parallel.jitter import slowdown
from parallel.network_model import ClusterNetwork, Link, ring_seconds, tree_seconds

NUM_PROCESSES = (1, 2, 4, 8, 10, 32, 100, 320, 1_000)


def _given(value: float, unit: str, source: str) -> Any:
    return dataclasses.field(default=value, metadata={"unit": unit, "source": source})


@dataclasses.dataclass(frozen=True)
class LabelAssumptions:
    """Of a cluster with one process per label; unit and source beside each field."""

    devices_per_process: int = _given(2, "devices", "published: 2,000 for 1,000")
    compute_seconds: float = _given(
        0.02,
        "s",
        "assumed: of a step on one device, 50 of the published 100 images of 2.3 "
        "GFLOP at 6 TFLOP/s",
    )
    gradient_bytes: float = _given(
        25.4e6, "B", "counted: 6,342,272 parameters of the published pair, 4 bytes each"
    )
    device_bytes_per_second: float = _given(50e9, "B/s", "assumed, inside a process")
    device_latency_seconds: float = _given(3e-6, "s", "assumed, of one hop")
    node_bytes_per_second: float = _given(25e9, "B/s", "assumed, of a process")
    node_latency_seconds: float = _given(10e-6, "s", "assumed, of one hop")
    steps_between_logs: int = _given(50, "steps", "config.log_every_steps")
    metric_bytes: float = _given(16.0, "B", "counted: four numbers a label at a log")
    jitter: float = _given(
        0.0226, "of a step", "that of parallel/scaling_assumptions.py; normal"
    )

    def __post_init__(self):
        """Checks signs."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value < 0 or not (value or field.name in ("jitter", "metric_bytes")):
                raise ValueError(f"{field.name} must be positive, got {value}.")

    @property
    def inside(self) -> Link:
        """Between the devices of a process."""
        return Link(self.device_latency_seconds, self.device_bytes_per_second)

    @property
    def across(self) -> Link:
        """Between processes."""
        return Link(self.node_latency_seconds, self.node_bytes_per_second)


def _step_of_one_label(a: LabelAssumptions) -> float:
    """Seconds with no other process: the devices of a label average its gradients."""
    slowest = a.compute_seconds * slowdown(a.devices_per_process, a.jitter)
    return slowest + ring_seconds(a.gradient_bytes, a.devices_per_process, a.inside)


def label_sharded_seconds(
    num_processes: int, a: LabelAssumptions, *, keeps_pace: bool = False
) -> float:
    """Mean seconds of a step with one label per process.

    Args:
      num_processes: one label each.
      a: of cluster and run.
      keeps_pace: whether a slow process is slow in every step. If not, its steps'
        times are independent, and over n steps their mean varies sqrt(n) times less.
    """
    alone = _step_of_one_label(a)
    if num_processes == 1:
        return alone
    steps = a.steps_between_logs
    jitter = a.jitter if keeps_pace else a.jitter / math.sqrt(steps)
    gathered = tree_seconds(a.metric_bytes * num_processes, num_processes, a.across)
    return alone * slowdown(num_processes, jitter) + gathered / steps


def averaged_seconds(num_processes: int, a: LabelAssumptions) -> float:
    """Seconds of a step of one pair whose batch is spread over all devices.

    The gradients are averaged when all are there: nothing is hidden behind compute.
    """
    network = ClusterNetwork(a.devices_per_process, a.inside, a.across)
    devices = num_processes * a.devices_per_process
    slowest = a.compute_seconds * slowdown(devices, a.jitter)
    return slowest + network.all_reduce_seconds(a.gradient_bytes, devices)


def curves(
    a: LabelAssumptions, num_processes: tuple[int, ...] = NUM_PROCESSES
) -> list[dict[str, Any]]:
    """The data of a plot.

    Returns:
      Rows of method, num_processes, num_devices, seconds (of a step), efficiency (the
      step of one process over this one: work per device is the same).
    """
    methods = {
        "labels apart, steps vary": lambda n: label_sharded_seconds(n, a),
        "labels apart, processes keep their pace": lambda n: label_sharded_seconds(
            n, a, keeps_pace=True
        ),
        "one pair averaged over all devices": lambda n: averaged_seconds(n, a),
    }
    return [
        {
            "method": method,
            "num_processes": n,
            "num_devices": n * a.devices_per_process,
            "seconds": seconds(n),
            "efficiency": seconds(1) / seconds(n),
        }
        for method, seconds in methods.items()
        for n in num_processes
    ]
