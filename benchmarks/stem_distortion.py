"""A trained distortion network, channel by channel, beside baselines and bounds.

python -m benchmarks.stem_distortion --config=configs/stem_distortion.py:tuned \
    --config.evaluation.num_examples=1024 --workdir=runs/tuned

Errors are root mean squares over octahedra (A: columns); 95 % intervals by drawing
crystals again. Error bars and places of columns are calibrated on new crystals of the
trained compounds, and judged on compounds that were not trained on ("materials") and in
foci that were not ("settings"). Bounds are read from results/distortion_bounds.json.
Writes stem_distortion.json (every target, held-out compounds),
stem_distortion_defocus.json (displacements by focus) and stem_distortion_splits.json
(depth means, pooled by kind, all splits).
"""

import json
import pathlib
import time

import jax
import numpy as np
from absl import app, flags
from ml_collections import config_flags

from benchmarks import distortion_table, results_file
from inverse import tasks
from inverse.inference import open_checkpoint
from inverse.split_examples import TRAIN, make_examples_at
from parallel.time_log import Phase

_CONFIG = config_flags.DEFINE_config_file(
    "config", "configs/stem_distortion.py:tuned", "That was trained."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Of the run.", required=True)
_CHECKPOINT = flags.DEFINE_string("checkpoint", "best", "best or latest.")
_SPLIT = "materials"
_BOUNDS = results_file.DIRECTORY / "distortion_bounds.json"


def training_seconds(workdir: pathlib.Path) -> float:
    """Of a run's steps, its evaluations included.

    Without its start, in which the crystals are simulated that no earlier run has kept.
    """
    lines = (workdir / "time.jsonl").read_text().splitlines()
    booked = [json.loads(line).get("seconds", {}) for line in lines]
    return sum(
        seconds
        for phases in booked
        for phase, seconds in phases.items()
        if phase != Phase.START
    )


def seconds_per_crystal(config, setup, source, parts: int = 3) -> float:
    """What a crystal of the training takes to simulate here, in all its foci."""
    make = make_examples_at(setup, source, TRAIN, lambda example: example)
    low = np.arange(16 * setup.mesh.size, dtype=np.uint32)
    numbers = np.stack([np.zeros_like(low), low], axis=-1)
    jax.block_until_ready(make(numbers))
    start = time.perf_counter()
    for _ in range(parts):
        jax.block_until_ready(make(numbers))
    return (time.perf_counter() - start) / (parts * len(numbers))


def main(argv: list[str]) -> None:
    """Writes both files."""
    del argv
    config = _CONFIG.value
    trained = open_checkpoint(config, _WORKDIR.value, _CHECKPOINT.value)
    path, task = pathlib.Path(_WORKDIR.value).expanduser(), tasks.task_of(config)
    source = task.open_source(config)
    evaluator = task.make_evaluator(config, trained.setup, source, path)
    state, detectors = trained.state, evaluator.detector_sets[-1]
    averaged = (state.ema, state.batch_stats)
    made = evaluator.predictions(*averaged)
    single, pooled = distortion_table.score_all(evaluator, made)
    bounds = json.loads(_BOUNDS.read_text()) if _BOUNDS.exists() else None
    setting = (
        f"from one image of 2 x 2 cells, {10**config.evaluation.log10_dose:.0e} "
        f"electrons per A^2, {detectors}: RMSE in degrees or pm (95 % interval)"
    )
    number = config.evaluation.num_examples
    common = {
        "command": "python -m benchmarks.stem_distortion "
        "--config=configs/stem_distortion.py:tuned "
        f"--config.evaluation.num_examples={number} --workdir={path.name}",
        "step": trained.step,
        "num_steps": config.num_steps,
        "seed": config.seed,
        "batch_size": trained.setup.batch_size,
        "crystals": config.dataset.num_examples,
        "layers": [config.dataset.thinnest, config.dataset.layers],
        "energy_ev": config.dataset.energy_ev,
        "materials": {k: list(v) for k, v in source.materials.items()},
        "num_examples": number,
    }
    written = results_file.write(
        "stem_distortion",
        common
        | {
            "title": f"Distortions of held-out compounds {setting}; told: better than "
            "the mean; share inside intervals of 68 and 95 %; Cramer-Rao bounds, and "
            "the best linear estimate where all else of a crystal is known",
            "scores": single[_SPLIT],
            "table": distortion_table.target_rows(single[_SPLIT], bounds, detectors),
        },
    )
    if bounds:
        edges = bounds["defocus_edges_a"]
        spans = distortion_table.by_defocus(evaluator, made, _SPLIT, edges)
        print(
            results_file.write(
                "stem_distortion_defocus",
                common
                | {
                    "title": f"Distortions of held-out compounds {setting}, by focus; "
                    "the best linear estimate where all else of a crystal is known",
                    "spans": spans,
                    "table": distortion_table.defocus_rows(spans, bounds, detectors),
                },
            )
        )
    print(written)
    written = results_file.write(
        "stem_distortion_splits",
        common
        | {
            "title": f"Distortions {setting}; depth means",
            "training_seconds": training_seconds(path),
            "seconds_per_crystal": seconds_per_crystal(config, trained.setup, source),
            "evaluations": [
                json.loads(x) for x in (path / "eval.jsonl").read_text().splitlines()
            ],
            "scores": pooled,
            "compound_left_out_of_calibration": distortion_table.left_out(
                evaluator, *averaged, detectors
            ),
            "table": distortion_table.split_rows(pooled),
        },
    )
    print(written)


if __name__ == "__main__":
    app.run(main)
