"""What compilers make of each way to reduce, and steps of real processes."""

import pathlib

from benchmarks.table import NOT_RUN, Table, read, source
from benchmarks.targets import LINK_SECONDS, LINKS, TARGETS
from parallel.tuner import DEFAULT, rank

# As `benchmarks.workloads` names them; importing it would import both workloads.
NETWORKS = (
    "density_paper",
    "density_paper_local",
    "density_paper_bfloat16",
    "density_reduced",
    "resnet50",
    "dcgan",
)


def _hidden(trial: dict) -> str:
    said = "" if trial["holds"] else ", DOES NOT HOLD"
    share = round(trial["hidden_share"], 3) + 0.0  # no -0.0 of rounding
    return f"{share:.1%} ({1e3 * trial['exposed_seconds']:.2f} ms{said})"


def _by_link(run: dict) -> dict[float, list[dict]]:
    """Trials of one network on one target, best first, by link."""
    found = {}
    for trial in run["trials"]:
        found.setdefault(trial["link_gb_per_second"], []).append(trial)
    return {link: _best_first(trials) for link, trials in found.items()}


def _best_first(trials: list[dict]) -> list[dict]:
    return sorted(trials, key=lambda t: rank(t["holds"], t["step_seconds"]))


def _chosen_rows(network: str, target: str, run: dict) -> list[tuple[str, ...]]:
    bounds = {bound["link_gb_per_second"]: bound for bound in run.get("bounds", [])}
    rows, by_link = [], _by_link(run)
    for link in sorted({*LINKS, *by_link}, reverse=True):
        if link not in by_link:
            rows.append((network, target, f"{link:g}", *[NOT_RUN] * 8))
            continue
        trials = by_link[link]
        own = next(t for t in trials if t["candidate"] == DEFAULT)
        ours = next(t for t in trials if t["groups"] is not None)
        least = bounds.get(link)
        rows.append(
            (
                *(network, target, f"{link:g}", _hidden(own)),
                *(ours["candidate"], str(ours["groups"]), _hidden(ours)),
                f"{least['hidden_share']:.1%}" if least else NOT_RUN,
                trials[0]["candidate"],
                f"{1e3 * own['step_seconds']:.2f}",
                f"{1e3 * trials[0]['step_seconds']:.2f}",
            )
        )
    return rows


def _dates(runs: dict[str, dict]) -> list[str]:
    """A note: runs are added to the file, whose own date is that of the last."""
    by_date = {}
    for name, run in runs.items():
        by_date.setdefault(run.get("date", "an earlier day"), []).append(name)
    if not by_date.keys() - {"an earlier day"}:
        return []
    return [
        f"Compiled on {date}: {', '.join(names)}."
        for date, names in sorted(by_date.items())
    ]


def compiled(directory: pathlib.Path) -> list[Table]:
    """The compiler's own way beside the best plan, and every way beside each other."""
    results = read(directory, "compiled")
    runs = results.get("runs", {})
    rows, every = [], []
    ways = dict.fromkeys(
        trial["candidate"] for run in runs.values() for trial in run["trials"]
    )
    for network in NETWORKS:
        for target in TARGETS:
            run = runs.get(f"{network} on {target}")
            if run is None:
                rows.append((network, target, *[NOT_RUN] * 9))
                continue
            rows += _chosen_rows(network, target, run)
            for link, trials in _by_link(run).items():
                cells = {trial["candidate"]: _hidden(trial) for trial in trials}
                every.append(
                    (
                        *(network, target, f"{link:g}"),
                        *(cells.get(way, NOT_RUN) for way in ways),
                    )
                )
    columns = (
        "network",
        "devices",
        "GB/s of a device's link",
        "compiler's own: hidden",
    )
    columns += (
        "best plan",
        "groups",
        "hidden",
        "an ideal plan hides, if the last gradient ended the compute",
    )
    columns += ("the tuner keeps", "step, compiler's own [ms]", "step, kept [ms]")
    told = (
        "told: the compiler's scheduler is given the durations that the replay "
        "assumes, so it knows exactly what it is judged by; on devices that are there "
        "a profile measures them. Exposed by a plan: what its step takes beyond the "
        "least compute of any way, so that packing counts. At most: if the last "
        "gradient ends the compute; a schedule can leave other work for after it. "
        f"Every collective takes {1e6 * LINK_SECONDS:.0f} us beside its bytes, on 8 "
        "devices as on 256: on many, ways of many small groups look better than they "
        "are. An empty row was not run, nor was an empty cell of compiled_ways."
    )
    return [
        Table(
            "compiled",
            "Replayed, not measured: communication that compiled schedules hide",
            columns,
            tuple(rows),
            (*source(results), *_dates(runs), told),
        ),
        Table(
            "compiled_ways",
            "Replayed, not measured: share hidden (and time exposed) of every way",
            ("network", "devices", "GB/s", *ways),
            tuple(every),
            (*source(results), *_dates(runs)),
        ),
    ]


def _taken_off(row: dict, way: str) -> str:
    return (
        f"{1 - row['median_seconds'][row['chosen']] / row['median_seconds'][way]:.0%}"
    )


def netlab(directory: pathlib.Path) -> list[Table]:
    """Steps of real processes, one reduction beside groups on a thread."""
    results = read(directory, "netlab")
    measured = sorted(
        results.get("rows", []),
        key=lambda row: (row["examples"], row["link_mbit"], row["processes"]),
    )
    ways = dict.fromkeys(way for row in measured for way in row["median_seconds"])
    rows = tuple(
        (
            f"{row['examples']:,}",
            f"{row['link_mbit']} Mbit/s" if row["link_mbit"] else "loopback",
            str(row["processes"]),
            *(f"{1e3 * row['median_seconds'][way]:.1f}" for way in ways),
            row["chosen"],
            _taken_off(row, "one program"),
            _taken_off(row, "1 group on a thread"),
        )
        for row in measured
    )
    columns = ("examples", "link of each", "processes")
    columns += (*(f"{way} [ms]" for way in ways), "chosen by a few steps")
    columns += ("taken off one program", "taken off one reduction on the thread")
    return [
        Table(
            "netlab",
            "Measured: steps of real processes over shaped links, medians",
            columns,
            rows,
            (
                *source(results),
                "All processes share two cores; every link's both directions are "
                "shaped. One program: the compiler's own way. Medians of "
                f"{min((row['rounds'] for row in measured), default=0)} steps or more, "
                "taken in turn.",
            ),
        )
    ]
