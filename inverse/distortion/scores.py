"""Scores of predicted distortions: errors with intervals, coverage, likelihood."""

from collections.abc import Callable

import numpy as np

# By kind of network.
SCORES = {"map": ("nll",), "angles": ("angle_deg",), "classes": ("accuracy",)}
SMALLER_IS_BETTER = ("nll", "angle_deg")


def rmse(error: np.ndarray) -> np.ndarray:
    """Root mean square [channel] of errors [image, ..., channel]."""
    return np.sqrt(np.mean(error**2, axis=tuple(range(error.ndim - 1))))


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    probability: float = 0.95,
    draws: int = 1000,
) -> list[float]:
    """Interval of a statistic of means over images, which are drawn again.

    Args:
      values: one row per image [image, value]; cells of an image go together.
      statistic: means [draw, value] to [draw].
      probability: of the interval.
      draws: of as many images as there are.
    """
    chosen = np.random.default_rng(0).integers(len(values), size=(draws, len(values)))
    found = statistic(values[chosen].mean(axis=1))
    tails = (1 - probability) / 2
    return [float(v) for v in np.quantile(found, [tails, 1 - tails])]


def nll(error: np.ndarray, log_variance: np.ndarray) -> float:
    """Mean of minus log likelihood, constant left out; arrays of one shape."""
    return float(np.mean(0.5 * (log_variance + error**2 * np.exp(-log_variance))))
