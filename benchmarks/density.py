"""What the density network reaches on what it never saw, beside what needs no training.

python main.py --config=configs/stem_density.py:tuned --workdir=runs/density
python main.py --config=configs/stem_density.py:tuned --workdir=runs/density \\
    --mode=evaluate
python -m benchmarks.density --workdir=runs/density

Takes the last line of the run's eval.jsonl, and a picture of it.
"""

import json
import pathlib
import shutil

from absl import app, flags

from benchmarks import results_file
from inverse.evaluate import SCORES

_WORKDIR = flags.DEFINE_string("workdir", None, "Of the run.", required=True)
_NAME = flags.DEFINE_string("name", "density", "Of the result files.")

SPLITS = {"materials": "held-out materials", "space_groups": "held-out space group"}
METHODS = {
    "network": "network",
    "mean": "mean density everywhere",
    "idpc": "integrated centre of mass (iDPC)",
    "single_slice": "single-slice phase retrieval",
}
HEADINGS = {
    "relative_l2": "relative L2",
    "ssim": "SSIM",
    "correlation": "correlation",
    "column_recall": "column recall",
    "column_precision": "column precision",
    "column_error_pm": "column error [pm]",
}


def table_of(scores: dict[str, float]) -> list[str]:
    """Lines of Markdown: a row per split and method."""
    head = ("scans of", "method", *(HEADINGS[name] for name in SCORES))
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for split, of in SPLITS.items():
        for method, how in METHODS.items():
            found = [scores.get(f"{split}/{method}/{name}") for name in SCORES]
            if all(value is None for value in found):
                continue
            cells = []
            for name, value in zip(SCORES, found, strict=True):
                digits = 1 if name.endswith("_pm") else 3
                cells.append("" if value is None else f"{value:.{digits}f}")
            lines.append(" | ".join((of, how, *cells)))
    return [f"| {line} |" for line in lines]


def seconds_of(workdir: pathlib.Path, batch_size: int) -> float:
    """Seconds of training steps and the waiting for their examples."""
    total, before = 0.0, 0
    for line in (workdir / "metrics.jsonl").read_text().splitlines():
        tick = json.loads(line)
        total += (tick["step"] - before) * batch_size / tick["samples_per_second"]
        before = tick["step"]
    return total


def main(argv: list[str]) -> None:
    """Writes results/NAME.{json,png}."""
    del argv
    workdir = pathlib.Path(_WORKDIR.value).expanduser()
    scores = json.loads((workdir / "eval.jsonl").read_text().splitlines()[-1])
    config = json.loads((workdir / "config.json").read_text())
    run = json.loads((workdir / "versions.json").read_text())[-1]
    batch_size = config["per_device_batch_size"] * int(run["devices"].split(" x ")[0])
    results = {
        "title": "Density from diffraction",
        "command": "python -m benchmarks.density",
        "step": scores["step"],
        "seed": scores["seed"],
        "checkpoint": scores.get("checkpoint", "latest"),
        "batch_size": batch_size,
        "training_examples": config["dataset"]["num_examples"],
        "scored_examples_of_each_split": config["evaluation"]["num_examples"],
        "training_minutes": round(seconds_of(workdir, batch_size) / 60, 1),
        "scores": {name: scores[name] for name in scores if "/" in name},
        "table": table_of(scores),
    }
    print("\n".join(results["table"]))
    picture = max(workdir.glob("panels-*.png"), default=None)
    if picture is not None:
        shutil.copy(picture, results_file.DIRECTORY / f"{_NAME.value}.png")
    print(results_file.write(_NAME.value, results))


if __name__ == "__main__":
    app.run(main)
