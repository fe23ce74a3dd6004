"""What was measured of many devices."""

import pathlib

from benchmarks.table import NOT_RUN, Table, draw_lines, read, source


def weak_scaling(directory: pathlib.Path) -> list[Table]:
    """Label sharding measured on this machine."""
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
    table = Table(
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
        draw_lines(
            measured,
            "kind",
            "count",
            "median_core_ms_per_pair_and_step",
            scale="linear",
            labels=("devices, a pair on each", "core-ms per pair and step"),
        ),
    )
    return [table]
