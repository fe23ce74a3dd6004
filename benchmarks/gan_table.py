"""Scores of label-sharded, single and conditional generators beside published ones."""

import json
import pathlib
import re
import statistics
from collections.abc import Sequence

from benchmarks import published
from benchmarks.table import NOT_RUN, Table, read, source

DATA_SETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")
METHODS = {"tuned": "label-sharded", "single": "single", "conditional": "conditional"}
_OF_CONDITIONING = {"per_label": "label-sharded", "none": "single"}
_OF_CONDITIONING["class"] = "conditional"
# Beginning of a score's name -> its heading and decimals.
SCORES = {
    "is_mean": ("IS", 2),
    "fid": ("FID", 2),
    "intra_fid": ("intra-class FID", 2),
    "own_label_accuracy": ("own-label accuracy", 3),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
}
_NAME = re.compile(rf"^({'|'.join(SCORES)})_(.+?)(?:_r(\d+))?_f(\d+)$")
COLUMNS = ("data", "method", "runs", "features", "images")
COLUMNS += tuple(heading for heading, _ in SCORES.values())
# Of a run's configuration, what changes none of its scores but by chance or not at all.
_NO_MATTER = ("seed", "log_every_steps", "sample_every_steps", "keep_checkpoints")


def _spread(values: list[float], decimals: int) -> str:
    text = f"{statistics.mean(values):.{decimals}f}"
    if len(values) > 1:
        text += f" ± {statistics.stdev(values):.{decimals}f}"
    return text


def _rows(dataset: str, method: str, runs: Sequence[dict]) -> list[tuple[str, ...]]:
    """One row per feature network: mean and standard deviation over the runs."""
    by_network, images = {}, {}
    for name in runs[0] if runs else ():
        if not (found := _NAME.match(name)):
            continue
        score, network, num_real, num_fake = found.groups()
        values = [run[name] for run in runs]
        by_network.setdefault(network, {})[score] = _spread(values, SCORES[score][1])
        if num_real:
            images[network] = f"{int(num_fake):,} fakes, {int(num_real):,} reals"
    if not by_network:
        return [(dataset, method, *[NOT_RUN] * (len(COLUMNS) - 2))]
    return [
        (
            *(dataset, method, f"{len(runs)} seed{'s' * (len(runs) > 1)}"),
            *(network, images.get(network, "")),
            *(scores.get(score, "") for score in SCORES),
        )
        for network, scores in by_network.items()
    ]


def _published_rows(dataset: str) -> list[tuple[str, ...]]:
    rows = []
    for one in published.SCORES:
        if one.dataset == dataset:
            features = "TF Inception" if one.source == published.STUDIOGAN else ""
            images = "50,000 fakes" if one.source == published.STUDIOGAN else ""
            scores = (one.inception_score, one.fid, one.intra_fid, "", "", "")
            method = f"{one.method} (published: {one.source})"
            rows.append((dataset, method, "", features, images, *scores))
    return rows


def _last_scores(workdir: pathlib.Path, num_steps: int) -> dict:
    lines = (workdir / "eval.jsonl").read_text().splitlines()
    scores = [json.loads(line) for line in lines]
    scores = [s for s in scores if s["step"] == num_steps and "checkpoint" not in s]
    if not scores:
        raise ValueError(f"--workdirs={workdir}: no scores of step {num_steps}.")
    return scores[-1]


def rows_of_workdirs(workdirs: Sequence[str]) -> list[tuple[str, ...]]:
    """Rows of finished runs; runs that differ by their seed alone make one row."""
    grouped = {}
    for name in workdirs:
        workdir = pathlib.Path(name)
        config = json.loads((workdir / "config.json").read_text())
        same = {k: v for k, v in config.items() if k not in _NO_MATTER}
        dataset = {k: v for k, v in same["dataset"].items() if not k.endswith("_dir")}
        same = json.dumps({**same, "dataset": dataset, "parallel": None})
        scores = _last_scores(workdir, config["num_steps"])
        grouped.setdefault(same, {})[config["seed"]] = scores
    rows = []
    for same, runs in grouped.items():
        config = json.loads(same)
        method = _OF_CONDITIONING[config["model"]["conditioning"]]
        method = f"{method} ({config['num_steps']:,} steps, --workdirs)"
        rows += _rows(config["dataset"]["name"], method, list(runs.values()))
    return rows


def _draw(rows: Sequence[tuple[str, ...]]):
    column = {name: COLUMNS.index(name) for name in ("FID", "intra-class FID")}
    ours = [row for row in rows if row[2] and row[column["FID"]]]

    def draw(axes):
        for offset, (name, index) in zip((-0.2, 0.2), column.items(), strict=True):
            bars = [
                (i + offset, *map(float, f"{row[index]} ± 0".split(" ± ")[:2]))
                for i, row in enumerate(ours)
                if row[index]
            ]
            if bars:
                x, height, error = zip(*bars, strict=True)
                axes.bar(x, height, 0.4, yerr=error, capsize=3, label=name)
        names = [f"{row[0]}\n{row[1]}" for row in ours]
        axes.set_xticks(range(len(ours)), names, fontsize=7)
        axes.set_ylabel("distance, lower is better")
        axes.legend()

    return draw if ours else None


def _made_with(results: dict) -> list[str]:
    """A note for each command that made some of the variants."""
    by_source = {}
    for variant in results.get("runs", {}):
        note = source(results.get("made", {}).get(variant, results))
        by_source.setdefault(note, []).append(METHODS[variant])
    return [
        f"{' and '.join(methods)}: {line}"
        for note, methods in by_source.items()
        for line in note
    ]


def _each_seed(results: dict) -> list[str]:
    """A note with the FIDs that the means are of."""
    said = []
    for variant, runs in results.get("runs", {}).items():
        values = [v for run in runs for name, v in run.items() if name[:4] == "fid_"]
        said.append(f"{METHODS[variant]} {', '.join(f'{v:.2f}' for v in values)}")
    return [f"FID of each seed: {'; '.join(said)}"] if said else []


def make(directory: pathlib.Path, workdirs: Sequence[str] = ()) -> list[Table]:
    """The table of scores, from results/gan_comparison_*.json and finished runs."""
    rows, notes = [], []
    for dataset in DATA_SETS:
        results = read(directory, f"gan_comparison_{dataset}")
        for variant, method in METHODS.items():
            rows += _rows(dataset, method, results.get("runs", {}).get(variant, []))
        rows += _published_rows(dataset)
        about = [*_made_with(results), *_each_seed(results)]
        notes += [f"{dataset}, {line}" for line in about]
    rows += rows_of_workdirs(workdirs)
    notes.append(
        "Scores in the features of different networks have different scales. Mean ± "
        "standard deviation over seeds. Published rows are quoted, not measured here; "
        "an empty cell was not run, or not published in a form that we hold."
    )
    title = "GAN scores: one generator per label, one for all, one conditional"
    return [Table("gan", title, COLUMNS, tuple(rows), tuple(notes), _draw(rows))]
