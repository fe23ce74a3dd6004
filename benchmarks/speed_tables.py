"""Speed beside peers, and rates beside ceilings."""

import pathlib

from benchmarks import published
from benchmarks.table import NOT_RUN, Table, read, source

# Back end -> how the table calls it.
BACK_ENDS = {"cpu": "CPU", "gpu": "GPU"}


# Pairs that take a step -> how the file of results says so.
PAIRS = {1: "", 10: "10_pairs_", 100: "100_pairs_"}
# The published network's channels; others are named.
PUBLISHED_FEATURES = [512, 256, 128]
# On a CPU, of the peer's speed.
PAIRS_TARGETS, DENSITY_TARGET = {1: 1.0, 10: 1.2}, 0.9
COLUMNS = ("what", "ours", "best peer", "our time / the peer's")
COLUMNS += ("our speed / the peer's",)


def spread(median: float, every: list[float], decimals: int = 0) -> str:
    """The median and, of several runs that were kept, the least and the most."""
    if len(every) < 2:
        return f"{median:.{decimals}f}"
    return (
        f"{median:.{decimals}f} ({min(every):.{decimals}f}-{max(every):.{decimals}f})"
    )


def _of_channels(results: dict) -> str:
    features = list(map(int, results["features"]))
    if features == PUBLISHED_FEATURES:
        return ""
    return f" of {'-'.join(map(str, features))} channels"


def _row(
    what: str,
    medians: dict[str, float],
    every: dict[str, list[float]],
    torch: str,
    target: float | None,
) -> tuple[str, ...]:
    """Our fastest beside the fastest peer; every[name] are the runs of a median."""
    peers = {peer: ms for peer, ms in medians.items() if peer.startswith("torch")}
    own = {loop: ms for loop, ms in medians.items() if loop not in peers}
    fastest = min(own, key=own.get)
    ours = f"{spread(own[fastest], every.get(fastest, []))} ms"
    if not peers:
        return (what, ours, *[NOT_RUN] * 3)
    best = min(peers, key=peers.get)
    theirs = f"{spread(peers[best], every.get(best, []))} ms ({best} {torch})"
    speed = peers[best] / own[fastest]
    held = "met" if target and speed >= target else "missed"
    told = f" (target {target}: {held})" if target else ""
    return (what, ours, theirs, f"{1 / speed:.2f}", f"{speed:.2f}{told}")


def _step_row(results: dict, pairs: int, back_end: str) -> tuple[str, ...]:
    what = "one DC-GAN training step" if pairs == 1 else f"one step of {pairs} pairs"
    name = BACK_ENDS[back_end]
    if not results:
        return (f"{what}, {name}", *[NOT_RUN] * 4)
    return _row(
        f"{what}{_of_channels(results)}, {name}",
        results["median_ms_per_step"],
        results["all_ms_per_step"],
        results.get("torch", ""),
        PAIRS_TARGETS.get(pairs) if back_end == "cpu" else None,
    )


def _density_row(results: dict, back_end: str) -> tuple[str, ...]:
    what, name = "forward and backward of FC-DenseNet", BACK_ENDS[back_end]
    medians = results.get("median_ms_forward_and_backward")
    if medians is None:
        return (f"{what}, {name}", *[NOT_RUN] * 4)
    batch_size = results["dense_layer"].partition("x")[0]
    return _row(
        f"{what}, batch {batch_size}, {name}",
        medians,
        results.get("all_ms_forward_and_backward", {}),
        results["torch"],
        DENSITY_TARGET if back_end == "cpu" else None,
    )


def _loop_rows(results: dict, name: str) -> list[tuple[str, ...]]:
    if not results:
        return [(f"ten pairs on one device, {name}", *[NOT_RUN] * 4)]
    first = results["seconds_to_first_step"]
    every = results.get("all_ms_per_step_of_all_pairs", {})
    what = f"{results['entries']} pairs{_of_channels(results)} on one device, {name}"
    return [
        (
            f"{what}, by {loop}",
            f"{spread(ms, every.get(loop, []))} ms, {first[loop]:.0f} s to the first "
            "step",
            *[NOT_RUN] * 3,
        )
        for loop, ms in results["median_ms_per_step_of_all_pairs"].items()
    ]


def _unable(results: dict) -> list[str]:
    """A note for each peer that could not run where the others did."""
    return [
        f"{peer} could not run there: {why}"
        for peer, why in results.get("cannot_run", {}).items()
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
        density = read(directory, f"step_time_{back_end}")
        rows += [_step_row(step, pairs, back_end) for pairs, step in steps.items()]
        rows += _loop_rows(loop, name)
        rows.append(_density_row(density, back_end))
        for results in (*steps.values(), loop, density):
            notes += [*source(results), *_unable(results)] if results else []
        for peer, ms in steps[1].get("median_ms_per_step", {}).items():
            bars[f"{name} step\n{peer}"] = ms
        for how, ms in loop.get("median_ms_per_step_of_all_pairs", {}).items():
            bars[f"{name}, {loop['entries']} pairs\n{how}"] = ms
    notes.append(
        "Medians of interleaved runs; in brackets the least and the most, where the "
        "single runs were kept."
    )

    def draw(axes):
        axes.barh(list(bars), list(bars.values()))
        axes.invert_yaxis()
        axes.tick_params(labelsize=7)
        axes.set_xlabel("ms, lower is better")

    return [
        Table(
            "speed",
            "Time of training steps",
            COLUMNS,
            tuple(rows),
            tuple(notes),
            draw if bars else None,
        )
    ]


# What was compared -> its file, and its field of medians.
COMPILED = {
    "one DC-GAN training step": ("gan_step_cpu", "ms_per_step"),
    "one step of 10 pairs": ("gan_step_10_pairs_cpu", "ms_per_step"),
    "forward and backward of FC-DenseNet": ("step_time_cpu", "ms_forward_and_backward"),
}


def _compile_row(what: str, results: dict, field: str) -> tuple[str, ...]:
    """Ratios of medians; the fastest of each kind of peer stands for it."""
    medians = results.get(f"median_{field}", {})
    ours, eager, compiled = (
        {name: ms for name, ms in medians.items() if kind(name)}
        for kind in (
            lambda name: name.startswith("jax"),
            lambda name: name.startswith("torch") and "compile" not in name,
            lambda name: name.startswith("torch compile"),
        )
    )
    if not compiled:
        return (what, *[NOT_RUN] * 5)
    own, as_it_comes, best = (min(x.values()) for x in (ours, eager, compiled))
    return (
        what,
        min(eager, key=eager.get),
        min(compiled, key=compiled.get),
        *(f"{as_it_comes / best:.2f}", f"{as_it_comes / own:.2f}", f"{best / own:.2f}"),
    )


def torch_compile(directory: pathlib.Path) -> list[Table]:
    """What torch.compile gains, measured interleaved with the other forms."""
    rows, notes = [], []
    for what, (name, field) in COMPILED.items():
        results = read(directory, name)
        rows.append(_compile_row(f"{what}, CPU", results, field))
        notes += [*source(results), *_unable(results)] if results else []
    columns = ("what", "fastest without torch.compile", "fastest with it")
    columns += ("speed with / without it", "our speed / without it")
    return [
        Table(
            "torch_compile",
            "torch.compile among PyTorch's forms",
            (*columns, "our speed / with it"),
            tuple(rows),
            (*notes, "Ratios of medians of interleaved runs."),
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
