"""What the scaling model is fitted on, and how near it comes to the rest."""

import dataclasses
from collections.abc import Callable

from parallel.compute_timeline import Timeline
from parallel.jitter import expected_maximum
from parallel.scaling_assumptions import Assumptions
from parallel.scaling_model import efficiency

WEAK_SCALING = (8, 128, 0.975)  # TorchTitan: 97 to 98 % from 8 to 128 devices
WEAK_SCALING_ENDS = (0.97, 0.98)
AT_SCALE = (27_600, 0.93)  # bitvector and groups
OVER_COORDINATOR = (6_000, 2.0)  # times as fast
PARITY_TO = (6, 24, 96, 384, 1_536)  # with DDP
TOLERANCE = 0.02


@dataclasses.dataclass(frozen=True)
class Point:
    """A published number beside the model's.

    Attributes:
      name: of what.
      published: number.
      modelled: number.
      fitted: whether the model was fitted on it.
    """

    name: str
    published: float
    modelled: float
    fitted: bool

    @property
    def error(self) -> float:
        """Modelled less published."""
        return self.modelled - self.published


def _bisect(is_too_large: Callable[[float], bool], high: float) -> float:
    """The largest number in 0 .. high that is not too large."""
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if is_too_large(middle) else (middle, high)
    return low


def weak_scaling(assumptions: Assumptions) -> float:
    """Efficiency from 8 to 128 devices if jitter alone takes it."""
    few, many, _ = WEAK_SCALING
    a = assumptions
    return (1 + a.jitter * expected_maximum(few, a.distribution)) / (
        1 + a.jitter * expected_maximum(many, a.distribution)
    )


def over_coordinator(num_devices: int, assumptions: Assumptions) -> float:
    """How many times as fast the bitvector is as the coordinator."""
    return efficiency("bitvector", num_devices, assumptions) / efficiency(
        "coordinator", num_devices, assumptions
    )


def distance_from_ddp(assumptions: Assumptions) -> float:
    """The largest difference of efficiencies as far as parity was published.

    A weak test: network and jitter are the same for both, so only what either exposes
    can differ.
    """
    differences = [
        efficiency("bitvector", n, assumptions)
        - efficiency("DDP buckets", n, assumptions)
        for n in PARITY_TO
    ]
    return max(differences, key=abs)


def jitter_for(
    num_devices: int,
    wanted: float,
    protocol: str,
    a: Assumptions,
    timeline: Timeline | None = None,
) -> float:
    """The largest jitter with which `protocol` is as efficient as `wanted`, or 0."""

    def is_too_large(jitter):
        changed = dataclasses.replace(a, jitter=jitter)
        return efficiency(protocol, num_devices, changed, timeline) < wanted

    return _bisect(is_too_large, high=1.0)


def _with_record_seconds(a: Assumptions) -> Assumptions:
    num_devices, times = OVER_COORDINATOR

    def with_seconds(seconds):
        return dataclasses.replace(a, record_seconds=seconds)

    return with_seconds(
        _bisect(
            lambda s: over_coordinator(num_devices, with_seconds(s)) > times,
            high=1e-3,
        )
    )


def _with_jitter_of(scaling: float, a: Assumptions) -> Assumptions:
    few, many, _ = WEAK_SCALING
    at_few = expected_maximum(few, a.distribution)
    at_many = expected_maximum(many, a.distribution)
    jitter = (1 - scaling) / (scaling * at_many - at_few)
    return dataclasses.replace(a, jitter=jitter)


def fitted_on_weak_scaling(a: Assumptions) -> Assumptions:
    """Jitter from TorchTitan's weak scaling, then record time from the coordinator's.

    All that weak scaling costs there counts as jitter, on another machine: more than
    jitter's true share of it.
    """
    return _with_record_seconds(_with_jitter_of(WEAK_SCALING[2], a))


def fitted_at_scale(a: Assumptions) -> Assumptions:
    """Jitter from the efficiency at 27,600, then record time from the coordinator's."""
    jitter = jitter_for(*AT_SCALE, "bitvector", a)
    return _with_record_seconds(dataclasses.replace(a, jitter=jitter))


FITS = {"on weak scaling": fitted_on_weak_scaling, "at scale": fitted_at_scale}


def at_scale_from_weak_scaling(a: Assumptions) -> tuple[float, float]:
    """The bitvector's efficiency at scale from either end of the weak scaling."""
    low, high = (
        efficiency("bitvector", AT_SCALE[0], _with_jitter_of(end, a))
        for end in WEAK_SCALING_ENDS
    )
    return low, high


def points(a: Assumptions, fitted_on: str) -> list[Point]:
    """All published points beside the model's numbers.

    Args:
      a: assumptions.
      fitted_on: one of FITS, by which they were fitted.
    """
    few, many, scaling = WEAK_SCALING
    at, published = AT_SCALE
    num_devices, times = OVER_COORDINATOR
    return [
        Point(
            f"weak scaling from {few} to {many} (another engine)",
            scaling,
            weak_scaling(a),
            fitted_on == "on weak scaling",
        ),
        Point(
            f"efficiency of the bitvector at {at:,}",
            published,
            efficiency("bitvector", at, a),
            fitted_on == "at scale",
        ),
        Point(
            f"times as fast as the coordinator at {num_devices:,}",
            times,
            over_coordinator(num_devices, a),
            True,
        ),
        Point(
            f"efficiency less DDP's, to {PARITY_TO[-1]:,}",
            0.0,
            distance_from_ddp(a),
            False,
        ),
    ]
