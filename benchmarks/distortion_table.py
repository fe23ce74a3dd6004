"""Scores of distortions with intervals, and the tables that show them."""

import itertools

import numpy as np

from inverse.distortion import conformal
from inverse.distortion.conformal import Calibrated
from inverse.distortion.evaluate import COLUMNS
from inverse.distortion.scores import bootstrap_interval


def _per_crystal(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).mean(axis=1)


def score(
    made: Calibrated, blind: Calibrated, truth: np.ndarray, chosen: list[int]
) -> dict:
    """Of pooled channels: error, coverage, error over that of the mean; intervals.

    Args:
      made: what is scored.
      blind: predicts the mean.
      truth: [crystal, i, j, channel].
      chosen: channels.
    """
    made, blind = (
        Calibrated(*(part[..., chosen] for part in whole)) for whole in (made, blind)
    )
    truth = truth[..., chosen]
    squares = np.stack(
        [_per_crystal((part.mean - truth) ** 2) for part in (made, blind)], axis=-1
    )

    def rmse(means):
        return np.sqrt(means[..., 0])

    def ratio(means):
        # Of a target that is always zero both are.
        return np.sqrt(means[..., 0] / np.maximum(means[..., 1], 1e-30))

    means = squares.mean(axis=0)
    found = {
        "rmse": float(rmse(means)),
        "interval": bootstrap_interval(squares, rmse),
        "of_mean": float(ratio(means)),
        "of_mean_interval": bootstrap_interval(squares, ratio),
    }
    hits = conformal.inside(made, truth)
    for probability, hit in zip(conformal.PROBABILITIES, hits, strict=True):
        shares, name = _per_crystal(hit), f"inside_{100 * probability:.0f}"
        found[name] = float(shares.mean())
        found[f"{name}_interval"] = bootstrap_interval(
            shares[:, None], lambda means: means[:, 0]
        )
    return found


def score_all(evaluator, made: dict[str, Calibrated]) -> tuple[dict, dict]:
    """Scores by split, method and channel, and by split, method and pooled column."""
    names = list(evaluator.channels.names)
    single = {name: [c] for c, name in enumerate(names)}
    pooled = {n: [names.index(m) for m in members] for n, members in COLUMNS.items()}
    found = []
    for groups in (single, pooled | {"all": list(range(len(names)))}):
        scores = {}
        for who, prediction in made.items():
            split, method = who.split("/", 1)
            given = prediction, made[f"{split}/mean"], evaluator.truth[split]
            scores.setdefault(split, {})[method] = {
                name: score(*given, chosen) for name, chosen in groups.items()
            }
        found.append(scores)
    return found[0], found[1]


def by_defocus(
    evaluator, made: dict[str, Calibrated], split: str, edges: list[float]
) -> list[dict]:
    """Errors of the network and of the mean for every span of foci.

    Args:
      evaluator: that has the split.
      made: "SPLIT/METHOD" -> prediction with error bars.
      split: that is scored.
      edges: of the spans, A.

    Returns:
      {"defocus_a": (low, high), "crystals", "network" and "mean": {target: score}}.
    """
    names, found = evaluator.channels.names, []
    focus, truth = evaluator.splits[split].defocus_a, evaluator.truth[split]
    for low, high in itertools.pairwise(edges):
        here = (low <= focus) & (focus < high)
        part = {
            who: Calibrated(*(values[..., here, :, :, :] for values in made[label]))
            for who, label in (
                ("network", f"{split}/network"),
                ("mean", f"{split}/mean"),
            )
        }
        found.append(
            {
                "defocus_a": (low, high),
                "crystals": int(here.sum()),
                **{
                    who: {
                        name: score(prediction, part["mean"], truth[here], [channel])
                        for channel, name in enumerate(names)
                    }
                    for who, prediction in part.items()
                },
            }
        )
    return found


