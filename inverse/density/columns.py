"""Atom columns: where a map has its peaks, and which of them another map finds."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage, optimize

_REACH_A = 0.45  # a column is higher than all that is nearer than that on each axis
_WEAKEST = 0.25  # height of a column, as a share of the map's range above its floor
_FLOOR_PERCENTILE = 10


class ColumnScore(NamedTuple):
    """Of the columns of one map.

    Attributes:
      num_true: columns of the truth.
      num_found: peaks of the prediction.
      num_matched: pairs nearer than the tolerance.
      error_pm: root mean square distance of the pairs [pm]; NaN of none.
    """

    num_true: int
    num_found: int
    num_matched: int
    error_pm: float


def find_columns(density: np.ndarray, pixel_a: float) -> np.ndarray:
    """Finds peaks to a fraction of a pixel.

    Args:
      density: map [y, x].
      pixel_a: its pixel [Å].

    Returns:
      Positions (y, x) [n, 2] in Å. Peaks on the rim are left out: half of them is
      not there.
    """
    radius = max(1, round(_REACH_A / pixel_a))
    around = np.ones((2 * radius + 1,) * 2, bool)
    floor = np.percentile(density, _FLOOR_PERCENTILE)
    height = _WEAKEST * (density.max() - floor)
    peaks = density == ndimage.maximum_filter(density, footprint=around)
    # A flat map is all maxima and has no columns.
    peaks &= (density - floor >= height) & (density > floor)
    peaks[[0, -1]] = peaks[:, [0, -1]] = False
    y, x = np.nonzero(peaks)
    values = density.astype(np.float64)

    def vertex(before, at, after):
        curvature = before - 2 * at + after
        safe = np.where(curvature < 0, curvature, 1)
        return np.where(curvature < 0, (before - after) / (2 * safe), 0)

    dy = vertex(values[y - 1, x], values[y, x], values[y + 1, x])
    dx = vertex(values[y, x - 1], values[y, x], values[y, x + 1])
    return pixel_a * np.stack([y + dy, x + dx], axis=-1)


def score_columns(
    prediction: np.ndarray, truth: np.ndarray, pixel_a: float, tolerance_a: float = 0.5
) -> ColumnScore:
    """Pairs the columns of two maps [y, x], each with one other at most.

    Args:
      prediction: map that is judged.
      truth: map whose columns are looked for.
      pixel_a: of both [Å].
      tolerance_a: distance [Å] up to which a column counts as found.
    """
    found, true = (find_columns(m, pixel_a) for m in (prediction, truth))
    distances = np.linalg.norm(found[:, None] - true[None], axis=-1)
    # Far pairs all cost alike, so that they never buy a worse near pair.
    pairs = optimize.linear_sum_assignment(np.minimum(distances, 2 * tolerance_a))
    near = distances[pairs]
    near = near[near <= tolerance_a]
    error = 100 * float(np.sqrt((near**2).mean())) if near.size else float("nan")
    return ColumnScore(len(true), len(found), near.size, error)
