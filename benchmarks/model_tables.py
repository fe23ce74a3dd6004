"""What is predicted of many devices: models that are computed here, in seconds."""

import functools

from benchmarks.table import Table, draw_lines
from parallel import control_plane_table, scaling_report
from parallel.label_scaling import LabelAssumptions, curves
from parallel.scaling_assumptions import Assumptions
from parallel.scaling_calibration import FITS, points

_COMPUTED = "Computed when this table was made: no measurement of ours enters."
_NAMED = "Every assumption, with value, unit and source, is in {}."


@functools.cache
def weak_scaling_model() -> list[Table]:
    """The model's curve of label sharding to 1,000 processes of two devices."""
    predicted = curves(LabelAssumptions())
    methods = list(dict.fromkeys(row["method"] for row in predicted))
    at = {(row["method"], row["num_processes"]): row for row in predicted}
    sizes = {row["num_processes"]: row["num_devices"] for row in predicted}
    rows = tuple(
        (f"{n:,}", f"{sizes[n]:,}", *(f"{at[m, n]['efficiency']:.3f}" for m in methods))
        for n in sizes
    )
    return [
        Table(
            "weak_scaling_model",
            "Predicted, not measured: weak-scaling efficiency with one process per "
            "label",
            ("processes", "devices", *methods),
            rows,
            (
                f"{_COMPUTED} {_NAMED.format('`parallel/label_scaling.py`')} Published "
                "for the method: flat time to 1,000 processes and 2,000 devices.",
            ),
            draw_lines(
                predicted,
                "method",
                "num_devices",
                "efficiency",
                scale="linear",
                labels=("devices", "efficiency (predicted)"),
            ),
        )
    ]


@functools.cache
def control_plane() -> list[Table]:
    """Messages and bytes per step of the four protocols."""
    steps = control_plane_table.compare_all(
        control_plane_table.NUM_RANKS, control_plane_table.NUM_TENSORS
    )
    rows = tuple(
        (
            f"{row.num_tensors}",
            f"{row.num_ranks:,}",
            row.protocol,
            f"{row.traffic.messages:,}",
            f"{row.traffic.num_bytes:,}",
            f"{row.word_bytes}",
            f"{row.traffic.busiest_messages:,}",
            f"{row.traffic.busiest_records:,}",
            f"{1e3 * row.traffic.seconds:.3f}",
        )
        for row in steps
    )
    columns = ("tensors", "ranks", "protocol", "messages", "bytes", "word [bytes]")
    columns += ("messages of the busiest rank", "records of the busiest rank")
    columns += ("latency [ms], modelled",)
    busiest = [
        {
            "protocol": row.protocol,
            "ranks": row.num_ranks,
            "messages": row.traffic.busiest_messages,
        }
        for row in steps
        if row.num_tensors == min(control_plane_table.NUM_TENSORS)
    ]
    return [
        Table(
            "control_plane",
            "Control messages per training step, by protocol",
            columns,
            rows,
            (f"{_COMPUTED} Messages are counted in a simulation, latency modelled.",),
            draw_lines(
                busiest,
                "protocol",
                "ranks",
                "messages",
                scale="symlog",  # the static plan sends none
                labels=("ranks", "messages per step of the busiest rank"),
            ),
        )
    ]


@functools.cache
def scaling_model() -> list[Table]:
    """Efficiency to 27,600 devices and beyond, and the published points it meets."""
    assumptions = Assumptions()
    predicted = scaling_report.curves(assumptions)
    protocols = list(dict.fromkeys(row["protocol"] for row in predicted))
    at = {(row["protocol"], row["num_devices"]): row for row in predicted}
    rows = tuple(
        (
            f"{n:,}",
            *(f"{at[p, n]['efficiency']:.4f}" for p in protocols),
            f"{1e3 * at['static plan', n]['exposed_seconds']:.1f}",
        )
        for n in dict.fromkeys(row["num_devices"] for row in predicted)
    )
    met = tuple(
        (
            name,
            point.name,
            f"{point.published:.3f}",
            f"{point.modelled:.3f}",
            "fitted" if point.fitted else f"{point.error:+.3f}",
        )
        for name, fit in FITS.items()
        for point in points(fit(assumptions), name)
    )
    note = f"{_COMPUTED} {_NAMED.format('`parallel/scaling_assumptions.py`')}"
    return [
        Table(
            "scaling_model",
            "Predicted, not measured: efficiency of gradient reduction by protocol",
            ("devices", *protocols, "exposed by the static plan [ms]"),
            rows,
            (note,),
            draw_lines(
                predicted,
                "protocol",
                "num_devices",
                "efficiency",
                scale="linear",
                labels=("devices", "efficiency (predicted)"),
            ),
        ),
        Table(
            "scaling_model_points",
            "The scaling model beside published numbers",
            ("jitter fitted", "what", "published", "model", "error"),
            met,
            (note,),
        ),
    ]
