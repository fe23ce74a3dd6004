"""The published form: 27 classes of tilt signs of a bright-field crop, held-out.

python -m benchmarks.tilt_classes --workdir=runs/paper

Accuracy of a run of configs/stem_distortion.py:paper, with 95 % intervals by drawing
crystals again, beside chance and the commonest class of the validation crystals. The
configuration is the run's own.
"""

import json
import pathlib

import numpy as np
from absl import app, flags

from benchmarks import results_file
from configs import stem_distortion
from inverse import tasks
from inverse.distortion_evaluate import VALIDATION
from inverse.distortion_scores import bootstrap_interval
from inverse.inference import open_checkpoint

_WORKDIR = flags.DEFINE_string("workdir", None, "Of the run.", required=True)
_CHECKPOINT = flags.DEFINE_string("checkpoint", "best", "best or latest.")
_CLASSES = 27


def _share(right: np.ndarray) -> dict:
    low, high = bootstrap_interval(right[:, None].astype(float), lambda m: m[:, 0])
    return {"accuracy": float(right.mean()), "interval": [low, high]}


def main(argv: list[str]) -> None:
    """Writes results/tilt_classes.json."""
    del argv
    path = pathlib.Path(_WORKDIR.value).expanduser()
    config = stem_distortion.get_config("paper")
    with config.unlocked():
        config.update(json.loads((path / "config.json").read_text()))
    trained = open_checkpoint(config, str(path), _CHECKPOINT.value)
    task = tasks.task_of(config)
    source = task.open_source(config)
    evaluator = task.make_evaluator(config, trained.setup, source, path)
    usual = evaluator.splits[VALIDATION].targets
    commonest = np.bincount(usual, minlength=_CLASSES).argmax()
    found, rows = {}, []
    for split, held in evaluator.splits.items():
        averaged = trained.state.ema, trained.state.batch_stats
        guess = evaluator.predict(*averaged, held.images).argmax(axis=-1)
        found[split] = {
            "network": _share(guess == held.targets),
            "commonest class": _share(commonest == held.targets),
        }
        cells = [
            f"{100 * v['accuracy']:.0f} ({100 * v['interval'][0]:.0f}-"
            f"{100 * v['interval'][1]:.0f})"
            for v in found[split].values()
        ]
        rows.append(
            f"| {split} | {' | '.join(cells)} | {100 / _CLASSES:.1f} | "
            f"{len(held.targets)} |"
        )
    dataset = config.dataset
    results = {
        "command": f"python -m benchmarks.tilt_classes --workdir={path.name}",
        "title": "27 classes of tilt signs of one ABF image of 2 x 2 cells, "
        f"{10**config.evaluation.log10_dose:.0e} electrons per A^2: accuracy in % "
        "(95 % interval)",
        "step": trained.step,
        "num_steps": config.num_steps,
        "batch_size": trained.setup.batch_size,
        "crystals": dataset.num_examples,
        "layers": [dataset.thinnest, dataset.layers],
        "threshold_deg": config.model.class_threshold_deg,
        "held_out": list(dataset.held_out),
        "scores": found,
        "table": [
            "| split | network | commonest class | chance | crystals |",
            "|---" * 5 + "|",
            *rows,
        ],
    }
    print("\n".join(results["table"]))
    results_file.write("tilt_classes", results)


if __name__ == "__main__":
    app.run(main)
