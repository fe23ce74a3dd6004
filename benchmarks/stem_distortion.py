"""A trained distortion network, channel by channel, beside baselines and bounds.

python -m benchmarks.stem_distortion --config=configs/stem_distortion.py:tuned \
    --workdir=runs/distortion [--logged]

Errors are root mean squares over octahedra (A: columns) of crystals of compounds that
were not trained on; 95 % intervals by drawing crystals again. Bounds are read from
results/distortion_bounds.json. Spreads are calibrated on new crystals of the trained
compounds, and judged on the others. With --logged nothing is computed: scores of the
run's last evaluation, targets of one kind pooled, go to stem_distortion_logged.json.
"""

import json
import pathlib

import numpy as np
from absl import app, flags
from ml_collections import config_flags

from benchmarks import results_file
from inverse import distortion_scores, tasks
from inverse.gaussian_loss import coverage
from inverse.inference import open_checkpoint

_CONFIG = config_flags.DEFINE_config_file(
    "config", "configs/stem_distortion.py:tuned", "That was trained."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Of the run.", required=True)
_CHECKPOINT = flags.DEFINE_string("checkpoint", "best", "best or latest.")
_LOGGED = flags.DEFINE_bool("logged", False, "Only what the run wrote down itself.")
_SPLIT = flags.DEFINE_string("split", "materials", "Which held-out split.")
_BOUNDS = results_file.DIRECTORY / "distortion_bounds.json"
_SHARES = (0.68, 0.95)


def score(made, truth: np.ndarray, names: tuple[str, ...]) -> dict[str, dict]:
    """Error, interval and coverage of every channel."""
    error = made.mean - truth
    rmse = distortion_scores.rmse(error)
    low, high = distortion_scores.bootstrap_interval(error)
    inside = {
        f"inside_{100 * share:.0f}": np.asarray(
            coverage(made.mean, made.log_variance, truth, share)
        )
        for share in _SHARES
    }
    return {
        name: {
            "rmse": float(rmse[c]),
            "interval": [float(low[c]), float(high[c])],
            **{what: float(values[c]) for what, values in inside.items()},
        }
        for c, name in enumerate(names)
    }


def _row(name: str, found: dict, shown: list[str], bounds: dict | None) -> str:
    def cell(values):
        low, high = values["interval"]
        return f"{values['rmse']:.2f} ({low:.2f}-{high:.2f})"

    cells = [cell(found[who][name]) for who in shown]
    every = found[shown[-1]][name]
    cells.append(" / ".join(f"{100 * every[f'inside_{p}']:.0f}" for p in (68, 95)))
    label = "HAADF+ABF+iDPC"
    known = bounds and bounds["unbiased_median"][label].get(name)
    if known:
        prior = bounds["with_prior_rms"][label][name]
        cells.append(f"{known:.2g} ({prior:.2g})")
    else:
        cells.append("")
    return f"| {name} | " + " | ".join(cells) + " |"


def write_logged(config, path: pathlib.Path) -> None:
    """Writes results/stem_distortion_logged.json."""
    last = json.loads((path / "eval.jsonl").read_text().splitlines()[-1])
    rows = {}
    for name, value in last.items():
        split, *who = name.split("/")
        if split == _SPLIT.value:
            rows.setdefault(who[0], {})[who[1]] = value
    columns = list(next(iter(rows.values())))
    run = json.loads((path / "config.json").read_text())
    batch = run["per_device_batch_size"]
    results = {
        "command": "python -m benchmarks.stem_distortion --logged",
        "title": "Distortions of held-out compounds from one image of 2 x 2 cells, "
        f"{10**config.evaluation.log10_dose:.0e} electrons per A^2, after "
        f"{last['step']} steps of {batch} samples: RMSE of depth means",
        "run": {
            "num_steps": run["num_steps"],
            "seed": run["seed"],
            "optimizer": run["optimizer"],
            "model": run["model"],
            "num_examples": run["dataset"]["num_examples"],
            "held_out": run["dataset"]["held_out"],
        },
        "scores": last,
        "table": [
            f"| {_SPLIT.value} | {' | '.join(columns)} |",
            "|---" * (len(columns) + 1) + "|",
            *(
                f"| {who} | {' | '.join(f'{v:.2f}' for v in values.values())} |"
                for who, values in rows.items()
            ),
        ],
    }
    print("\n".join(results["table"]))
    results_file.write("stem_distortion_logged", results)


def main(argv: list[str]) -> None:
    """Writes results/stem_distortion.json, or what the run logged."""
    del argv
    if _LOGGED.value:
        write_logged(_CONFIG.value, pathlib.Path(_WORKDIR.value).expanduser())
        return
    config, split = _CONFIG.value, _SPLIT.value
    trained = open_checkpoint(config, _WORKDIR.value, _CHECKPOINT.value)
    path, task = pathlib.Path(_WORKDIR.value).expanduser(), tasks.task_of(config)
    source = task.open_source(config)
    evaluator = task.make_evaluator(config, trained.setup, source, path)
    names = evaluator.channels.names
    made = evaluator.predictions(trained.state.ema, trained.state.batch_stats)
    found = {
        who: {
            method.split("/", 1)[1]: score(prediction, evaluator.truth[who], names)
            for method, prediction in made.items()
            if method.split("/", 1)[0] == who
        }
        for who in evaluator.splits
    }
    bounds = json.loads(_BOUNDS.read_text()) if _BOUNDS.exists() else None
    shown = ["mean", "peak fit", "network of HAADF", "network"]
    head = "| target | mean | peak fits | HAADF alone | network | 68 / 95 % | bound |"
    body = [_row(name, found[split], shown, bounds) for name in names]
    steps = [json.loads(x) for x in (path / "metrics.jsonl").read_text().splitlines()]
    results = {
        "command": "python -m benchmarks.stem_distortion "
        f"--config=configs/stem_distortion.py:tuned --workdir={path.name}",
        "title": "Distortions of held-out compounds from one image of 2 x 2 cells, "
        f"{10**config.evaluation.log10_dose:.0e} electrons per A^2: RMSE in degrees or "
        "pm (95 % interval); coverage; Cramer-Rao bound (with the prior)",
        "step": trained.step,
        "num_steps": config.num_steps,
        "seed": config.seed,
        "batch_size": trained.setup.batch_size,
        "crystals": config.dataset.num_examples,
        "held_out": list(config.dataset.held_out),
        "num_examples": config.evaluation.num_examples,
        "last_metrics": steps[-1],
        "scores": found,
        "table": [head, "|---" * 7 + "|", *body],
    }
    print("\n".join(results["table"]))
    results_file.write("stem_distortion", results)


if __name__ == "__main__":
    app.run(main)
