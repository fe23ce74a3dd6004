"""Speed beside peers, rates beside ceilings, and how long a run takes to start."""

import pathlib

from benchmarks import published
from benchmarks.start_up import RUNS, STATES
from benchmarks.table import NOT_RUN, Table, read, source

# Back end -> how the table calls it.
BACK_ENDS = {"cpu": "CPU", "gpu": "GPU"}


# Pairs that take a step -> how the file of results says so.
PAIRS = {1: "", 10: "10_pairs_", 100: "100_pairs_"}


def _step_rows(results: dict, pairs: int, name: str) -> list[tuple[str, ...]]:
    what = "one DC-GAN training step" if pairs == 1 else f"one step of {pairs} pairs"
    what = f"{what}, {name}"
    medians = results.get("median_ms_per_step", {})
    if not medians:
        return [(what, NOT_RUN, NOT_RUN, NOT_RUN)]
    peers = {peer: ms for peer, ms in medians.items() if peer.startswith("torch")}
    best = min(peers, key=peers.get, default=None)
    own = {loop: ms for loop, ms in medians.items() if loop not in peers}
    ours = f"{min(own.values()):.0f} ms"
    if best is None:
        return [(what, ours, NOT_RUN, NOT_RUN)]
    ratio = f"{results['time_over_torch_best']:.2f}"
    theirs = f"{peers[best]:.0f} ms ({best} {results['torch']})"
    return [(what, ours, theirs, ratio)]


def _loop_rows(results: dict, name: str) -> list[tuple[str, ...]]:
    if not results:
        return [(f"ten pairs on one device, {name}", *[NOT_RUN] * 3)]
    first = results["seconds_to_first_step"]
    return [
        (
            f"{results['entries']} pairs on one device, {name}, by {loop}",
            f"{ms:.0f} ms, {first[loop]:.0f} s to the first step",
            NOT_RUN,
            NOT_RUN,
        )
        for loop, ms in results["median_ms_per_step_of_all_pairs"].items()
    ]


def speed(directory: pathlib.Path) -> list[Table]:
    """Times of steps beside PyTorch's, medians of interleaved runs."""
    rows, notes, bars = [], [], {}
    for back_end, name in BACK_ENDS.items():
        steps = {
            pairs: read(directory, f"gan_step_{several}{back_end}")
            for pairs, several in PAIRS.items()
        }
        loop = read(directory, f"entry_loop_{back_end}")
        for pairs, step in steps.items():
            rows += _step_rows(step, pairs, name)
        rows += _loop_rows(loop, name)
        for results in (*steps.values(), loop):
            notes += source(results) if results else []
        for peer, ms in steps[1].get("median_ms_per_step", {}).items():
            bars[f"{name} step\n{peer}"] = ms
        for how, ms in loop.get("median_ms_per_step_of_all_pairs", {}).items():
            bars[f"{name}, {loop['entries']} pairs\n{how}"] = ms

    def draw(axes):
        axes.barh(list(bars), list(bars.values()))
        axes.invert_yaxis()
        axes.tick_params(labelsize=7)
        axes.set_xlabel("ms, lower is better")

    return [
        Table(
            "speed",
            "Time of training steps",
            ("what", "ours", "best peer", "our time / the peer's"),
            tuple(rows),
            tuple(notes),
            draw if bars else None,
        )
    ]


def rates(directory: pathlib.Path) -> list[Table]:
    """Rates of the density network; ours are empty until a GPU has run it."""
    results = read(directory, "density_rate_gpu")
    ours = [
        f"{results[name]:.1f}" if name in results else NOT_RUN
        for name in ("sustained_tflops", "peak_tflops", "ceiling_tflops")
    ]
    return [
        Table(
            "rates",
            "FLOP rates of the density network, per device [TFLOP/s]",
            ("device", "sustained", "peak", "the device's ceiling"),
            (
                (
                    "V100 (published: arXiv:1909.11150)",
                    published.SUSTAINED_TFLOPS_PER_V100,
                    published.PEAK_TFLOPS_PER_V100,
                    published.CEILING_TFLOPS_PER_V100,
                ),
                (results.get("device", "ours, on a GPU"), *ours),
            ),
            source(results),
        )
    ]


def start_up(directory: pathlib.Path) -> list[Table]:
    """Seconds from the command to the end of the first step."""
    results = read(directory, "start_up_cpu")
    measured = results.get("runs", {})

    def cells(field):
        return [
            [f"{measured[name][state][field]:.1f}" for state in STATES]
            if name in measured
            else [NOT_RUN] * len(STATES)
            for name in RUNS
        ]

    seconds, cores = cells("median_seconds_to_first_step"), cells("median_core_seconds")
    rows = tuple(
        (name, *s, *c) for name, s, c in zip(RUNS, seconds, cores, strict=True)
    )
    columns = ("run", *(f"{state} [s]" for state in STATES))
    columns += tuple(f"{state} [core-s]" for state in STATES)

    def draw(axes):
        for offset, state in zip((-0.27, 0, 0.27), STATES, strict=True):
            bars = [
                (i + offset, float(row[1 + list(STATES).index(state)] or 0))
                for i, row in enumerate(rows)
            ]
            axes.bar(*zip(*bars, strict=True), 0.27, label=state)
        axes.set_xticks(range(len(rows)), list(RUNS))
        axes.set_ylabel("s to the first step")
        axes.legend()

    return [
        Table(
            "start_up",
            "Seconds from the command to the end of the first training step",
            columns,
            rows,
            (
                *source(results),
                "cold: nothing cached. warm: the same command again. compiled anew: as "
                "warm, without the compiled programs that are kept. Medians. "
                "Core-seconds do not depend on what else the machine did meanwhile; "
                "seconds do.",
            ),
            draw if measured else None,
        )
    ]
