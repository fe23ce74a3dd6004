"""The scaling model's predictions, as tables for people and data for plots."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from parallel import scaling_assumptions, scaling_sensitivity
from parallel.compute_timeline import Timeline
from parallel.jitter import DISTRIBUTIONS
from parallel.negotiation import PROTOCOLS
from parallel.scaling_assumptions import Assumptions
from parallel.scaling_calibration import (
    AT_SCALE,
    FITS,
    TOLERANCE,
    at_scale_from_weak_scaling,
    fitted_on_weak_scaling,
    jitter_for,
    points,
)
from parallel.scaling_model import efficiency, step_time

NUM_DEVICES = (1, 6, 96, 384, 1_536, 3_000, 6_000, 12_000, 27_600, 100_000)
_WANTED = 0.97


def curves(
    assumptions: Assumptions,
    timeline: Timeline | None = None,
    num_devices: Sequence[int] = NUM_DEVICES,
) -> list[dict[str, Any]]:
    """The data of a plot: one row per protocol and number of devices.

    Returns:
      Rows of protocol, num_devices, seconds (of the step), compute_seconds,
      exposed_seconds, efficiency.
    """
    rows = []
    for protocol in PROTOCOLS:
        for n in num_devices:
            step = step_time(protocol, n, assumptions, timeline)
            row = {"protocol": protocol, "seconds": step.seconds}
            rows.append(row | dataclasses.asdict(step))
    return rows


def _curve_table(rows: list[dict[str, Any]], marked: int) -> str:
    lines = [
        f"{'':9s}" + "".join(f"{p:>22s}" for p in PROTOCOLS),
        f"{'devices':>9s}" + f"{'step [s]  efficiency':>22s}" * len(PROTOCOLS),
    ]
    for n in dict.fromkeys(row["num_devices"] for row in rows):
        steps = [row for row in rows if row["num_devices"] == n]
        shown = "".join(f"{s['seconds']:10.4f}{s['efficiency']:12.4f}" for s in steps)
        lines.append(f"{n:9,d}{shown}{'  <' if n == marked else ''}")
    return "\n".join(lines)


def points_table(assumptions: Assumptions) -> str:
    """Published numbers beside the model's, for either way of fitting it."""
    lines = []
    for name, fit in FITS.items():
        a = fit(assumptions)
        lines.append(
            f"jitter fitted {name}: {a.jitter:.4f} of a step; "
            f"{1e6 * a.record_seconds:.2f} us a record"
        )
        for p in points(a, name):
            near = "within" if abs(p.error) <= TOLERANCE else "NOT within"
            lines.append(
                f"  {p.name:45s} published {p.published:6.3f}  model "
                f"{p.modelled:6.3f}  error {p.error:+.3f}  "
                f"{'fitted' if p.fitted else f'predicted, {near} {TOLERANCE}'}"
            )
    for other in DISTRIBUTIONS:
        if other != assumptions.distribution:
            a = dataclasses.replace(assumptions, distribution=other)
            a = fitted_on_weak_scaling(a)
            at_scale = efficiency("bitvector", AT_SCALE[0], a)
            lines.append(
                f"With {other} noise, fitted on weak scaling: {at_scale:.3f} at "
                f"{AT_SCALE[0]:,}."
            )
    low, high = at_scale_from_weak_scaling(assumptions)
    lines.append(
        f"The weak scaling was published as 97 to 98 %; its ends predict {low:.3f} to "
        f"{high:.3f} at {AT_SCALE[0]:,}."
    )
    return "\n".join(lines)


def _verdict(devices: int, a: Assumptions, timeline: Timeline | None) -> str:
    plan = step_time("static plan", devices, a, timeline)
    bits = step_time("bitvector", devices, a, timeline)
    text = (
        f"static plan at {devices:,}: efficiency {plan.efficiency:.4f}, of which "
        f"jitter takes {1 - a.compute_seconds / plan.compute_seconds:.4f}; "
        f"communication exposed {1e3 * plan.exposed_seconds:.2f} ms (bitvector "
        f"{1e3 * bits.exposed_seconds:.2f} ms)."
    )
    if plan.efficiency < _WANTED:
        most = jitter_for(devices, _WANTED, "static plan", a, timeline)
        text += (
            f"\n{_WANTED} would need a jitter of at most {most:.4f} of a step: no "
            "protocol takes away that all wait for the slowest."
        )
    return text


def report(
    devices: int,
    assumptions: Assumptions | None = None,
    timeline: Timeline | None = None,
) -> str:
    """Everything that the model says of a run on `devices` devices.

    Args:
      devices: that share a step.
      assumptions: the published machine's if None.
      timeline: of the gradients, in the order in which they are ready, negotiated
        about as `assumptions.num_tensors`; the published network's if None.

    Returns:
      Tables: step time and efficiency by protocol, published points, assumptions,
      sensitivities at `devices`.
    """
    a = assumptions or Assumptions()
    num_devices = sorted({*NUM_DEVICES, devices})
    of_published = assumptions is None and timeline is None
    parts = [
        "Predicted, not measured: step time, and efficiency over one device",
        _curve_table(curves(a, timeline, num_devices), devices),
        _verdict(devices, a, timeline),
    ]
    if of_published:
        parts += ["Published points", points_table(a)]
    changed = scaling_sensitivity.sensitivities(devices, a, timeline)
    parts += [
        "Assumptions",
        scaling_assumptions.table(a),
        f"Halved or doubled alone: change of efficiency at {devices:,}, in points",
        scaling_sensitivity.table(changed),
    ]
    return "\n\n".join(parts)