def defocus_rows(spans: list[dict], bounds: dict, detectors: str) -> list[str]:
    """Markdown: tilts and in-plane displacements by focus: network, mean, bound."""
    heads = [
        f"{what}, {span['defocus_a'][0]:.0f} to {span['defocus_a'][1]:.0f} A"
        for span in spans
        for what in ("network", "mean", "best linear")
    ]
    rows = [f"| target | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    known = bounds["with_prior_rms_by_defocus"]
    for name in spans[0]["network"]:
        if name.startswith("shift") and "_z_" in name:
            continue
        cells = []
        for span, bound in zip(spans, known, strict=True):
            cells += [_with_interval(span[who][name]) for who in ("network", "mean")]
            cells.append(f"{bound[detectors][name]:.3g}")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def left_out(evaluator, params, batch_stats, names: str) -> dict[str, list[float]]:
    """Coverage of each trained compound by bars read off the others, all channels."""
    split = "validation"
    held = evaluator.splits[split]
    found = evaluator.predict(params, batch_stats, held.images, names)
    error = found.mean - evaluator.truth[split]
    shares = conformal.left_out_coverage(
        error, found.log_variance, held.oxide, evaluator.channels.alike
    )
    return {
        f"inside_{100 * p:.0f}": [float(v) for v in shares[:, n].mean(axis=-1)]
        for n, p in enumerate(conformal.PROBABILITIES)
    }


def _with_interval(values: dict) -> str:
    low, high = values["interval"]
    return f"{values['rmse']:.2f} ({low:.2f}-{high:.2f})"


def _covered(values: dict) -> str:
    shares = []
    for p in (68, 95):
        low, high = (100 * v for v in values[f"inside_{p}_interval"])
        shares.append(f"{100 * values[f'inside_{p}']:.0f} ({low:.0f}-{high:.0f})")
    return " / ".join(shares)


def is_told(values: dict) -> bool:
    """Whether the error is smaller than the mean's, by its interval."""
    return values["of_mean_interval"][1] < 1


def identifiable(name: str, bounds: dict, detectors: str) -> str:
    """What an image tells: the best linear estimate beside the spread of the draws."""
    bound = bounds["with_prior_rms"][detectors].get(name)
    if bound is None:  # defines the origin or the focus
        return "no"
    share = bound / bounds["spread_of_draws"][name]
    return "yes" if share < 0.5 else "in part" if share < 0.9 else "hardly"


def target_rows(found: dict, bounds: dict | None, detectors: str) -> list[str]:
    """Markdown: one target per row, of one split's scores by method and channel."""
    shown = ["mean", "columns", "network of HAADF", "network"]
    rows = [
        "| target | mean | columns, regressed | network, HAADF alone | network | "
        "told | 68 / 95 % | bound | best linear | identifiable |",
        "|---" * 10 + "|",
    ]
    for name, network in found["network"].items():
        cells = [_with_interval(found[who][name]) for who in shown]
        cells += ["yes" if is_told(network) else "no", _covered(network)]
        for which in ("unbiased_median", "with_prior_rms"):
            known = bounds[which][detectors] if bounds else {}
            bound = known.get(name, "")
            cells.append("none" if bound is None else f"{bound:.3g}" if bound else "")
        cells.append(identifiable(name, bounds, detectors) if bounds else "")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def split_rows(pooled: dict) -> list[str]:
    """Markdown: one split and method per row, of scores by split, method, column."""
    columns = [*COLUMNS, "all"]
    rows = [
        f"| split | method | {' | '.join(COLUMNS)} | 68 / 95 % of all targets |",
        "|---" * (len(COLUMNS) + 3) + "|",
    ]
    for split, methods in pooled.items():
        for method, values in methods.items():
            cells = [_with_interval(values[name]) for name in columns[:-1]]
            cells.append(_covered(values["all"]))
            rows.append(f"| {split} | {method} | " + " | ".join(cells) + " |")
    return rows
