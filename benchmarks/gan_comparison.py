"""Label-sharded, conditional and single generators beside each other, several seeds.

python -m benchmarks.gan_comparison --config=configs/mnist.py --seeds=3 \
    --set=dataset.data_dir=DIRECTORY

All variants see as many training images in as many updates of as many parameters:
N pairs take S steps of B images each, the one pair of a baseline takes N * S steps of
B images. Runs that are complete in --workdir are not repeated, and variants that
--variants does not name stay in the results as they are.
"""

import json
import pathlib
import shutil
import statistics
import subprocess
import sys

from absl import app, flags

from benchmarks import results_file

_CONFIG = flags.DEFINE_string("config", "configs/mnist.py", "Experiment to compare in.")
_VARIANTS = flags.DEFINE_list(
    "variants", ["tuned", "conditional", "single"], "Variants to compare."
)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Seeds 0 .. n-1 of every variant.")
_SET = flags.DEFINE_multi_string("set", [], "Field of every run, e.g. num_steps=100.")
_WORKDIR = flags.DEFINE_string("workdir", "runs/comparison", "Where the runs live.")

COLUMNS = {
    "fid_": "FID",
    "intra_fid_": "intra-class FID",
    "own_label_accuracy_": "own-label accuracy",
    "is_mean_": "IS",
    "precision_": "precision",
    "recall_": "recall",
}


def _workdir(variant: str, seed: int) -> pathlib.Path:
    name = pathlib.Path(_CONFIG.value).stem
    return pathlib.Path(_WORKDIR.value) / f"{name}-{variant}-seed{seed}"


def _run(variant: str, seed: int) -> dict:
    """Trains one run to its end; returns its last scores, its speed and its memory."""
    workdir = _workdir(variant, seed)
    command = [sys.executable, "main.py", f"--config={_CONFIG.value}:{variant}"]
    command += [f"--workdir={workdir}", f"--config.seed={seed}"]
    command += [f"--config.{field}" for field in _SET.value]
    subprocess.run(command, check=True)
    config = json.loads((workdir / "config.json").read_text())
    scores = [
        line
        for line in _lines(workdir / "eval.jsonl")
        if line["step"] == config["num_steps"] and "checkpoint" not in line
    ]
    if not scores:
        raise app.UsageError(
            f"{workdir} holds no scores of step {config['num_steps']}: it was trained "
            "with other fields; remove it, or give another --workdir."
        )
    ticks = _lines(workdir / "metrics.jsonl")
    name = pathlib.Path(_CONFIG.value).stem
    pictures = results_file.DIRECTORY / f"{name}_{variant}_fakes.png"
    if seed == 0:
        shutil.copy(max(workdir.glob("fakes-*.png")), pictures)
    return {
        **scores[-1],
        "images_per_second": statistics.median(t["images_per_second"] for t in ticks),
        "memory_gib": max(t["memory_gib"] for t in ticks),
    }


def _lines(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _title(name: str) -> str | None:
    """Heading of a score's column, with its network and numbers of images."""
    for prefix, title in COLUMNS.items():
        if name.startswith(prefix):
            measured_with = name.removeprefix(prefix)
            return f"{title} ({measured_with})" if measured_with else title
    return None


def _row(runs: list[dict]) -> dict[str, str]:
    """Mean and spread over seeds of the scores that the table shows."""
    row = {}
    for name in runs[0]:
        if title := _title(name):
            values = [run[name] for run in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            row[title] = f"{statistics.mean(values):.3f} ± {spread:.3f}"
    return row


def markdown(rows: dict[str, dict[str, str]]) -> str:
    """Formats the table; a score that a variant does not have is an empty cell."""
    order = list(COLUMNS.values())
    titles = dict.fromkeys(title for row in rows.values() for title in row)
    titles = sorted(titles, key=lambda title: order.index(title.split(" (")[0]))
    lines = [f"| | {' | '.join(titles)} |", f"|---{'|---' * len(titles)}|"]
    lines += [
        f"| {name} | {' | '.join(row.get(title, '') for title in titles)} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Runs what is missing and writes results/gan_comparison_NAME.json."""
    del argv
    name = f"gan_comparison_{pathlib.Path(_CONFIG.value).stem}"
    command = (
        f"python -m benchmarks.gan_comparison --config={_CONFIG.value} "
        f"--variants={','.join(_VARIANTS.value)} --seeds={_SEEDS.value}"
    )
    fields = [x for x in _SET.value if not x.startswith("dataset.data_dir")]
    runs = {
        variant: [_run(variant, seed) for seed in range(_SEEDS.value)]
        for variant in _VARIANTS.value
    }
    earlier = results_file.read(name)
    others = results_file.kept(earlier, fields, _VARIANTS.value)
    runs = {variant: other["runs"] for variant, other in others.items()} | runs
    table = markdown({variant: _row(seen) for variant, seen in runs.items()})
    print(table)
    results = {
        "command": command,
        "fields": fields,
        "table": table.splitlines(),
        "runs": runs,
        "made": {variant: other["made"] for variant, other in others.items()},
    }
    print(results_file.write(name, results))


if __name__ == "__main__":
    app.run(main)
