"""Distortions of a measured crystal, averaged over its cells, with what they mean."""

import re

import numpy as np

from inverse.distortion.conformal import Calibrated

# A target of which the mean of the training errs hardly more is not seen.
_BLIND = 0.9
# What displacements are told from.
_ORIGIN = re.compile(r"shift_A_[xy]_P0_pm")
# Numbers of a target that tables show.
SHOWN = ("mean", "largest", "spread", "error_68", "error_95")
_HEADS = ("value", "largest", "spread", "+- (68 %)", "+- (95 %)", "not 0")


def average_cells(
    made: Calibrated, names: tuple[str, ...], error_of_mean: np.ndarray
) -> dict[str, dict]:
    """Means over cells, with the spread over cells and the network's own error.

    Tilts that change sign from cell to cell are averaged with the sign of their
    pattern. Displacements may do so too (antipolar): they are averaged over all cells,
    and over each of the four that 2 x 2 cells hold, by the parity of row and column
    (one row or column has no such four).
    The mean's error is that of a cell: what is wrong about an image is wrong about all
    of its cells. Zero is consistent with a target where the 95 % interval about every
    one of these means holds it. Seen is what the network tells better than the mean of
    its training does, see Evaluator.on_validation.

    The lattice is that of A itself: of its depth mean, the mean over cells is the
    origin of all displacements, and zero whatever the crystal is.

    Args:
      made: prediction of all cells with error bars [j, i, channel], degrees and pm.
      names: of the channels.
      error_of_mean: of each channel, the network's error over that of the mean.
    """
    result = {}
    rows, columns = np.indices(made.mean.shape[:2])
    sign = (-1.0) ** (rows + columns)
    for channel, name in enumerate(names):
        values, half = made.mean[..., channel], made.half_width[..., channel]
        if name.startswith("tilt_repeating"):
            values = values * sign
        means = [values.mean()]
        if name.startswith("shift") and min(values.shape) > 1:
            means = [values[j::2, i::2].mean() for j in (0, 1) for i in (0, 1)]
        result[name] = {
            "mean": float(values.mean()),
            "by_parity": np.reshape(means, (2, 2)).tolist() if means[1:] else None,
            "largest": float(np.abs(means).max()),
            "is_origin": bool(_ORIGIN.fullmatch(name)),
            "spread": float(values.std()),
            "error_68": float(half[0].mean()),
            "error_95": float(half[1].mean()),
            "cells_with_zero_in_95": float(np.mean(np.abs(values) <= half[1])),
            "consistent_with_zero": bool(np.abs(means).max() <= half[1].mean()),
            "seen": bool(error_of_mean[channel] < _BLIND),
        }
    return result


def seen_means(mean: dict[str, dict]) -> dict[str, float | np.ndarray]:
    """Means by target, 0 of those that the image does not show.

    Of displacements those of the four cells of 2 x 2 [(j, i)].
    """
    return {
        name: np.array(v["by_parity"] or v["mean"]) if v["seen"] else 0.0
        for name, v in mean.items()
    }


def mean_table(mean: dict[str, dict]) -> str:
    """Lays out what `average_cells` returns, a line per target."""
    heads = "".join(f"{head:>10s}" for head in _HEADS)
    lines = [f"{'mean over cells':32s}{heads}"]
    for name, values in mean.items():
        shown = (values[key] for key in SHOWN)
        unseen = "" if values["seen"] else "  not seen: as the training drew"
        numbers = "".join(f"{value:10.2f}" for value in shown)
        away = f"{1 - values['cells_with_zero_in_95']:10.0%}"
        lines.append(f"{name:32s}{numbers}{away}{unseen}")
    lines.append(
        "largest: of the means of the four cells of 2 x 2; spread: over cells; +-: "
        "error of a cell, and of the mean, because cells err alike; not 0: cells whose "
        "95 % interval does not hold 0. A's mean across the beam is the origin"
    )
    return "\n".join(lines)
