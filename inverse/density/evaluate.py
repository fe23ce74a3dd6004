"""Scores on examples that training never saw, beside what needs no training."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from inverse.density import metrics
from inverse.density.columns import score_columns
from inverse.density.normalisation import Normalisation
from inverse.density.panels import panel_rows
from inverse.factories import Network
from inverse.scan.geometry import Scan
from inverse.train_step import make_predict

SCORES = (
    "relative_l2",
    "ssim",
    "correlation",
    "column_recall",
    "column_precision",
    "column_error_pm",
)
SMALLER_IS_BETTER = ("relative_l2", "column_error_pm")


class HeldOut(NamedTuple):
    """Examples of one split, in physical units.

    Attributes:
      patterns: intensities [n, ky, kx, position].
      density: projected potential [n, y, x] in V Å.
      baselines: name -> maps [n, y, x] in V Å, made without training.
    """

    patterns: np.ndarray
    density: np.ndarray
    baselines: dict[str, np.ndarray]


def scores_of(prediction: np.ndarray, truth: np.ndarray, scan: Scan) -> dict:
    """Scores maps [n, y, x] in V Å; means over the examples."""
    columns = [
        score_columns(p, t, scan.pixel_a)
        for p, t in zip(prediction, truth, strict=True)
    ]
    matched = sum(c.num_matched for c in columns)
    squares = sum(c.num_matched * c.error_pm**2 for c in columns if c.num_matched)
    return {
        "relative_l2": float(metrics.relative_l2(prediction, truth).mean()),
        "ssim": float(metrics.structural_similarity(prediction, truth).mean()),
        "correlation": float(metrics.correlation(prediction, truth).mean()),
        # Over all columns of the split, so that sparse crystals do not weigh more.
        "column_recall": matched / max(sum(c.num_true for c in columns), 1),
        "column_precision": matched / max(sum(c.num_found for c in columns), 1),
        "column_error_pm": float(np.sqrt(squares / matched)) if matched else np.nan,
    }


class Evaluator:
    """Holds the examples and the baselines' scores; `run` scores a state."""

    def __init__(
        self,
        network: Network,
        normalisation: Normalisation,
        scan: Scan,
        splits: dict[str, HeldOut],
        *,
        batch_size: int,
    ):
        """Scores the baselines.

        Args:
          network: what predicts.
          normalisation: of its inputs and outputs.
          scan: geometry of all examples.
          splits: name -> examples.
          batch_size: examples that are predicted at a time.
        """
        self._scan, self._splits, self.batch_size = scan, splits, batch_size
        predict = make_predict(network)

        def predict_density(params, batch_stats, patterns):
            scaled = normalisation.patterns(patterns)
            return normalisation.to_density(predict(params, batch_stats, scaled))

        self._predict: Callable = jax.jit(predict_density)
        self.baselines = {
            f"{split}/{baseline}/{name}": value
            for split, held in splits.items()
            for baseline, maps in held.baselines.items()
            for name, value in scores_of(maps, held.density, scan).items()
        }

    def predict(self, params: Any, batch_stats: Any, patterns: np.ndarray):
        """Predicts maps [n, y, x] in V Å from intensities [n, ky, kx, position]."""
        size = self.batch_size
        found = []
        for start in range(0, len(patterns), size):
            part = patterns[start : start + size]
            missing = size - len(part)
            # One shape, one compilation.
            padded = np.pad(part, [(0, missing), (0, 0), (0, 0), (0, 0)])
            maps = jax.device_get(self._predict(params, batch_stats, padded))
            found.append(maps[: len(part)])
        return np.concatenate(found)

    def run(self, params: Any, batch_stats: Any) -> dict[str, float]:
        """Returns {"SPLIT/network/SCORE": value} and those of the baselines."""
        scores = {}
        for split, held in self._splits.items():
            maps = self.predict(params, batch_stats, held.patterns)
            for name, value in scores_of(maps, held.density, self._scan).items():
                scores[f"{split}/network/{name}"] = value
        return scores | self.baselines

    def table(self, scores: dict[str, float]) -> str:
        """Lays scores out, one line per split and method."""
        return table(scores)

    def panels(self, params: Any, batch_stats: Any, split: str, num: int) -> np.ndarray:
        """Draws the first `num` examples of a split, uint8 [y, x, 3]."""
        held = self._splits[split]
        patterns, density = held.patterns[:num], held.density[:num]
        maps = self.predict(params, batch_stats, patterns)
        return panel_rows(patterns, density, maps, self._scan)


def table(scores: dict[str, float]) -> str:
    """Lays scores out, one line per split and method."""
    rows = {}
    for name, value in scores.items():
        *who, score = name.split("/")
        rows.setdefault("/".join(who), {})[score] = value
    names = list(next(iter(rows.values())))
    width = max(map(len, rows)) + 2
    lines = [" " * width + "".join(f"{name:>18s}" for name in names)]
    for who, values in rows.items():
        lines.append(
            f"{who:{width}s}" + "".join(f"{values[name]:18.4f}" for name in names)
        )
    return "\n".join(lines)
