"""Everything that the scaling model takes for given, with unit and source."""

import dataclasses
from typing import Any

from parallel.control_plane.superstep import ControlCost
from parallel.jitter import DISTRIBUTIONS
from parallel.network_model import ClusterNetwork, Link

_MIB = 1 << 20


def _given(value: Any, unit: str, source: str) -> Any:
    return dataclasses.field(default=value, metadata={"unit": unit, "source": source})


@dataclasses.dataclass(frozen=True)
class Assumptions:
    """Of the published machine and runs; unit and source stand beside each field.

    "published" is arXiv:1909.11150 or its successor, unless another work is named;
    "assumed" is ours and no measurement; "fitted" is `scaling_calibration`'s.
    """

    compute_seconds: float = _given(0.92, "s", "published: a step of about 0.92 s")
    forward_share: float = _given(
        1 / 3, "of the compute", "assumed: backward is two products to forward's one"
    )
    num_tensors: int = _given(32, "tensors", "published")
    devices_per_node: int = _given(6, "devices", "assumed")
    node_bytes_per_second: float = _given(25e9, "B/s", "published: 25 GB/s a node")
    node_latency_seconds: float = _given(10e-6, "s", "assumed, of one hop")
    device_bytes_per_second: float = _given(50e9, "B/s", "assumed, inside a node")
    device_latency_seconds: float = _given(3e-6, "s", "assumed, of one hop")
    control_bytes_per_second: float = _given(10e9, "B/s", "assumed, host to host")
    control_latency_seconds: float = _given(5e-6, "s", "assumed, host to host")
    coordinator_cycle_seconds: float = _given(5e-3, "s", "published: default then")
    coordinator_fusion_bytes: float = _given(64e6, "B", "published: 64 MB")
    tree_arity: int = _given(8, "ranks", "assumed")
    bitvector_cycle_seconds: float = _given(1.5e-3, "s", "published: 1 to 2 ms")
    bitvector_fusion_bytes: float = _given(8 * _MIB, "B", "published: 8 MiB")
    bucket_bytes: float = _given(25 * _MIB, "B", "published: DDP's 25 MiB")
    first_bucket_bytes: float = _given(_MIB, "B", "published: DDP's first of 1 MiB")
    record_seconds: float = _given(
        8.286e-6, "s", "fitted on twice the coordinator's speed at 6,000"
    )
    jitter: float = _given(
        0.0226, "of a step", "fitted on TorchTitan's 0.975 from 8 to 128 devices"
    )
    distribution: str = _given("normal", "", "assumed, of a rank's step time")

    def __post_init__(self):
        """Checks signs and names."""
        if self.distribution not in DISTRIBUTIONS:
            choices = ", ".join(DISTRIBUTIONS)
            raise ValueError(f"distribution={self.distribution!r}: one of {choices}.")
        for name in numeric_fields():
            value = getattr(self, name)
            may_be_zero = name == "jitter" or name.endswith(
                ("latency_seconds", "cycle_seconds", "record_seconds")
            )
            if value < 0 or not (value or may_be_zero):
                bound = "0 or more" if may_be_zero else "positive"
                raise ValueError(f"{name} must be {bound}, got {value}.")
        if self.forward_share >= 1:
            raise ValueError(f"forward_share must be below 1: {self.forward_share}.")

    @property
    def network(self) -> ClusterNetwork:
        """That gradients travel on."""
        return ClusterNetwork(
            self.devices_per_node,
            inside=Link(self.device_latency_seconds, self.device_bytes_per_second),
            across=Link(self.node_latency_seconds, self.node_bytes_per_second),
        )

    @property
    def control_cost(self) -> ControlCost:
        """Of the messages of the control plane."""
        return ControlCost(
            self.control_latency_seconds,
            self.control_bytes_per_second,
            self.record_seconds,
        )


def numeric_fields() -> tuple[str, ...]:
    """Names of all assumptions that are numbers."""
    fields = dataclasses.fields(Assumptions)
    return tuple(field.name for field in fields if field.type is not str)


def table(assumptions: Assumptions) -> str:
    """Prints one line per assumption: value, unit, source."""
    lines = []
    for field in dataclasses.fields(assumptions):
        value = getattr(assumptions, field.name)
        shown = value if isinstance(value, str) else f"{value:.4g}"
        source = field.metadata["source"]
        # A value that was changed is no longer what its source says.
        if value != field.default:
            source = f"given; the default {field.default:.4g} is {source}"
        unit = field.metadata["unit"]
        lines.append(f"{field.name:26s} {shown:>12s}  {unit:14s} {source}")
    return "\n".join(lines)
