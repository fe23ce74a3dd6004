"""How long a run takes to start, and what reading its data costs."""

import pathlib

from benchmarks.speed_tables import spread
from benchmarks.start_up import RUNS, STATES
from benchmarks.start_up_reading import WAYS
from benchmarks.table import NOT_RUN, Table, read, source


def _start_row(name: str, run: dict | None) -> tuple[str, ...]:
    if run is None:
        return (name, *[NOT_RUN] * (1 + 2 * len(STATES)))
    seconds, cores = [], []
    for state in STATES:
        seen = run[state]
        every = seen["all_seconds_to_first_step"]
        seconds.append(spread(seen["median_seconds_to_first_step"], every, 1))
        every = seen.get("all_core_seconds", [])
        cores.append(spread(seen["median_core_seconds"], every, 1))
    return (name, f"{len(seen['all_seconds_to_first_step'])}", *seconds, *cores)


def _sources(results: dict) -> list[str]:
    """A note for each command that made some of the runs."""
    notes = {}
    for run in results.get("runs", {}):
        note = source(results.get("made", {}).get(run, results))
        notes.setdefault(note, []).append(run)
    if len(notes) < 2:
        return [*source(results)]
    return [f"{', '.join(runs)}: {note}" for (note,), runs in notes.items()]


def start_up(directory: pathlib.Path) -> list[Table]:
    """Seconds from the command to the end of the first step."""
    results = read(directory, "start_up_cpu")
    measured = results.get("runs", {})
    shown = [name for name in RUNS if name in measured]
    columns = ("run", "runs of each", *(f"{state} [s]" for state in STATES))
    columns += tuple(f"{state} [core-s]" for state in STATES)
    notes = _sources(results)
    if without := results.get("without_data"):
        lacking = ", ".join(without)
        notes.append(f"Not measured, for their data was not at hand: {lacking}.")

    def draw(axes):
        for offset, state in zip((-0.27, 0, 0.27), STATES, strict=True):
            cores = [measured[name][state]["median_core_seconds"] for name in shown]
            places = [i + offset for i in range(len(shown))]
            axes.barh(places, cores, 0.27, label=state)
        axes.set_yticks(range(len(shown)), shown, fontsize=7)
        axes.invert_yaxis()
        axes.set_xlabel("core-seconds to the first step")
        axes.legend()

    return [
        Table(
            "start_up",
            "From the command to the end of the first training step",
            columns,
            tuple(_start_row(name, measured.get(name)) for name in RUNS),
            (
                *notes,
                "cold: nothing cached. warm: the same command again. compiled anew: as "
                "warm, without the compiled programs that are kept. Of "
                "several runs the median, in brackets the least and the most. "
                "Core-seconds depend less than seconds on what else the machine did "
                "meanwhile.",
            ),
            draw if measured else None,
        )
    ]


def _reading_row(row: dict) -> tuple[str, ...]:
    return (
        f"{row['processes']}",
        row["way"],
        spread(row["median_seconds"], row["all_seconds"], 1),
        spread(row["median_core_seconds"], row["all_core_seconds"], 1),
        f"{row['median_read_mb']:.0f}",
        f"{row['median_memory_mb']:.0f}",
    )


def start_up_reading(directory: pathlib.Path) -> list[Table]:
    """A 100-label run's first batch beside "every process reads everything"."""
    results = read(directory, "start_up_reading_cpu")
    runs = sorted(results.get("runs", {}).items(), key=lambda item: int(item[0]))
    rows = [_reading_row(row) for _, several in runs for row in several]
    columns = ("processes", "way", "s", "core-s of all", "MB read by all")
    return [
        Table(
            "start_up_reading",
            "Until the last process of a 100-label run has its first batch (CIFAR-100)",
            (*columns, "MB of memory that the largest adds"),
            tuple(rows or [(NOT_RUN, way, *[NOT_RUN] * 4) for way in WAYS]),
            (
                *_sources(results),
                "After everything is imported. ours, first start: nothing is decoded "
                "yet; one process decodes, others wait. Ours reads what was decoded "
                "whole once, to verify its checksums, and maps it into memory: pages "
                "that are mapped are shared by all processes, and are no reading. "
                "All files lie in the page cache. Medians of interleaved starts; in "
                "brackets the least and the most.",
            ),
        )
    ]
