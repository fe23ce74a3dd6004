"""The published form: 27 classes of tilt signs of a bright-field crop, held-out.

python -m benchmarks.tilt_classes --workdir=runs/paper

Reads what a run of configs/stem_distortion.py:paper scored itself, at the step that was
best on validation: accuracy with 95 % intervals (crystals are independent: binomial),
beside chance and the commonest class of the validation crystals.
"""

import json
import pathlib

from absl import app, flags
from scipy import stats

from benchmarks import results_file

_WORKDIR = flags.DEFINE_string("workdir", None, "Of the run.", required=True)
_CLASSES = 27
_SPLITS = ("validation", "materials", "settings")


def share(accuracy: float, count: int) -> dict:
    """An accuracy on `count` crystals with its interval."""
    found = stats.binomtest(round(accuracy * count), count).proportion_ci(0.95)
    return {"accuracy": accuracy, "interval": [float(found.low), float(found.high)]}


def scores_of(evaluations: list[dict], count: int) -> tuple[int, dict]:
    """The best step, and of each split the network and the commonest class."""
    best = max(evaluations, key=lambda e: e["validation/network/accuracy"])
    names = {"network": "network", "commonest class": "without image"}
    scores = {
        split: {
            shown: share(best[f"{split}/{method}/accuracy"], count)
            for shown, method in names.items()
        }
        for split in _SPLITS
    }
    return best["step"], scores


def _row(split: str, methods: dict, count: int) -> str:
    cells = []
    for values in methods.values():
        low, high = (100 * v for v in values["interval"])
        cells.append(f"{100 * values['accuracy']:.0f} ({low:.0f}-{high:.0f})")
    return f"| {split} | {' | '.join(cells)} | {100 / _CLASSES:.1f} | {count} |"


def main(argv: list[str]) -> None:
    """Writes results/tilt_classes.json."""
    del argv
    path = pathlib.Path(_WORKDIR.value).expanduser()
    run = json.loads((path / "config.json").read_text())
    lines = (path / "eval.jsonl").read_text().splitlines()
    count, dataset = run["evaluation"]["num_examples"], run["dataset"]
    step, scores = scores_of([json.loads(line) for line in lines], count)
    results = {
        "command": f"python -m benchmarks.tilt_classes --workdir={path.name}",
        "title": "27 classes of tilt signs of one ABF image of 2 x 2 cells, "
        f"{10 ** run['evaluation']['log10_dose']:.0e} electrons per A^2: accuracy in "
        "% (95 % interval)",
        "step": step,
        "num_steps": run["num_steps"],
        "batch_size": run["per_device_batch_size"],
        "crystals": dataset["num_examples"],
        "layers": [dataset["thinnest"], dataset["layers"]],
        "threshold_deg": run["model"]["class_threshold_deg"],
        "held_out": dataset["held_out"],
        "scores": scores,
        "table": [
            "| split | network | commonest class | chance | crystals |",
            "|---" * 5 + "|",
            *(_row(split, methods, count) for split, methods in scores.items()),
        ],
    }
    print("\n".join(results["table"]))
    results_file.write("tilt_classes", results)


if __name__ == "__main__":
    app.run(main)
