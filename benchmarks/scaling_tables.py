"""What was measured and what is predicted of many devices."""

import pathlib

from benchmarks.table import NOT_RUN, Table, lines_by, read, source

_NAMED = "Every assumption of the model, with value, unit and source, is in {}."


def _draw_lines(rows, name, x, y, *, scale, labels):
    def draw(axes):
        for line, (xs, ys) in lines_by(rows, name, x, y).items():
            axes.plot(xs, ys, marker="o", markersize=3, label=line)
        axes.set_xscale("log")
        axes.set_yscale(scale)
        if scale == "symlog":
            axes.set_ylim(bottom=-0.5)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)

    return draw if rows else None


def weak_scaling(directory: pathlib.Path) -> list[Table]:
    """Label sharding measured on this machine, and the model's curve beyond it."""
    results = read(directory, "weak_scaling_cpu")
    measured = results.get("measured", [])
    rows = tuple(
        (
            f"{row['count']} {row['kind']}",
            f"{row['median_ms_per_step']:.0f}",
            f"{row['images_per_second']:.0f}",
            f"{row['median_core_ms_per_pair_and_step']:.1f}",
            f"{row['work_of_one_device_over_this']:.2f}",
        )
        for row in measured
    )
    columns = ("a pair on each of", "ms per step of all pairs", "images/s")
    columns += ("core-ms per pair and step", "work of one device / this")
    gpu = ("GPUs", *[NOT_RUN] * 4)
    kept = Table(
        "weak_scaling",
        "Label sharding, one pair per device: work per pair as devices are added",
        columns,
        (*rows, gpu),
        (
            *source(results),
            "All devices share the same cores, so a step of all pairs must take longer "
            "the more pairs there are; that the work per pair (seconds of cores, "
            "counted by the operating system) stays level is what can be shown here.",
        ),
        _draw_lines(
            measured,
            "kind",
            "count",
            "median_core_ms_per_pair_and_step",
            scale="linear",
            labels=("devices, a pair on each", "core-ms per pair and step"),
        ),
    )
    curves = results.get("curves", [])
    methods = list(dict.fromkeys(row["method"] for row in curves))
    at = {(row["method"], row["num_processes"]): row for row in curves}
    sizes = {row["num_processes"]: row["num_devices"] for row in curves}
    predicted = Table(
        "weak_scaling_model",
        "Predicted, not measured: weak-scaling efficiency with one process per label",
        ("processes", "devices", *methods),
        tuple(
            (
                f"{n:,}",
                f"{devices:,}",
                *(f"{at[method, n]['efficiency']:.3f}" for method in methods),
            )
            for n, devices in sizes.items()
        ),
        (
            _NAMED.format("`weak_scaling_cpu.json` and parallel/label_scaling.py")
            + " Published for the method: flat time to 1,000 processes and 2,000 "
            "devices.",
        ),
        _draw_lines(
            curves,
            "method",
            "num_devices",
            "efficiency",
            scale="linear",
            labels=("devices", "efficiency (predicted)"),
        ),
    )
    return [kept, predicted]


def control_plane(directory: pathlib.Path) -> list[Table]:
    """Messages and bytes per step of the four protocols."""
    results = read(directory, "control_plane")
    steps = results.get("per_step", [])
    rows = tuple(
        (
            f"{row['num_tensors']}",
            f"{row['num_ranks']:,}",
            row["protocol"],
            f"{row['traffic']['messages']:,}",
            f"{row['traffic']['num_bytes']:,}",
            f"{row['word_bytes']}",
            f"{row['traffic']['busiest_messages']:,}",
            f"{row['traffic']['busiest_records']:,}",
            f"{1e3 * row['traffic']['seconds']:.3f}",
        )
        for row in steps
    )
    columns = ("tensors", "ranks", "protocol", "messages", "bytes", "word [bytes]")
    columns += ("messages of the busiest rank", "records of the busiest rank")
    columns += ("latency [ms], modelled",)
    busiest = [
        {
            "protocol": row["protocol"],
            "ranks": row["num_ranks"],
            "messages": row["traffic"]["busiest_messages"],
        }
        for row in steps
        if row["num_tensors"] == min(step["num_tensors"] for step in steps)
    ]
    return [
        Table(
            "control_plane",
            "Control messages per training step, by protocol",
            columns,
            rows,
            source(results),
            _draw_lines(
                busiest,
                "protocol",
                "ranks",
                "messages",
                scale="symlog",  # the static plan sends none
                labels=("ranks", "messages per step of the busiest rank"),
            ),
        )
    ]


def scaling_model(directory: pathlib.Path) -> list[Table]:
    """Efficiency to 27,600 devices and beyond, and the published points it meets."""
    results = read(directory, "scaling_model")
    curves = results.get("curves", [])
    protocols = list(dict.fromkeys(row["protocol"] for row in curves))
    at = {(row["protocol"], row["num_devices"]): row for row in curves}
    rows = tuple(
        (f"{n:,}", *(f"{at[p, n]['efficiency']:.4f}" for p in protocols))
        for n in dict.fromkeys(row["num_devices"] for row in curves)
    )
    points = tuple(
        (
            fit,
            point["name"],
            f"{point['published']:.3f}",
            f"{point['modelled']:.3f}",
            "fitted" if point["fitted"] else f"{point['error']:+.3f}",
        )
        for fit, found in results.get("published_points_by_fit", {}).items()
        for point in found
    )
    labels = ("devices", "efficiency (predicted)")
    return [
        Table(
            "scaling_model",
            "Predicted, not measured: efficiency of gradient reduction by protocol",
            ("devices", *protocols),
            rows,
            (*source(results), _NAMED.format("`scaling_model.json`")),
            _draw_lines(
                curves,
                "protocol",
                "num_devices",
                "efficiency",
                scale="linear",
                labels=labels,
            ),
        ),
        Table(
            "scaling_model_points",
            "The scaling model beside published numbers",
            ("jitter fitted", "what", "published", "model", "error"),
            points,
            source(results),
        ),
    ]
