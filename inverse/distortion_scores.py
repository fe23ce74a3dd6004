"""Scores of predicted distortions: errors with intervals, coverage, likelihood."""

import numpy as np

# By kind of network.
SCORES = {"map": ("nll",), "angles": ("angle_deg",), "classes": ("accuracy",)}
SMALLER_IS_BETTER = ("nll", "angle_deg")


def rmse(error: np.ndarray) -> np.ndarray:
    """Root mean square [channel] of errors [image, ..., channel]."""
    return np.sqrt(np.mean(error**2, axis=tuple(range(error.ndim - 1))))


def bootstrap_interval(
    error: np.ndarray, probability: float = 0.95, draws: int = 1000, seed: int = 0
) -> np.ndarray:
    """Interval [2, channel] of the RMSE; images, not cells, are drawn again."""
    squares = np.mean(error**2, axis=tuple(range(1, error.ndim - 1)))
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(squares), size=(draws, len(squares)))
    found = np.sqrt(squares[chosen].mean(axis=1))
    return np.quantile(found, [(1 - probability) / 2, (1 + probability) / 2], axis=0)


def nll(error: np.ndarray, log_variance: np.ndarray) -> float:
    """Mean of minus log likelihood, constant left out; arrays of one shape."""
    return float(np.mean(0.5 * (log_variance + error**2 * np.exp(-log_variance))))


def spread_factor(error: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """By which predicted standard deviations are too small [channel]."""
    axes = tuple(range(error.ndim - 1))
    return np.sqrt(np.mean(error**2 * np.exp(-log_variance), axis=axes))
