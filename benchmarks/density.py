"""What the density network reaches on what it never saw, beside what needs no training.

python main.py --config=configs/stem_density.py:tuned --workdir=runs/density
python main.py --config=configs/stem_density.py:tuned --workdir=runs/density \\
    --mode=evaluate
python -m benchmarks.density --trained=runs/density

Takes the last line of each run's eval.jsonl (of several seeds: mean and standard
deviation), and a picture of the first.
"""

import json
import pathlib
import shutil
import statistics

from absl import app, flags

from benchmarks import results_file
from inverse.density.evaluate import SCORES

_TRAINED = flags.DEFINE_list(
    "trained", None, "Workdirs, one of each seed.", required=True
)
_NAME = flags.DEFINE_string("name", "density", "Of the result files.")

SPLITS = {
    "validation": "validation materials",
    "materials": "held-out materials",
    "space_groups": "held-out space group",
}
METHODS = {
    "network": "network",
    "mean": "mean density everywhere",
    "idpc": "integrated centre of mass (iDPC)",
    "single_slice": "single-slice phase retrieval",
}
# Of the same scans of each seed: what is the scans' own cancels.
DIFFERENCE = ("network", "single_slice", "network less phase retrieval")
HEADINGS = {
    "relative_l2": "relative L2",
    "ssim": "SSIM",
    "correlation": "correlation",
    "column_recall": "column recall",
    "column_precision": "column precision",
    "column_error_pm": "column error [pm]",
}


def _cell(values: list[float], digits: int, sign: str = "") -> str:
    """Mean of the seeds, and their standard deviation where there are several."""
    if not values:
        return ""
    mean = f"{statistics.mean(values):{sign}.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def table_of(runs: list[dict[str, float]]) -> list[str]:
    """Lines of Markdown: a row per split and method, of the runs of several seeds."""
    head = ("scans of", "method", *(HEADINGS[name] for name in SCORES))
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for split, of in SPLITS.items():
        for method, how in METHODS.items():
            cells = []
            for name in SCORES:
                found = [scores.get(f"{split}/{method}/{name}") for scores in runs]
                there = [value for value in found if value is not None]
                cells.append(_cell(there, 1 if name.endswith("_pm") else 3))
            if any(cells):
                lines.append(" | ".join((of, how, *cells)))
        lines += _difference(runs, split)
    return [f"| {line} |" for line in lines]


def _difference(runs: list[dict[str, float]], split: str) -> list[str]:
    """The row of the network's scores less phase retrieval's, if there are both."""
    ours, theirs, how = DIFFERENCE
    cells = []
    for name in SCORES:
        pairs = [
            [run.get(f"{split}/{m}/{name}") for m in (ours, theirs)] for run in runs
        ]
        there = [a - b for a, b in pairs if a is not None and b is not None]
        cells.append(_cell(there, 1 if name.endswith("_pm") else 3, "+"))
    return [" | ".join((SPLITS[split], how, *cells))] if any(cells) else []


def seconds_of(workdir: pathlib.Path, batch_size: int) -> float:
    """Seconds of training steps and the waiting for their examples."""
    total, before = 0.0, 0
    for line in (workdir / "metrics.jsonl").read_text().splitlines():
        tick = json.loads(line)
        total += (tick["step"] - before) * batch_size / tick["samples_per_second"]
        before = tick["step"]
    return total


def _last_scores(workdir: pathlib.Path) -> dict:
    return json.loads((workdir / "eval.jsonl").read_text().splitlines()[-1])


def main(argv: list[str]) -> None:
    """Writes results/NAME.{json,png}."""
    del argv
    workdirs = [pathlib.Path(name).expanduser() for name in _TRAINED.value]
    runs = [_last_scores(workdir) for workdir in workdirs]
    first, scores = workdirs[0], runs[0]
    config = json.loads((first / "config.json").read_text())
    run = json.loads((first / "versions.json").read_text())[-1]
    batch_size = config["per_device_batch_size"] * int(run["devices"].split(" x ")[0])
    minutes = [seconds_of(workdir, batch_size) / 60 for workdir in workdirs]
    results = {
        "title": "Density from diffraction",
        "command": "python -m benchmarks.density --trained="
        + ",".join(workdir.name for workdir in workdirs),
        "seeds": [scores["seed"] for scores in runs],
        "num_steps": config["num_steps"],
        "steps": [scores["step"] for scores in runs],
        "checkpoint": scores.get("checkpoint", "latest"),
        "batch_size": batch_size,
        "split_seed": config["dataset"]["split_seed"],
        "training_examples": config["dataset"]["num_examples"],
        "scored_examples_of_each_split": config["evaluation"]["num_examples"],
        "training_minutes": [round(value, 1) for value in minutes],
        "scores": [
            {name: scores[name] for name in scores if "/" in name} for scores in runs
        ],
        "table": table_of(runs),
    }
    print("\n".join(results["table"]))
    # As --mode=evaluate draws them.
    drawn = first.glob(f"panels-{scores['step']:06d}-*-materials.png")
    picture = max(drawn, default=None)
    if picture is not None:
        shutil.copy(picture, results_file.DIRECTORY / f"{_NAME.value}.png")
    print(results_file.write(_NAME.value, results))


if __name__ == "__main__":
    app.run(main)
