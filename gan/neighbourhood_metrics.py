"""Scores of how far the neighbourhoods of real and generated images cover each other.

References:
  Precision and recall: Kynkaanniemi et al., 2019, arXiv:1904.06991.
  Density and coverage: Naeem et al., 2020, arXiv:2002.09797.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Distances held at a time (float64): 64 MB.
_CHUNK_DISTANCES = 8_000_000


def _checked(name: str, features: np.ndarray, k: int) -> np.ndarray:
    features = np.asarray(features)
    if features.ndim != 2 or len(features) <= k:
        raise ValueError(
            f"{name} must have the shape [n > k={k}, d], got {features.shape}."
        )
    if not np.isfinite(features).all():
        raise ValueError(f"{name} must be finite, but holds NaN or infinity.")
    return features


class NeighbourhoodScores(NamedTuple):
    """All scores that come from the distances between reals and fakes.

    Attributes:
      precision: fraction of fakes inside some real image's neighbourhood.
      recall: fraction of reals inside some fake image's neighbourhood.
      density: neighbourhoods of reals that a fake lies in, over k; may exceed 1.
      coverage: fraction of reals whose neighbourhood holds a fake.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def _squared_distances(
    a: np.ndarray, b: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields rows of `a` and their squared distances to all of `b`, in chunks."""
    b = b.astype(np.float64)
    b_squares = np.einsum("nd,nd->n", b, b)
    size = max(1, _CHUNK_DISTANCES // len(b))
    for first in range(0, len(a), size):
        rows = slice(first, min(first + size, len(a)))
        chunk = a[rows].astype(np.float64)
        squares = np.einsum("nd,nd->n", chunk, chunk)[:, None] + b_squares[None, :]
        yield rows, np.maximum(squares - 2 * (chunk @ b.T), 0)


def squared_radii(features: np.ndarray, k: int = 5) -> np.ndarray:
    """Squared distance of each row of `features` [n, d] to its k-th neighbour, [n].

    A row is not its own neighbour, so n > k.
    """
    if k < 1:
        raise ValueError(f"k must be 1 or more, got {k}.")
    features = _checked("features", features, k)
    radii = np.empty(len(features))
    for rows, distances in _squared_distances(features, features):
        # The row itself is the nearest, at distance 0.
        radii[rows] = np.partition(distances, k, axis=1)[:, k]
    return radii


def neighbourhood_scores(
    real: np.ndarray,
    fake: np.ndarray,
    k: int = 5,
    *,
    real_radii: np.ndarray | None = None,
) -> NeighbourhoodScores:
    """Computes precision, recall, density and coverage from one pass over distances.

    The neighbourhood of an image reaches to its k-th neighbour of its own kind. As
    published, its edge belongs to it for precision and recall, and does not for
    density and coverage.

    Args:
      real: features [n, d], n > k.
      fake: features [m, d], m > k.
      k: which neighbour.
      real_radii: `squared_radii(real, k)`, where they are known already.
    """
    real = _checked("real", real, k)
    fake = _checked("fake", fake, k)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real and fake must have as many features, got {real.shape[1]} and "
            f"{fake.shape[1]}."
        )
    if real_radii is None:
        real_radii = squared_radii(real, k)
    fake_radii = squared_radii(fake, k)
    precise, inside = 0, 0
    recalled = np.zeros(len(real), bool)
    covered = np.zeros(len(real), bool)
    for rows, distances in _squared_distances(fake, real):
        precise += np.sum((distances <= real_radii[None, :]).any(axis=1))
        recalled |= (distances <= fake_radii[rows, None]).any(axis=0)
        within = distances < real_radii[None, :]
        inside += np.sum(within)
        covered |= within.any(axis=0)
    return NeighbourhoodScores(
        float(precise / len(fake)),
        float(recalled.mean()),
        float(inside / (k * len(fake))),
        float(covered.mean()),
    )


def precision_recall(
    real: np.ndarray, fake: np.ndarray, k: int = 5
) -> tuple[float, float]:
    """Fidelity and variety of `fake` [m, d] beside `real` [n, d], each in 0..1."""
    return neighbourhood_scores(real, fake, k)[:2]


def density_coverage(
    real: np.ndarray, fake: np.ndarray, k: int = 5
) -> tuple[float, float]:
    """Like precision and recall, but robust to outliers; density may exceed 1."""
    return neighbourhood_scores(real, fake, k)[2:]
