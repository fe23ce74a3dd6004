"""Scores of images, computed from their features and class probabilities alone.

Everything is numpy in float64. Distances between neighbourhoods of features are in
neighbourhood_metrics.py.

References:
  Inception score: Salimans et al., 2016, arXiv:1606.03498.
  Frechet inception distance: Heusel et al., 2017, arXiv:1706.08500.
  Intra-class Frechet distance: Miyato and Koyama, 2018, arXiv:1802.05637.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.linalg
import scipy.special

# Rows of features converted to float64 at a time.
_CHUNK_SIZE = 4096


def check_features(name: str, features: np.ndarray, least: int = 2) -> np.ndarray:
    """Returns `features` where they are a finite table [n, d] with n >= `least`.

    Raises:
      ValueError: they are not; the message begins with `name`.
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(f"{name} must have the shape [n, d], got {features.shape}.")
    if len(features) < least:
        raise ValueError(f"{name} must have {least} rows or more, got {len(features)}.")
    if not np.isfinite(features).all():
        raise ValueError(f"{name} must be finite, but holds NaN or infinity.")
    return features


def _check_labels(name: str, labels: np.ndarray, num: int, num_labels: int):
    labels = np.asarray(labels)
    if labels.shape != (num,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} must be integers of the shape ({num},), "
            f"got {labels.dtype} {labels.shape}."
        )
    if num and not 0 <= labels.min() <= labels.max() < num_labels:
        raise ValueError(
            f"{name} must lie in 0..{num_labels - 1}, "
            f"got {labels.min()}..{labels.max()}."
        )
    return labels


def _check_probabilities(probabilities: np.ndarray) -> np.ndarray:
    table = check_features("probabilities", probabilities, 1).astype(np.float64)
    sums = table.sum(axis=1)
    if table.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        raise ValueError(
            "probabilities must be 0 or more and sum to 1 in every row, got values "
            f"from {table.min():.4g} and sums {sums.min():.6g}..{sums.max():.6g}."
        )
    return table / sums[:, None]


def inception_score(
    probabilities: np.ndarray, *, num_splits: int = 10, seed: int = 0
) -> tuple[float, float]:
    """Scores images by how sure and how varied a classifier's answers are.

    The images are shuffled and split; the score of a split is exp(mean of
    KL(p(class | image) || p(class))), from 1 to the number of classes.

    Args:
      probabilities: [n, k], rows sum to 1.
      num_splits: parts that are scored apart.
      seed: of the shuffle.

    Returns:
      Mean and (population) standard deviation over the splits.
    """
    table = _check_probabilities(probabilities)
    if not 1 <= num_splits <= len(table):
        raise ValueError(
            f"num_splits must lie in 1..{len(table)} (the rows of probabilities), "
            f"got {num_splits}."
        )
    shuffled = table[np.random.default_rng(seed).permutation(len(table))]
    scores = []
    for part in np.array_split(shuffled, num_splits):
        divergences = scipy.special.rel_entr(part, part.mean(axis=0)).sum(axis=1)
        scores.append(np.exp(divergences.mean()))
    return float(np.mean(scores)), float(np.std(scores))


def label_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of images whose most probable class is their label.

    Args:
      probabilities: [n, k].
      labels: [n] integers in 0..k-1.
    """
    table = check_features("probabilities", probabilities, 1)
    labels = _check_labels("labels", labels, *table.shape)
    return float(np.mean(table.argmax(axis=1) == labels))


@dataclasses.dataclass(frozen=True)
class Moments:
    """The first two moments of features.

    Attributes:
      mean: [d].
      root: [r, d] with root.T @ root = covariance; r = the covariance's rank or more.
      num: images behind them.
    """

    mean: np.ndarray
    root: np.ndarray
    num: int

    @property
    def covariance(self) -> np.ndarray:
        """Covariance [d, d], normalised by num - 1."""
        return self.root.T @ self.root

    @classmethod
    def from_covariance(cls, mean: np.ndarray, cov: np.ndarray, num: int) -> "Moments":
        """Returns moments of a given covariance [d, d], singular or not."""
        mean, cov = np.asarray(mean, np.float64), np.asarray(cov, np.float64)
        if mean.ndim != 1 or cov.shape != mean.shape * 2:
            raise ValueError(
                f"cov must have the shape [d, d] for a mean [d], got {cov.shape} "
                f"for {mean.shape}."
            )
        if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
            raise ValueError("mean and cov must be finite, but hold NaN or infinity.")
        values, vectors = scipy.linalg.eigh(cov)
        # Below this an eigenvalue is the rounding of a zero, and its square root
        # would turn an error of 1e-16 into one of 1e-8.
        floor = len(mean) * np.finfo(np.float64).eps * np.abs(values).max()
        if values[0] < -1e-6 * max(values[-1], 0) - floor:
            raise ValueError(
                f"cov must have no negative eigenvalue, got {values[0]:.3g}."
            )
        kept = values > floor
        root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
        return cls(mean, root, num)


def _covariance(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    total = np.zeros((len(mean), len(mean)))
    for first in range(0, len(features), _CHUNK_SIZE):
        centred = features[first : first + _CHUNK_SIZE] - mean
        total += centred.T @ centred
    return total / (len(features) - 1)


def moments(features: np.ndarray) -> Moments:
    """Estimates the moments of `features` [n, d], n >= 2.

    Where n <= d the covariance is singular; its root is then the centred features
    themselves, so that nothing is lost to rounding.
    """
    features = check_features("features", features)
    num, dimension = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    if num <= dimension:
        return Moments(mean, (features - mean) / np.sqrt(num - 1), num)
    return Moments.from_covariance(mean, _covariance(features, mean), num)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Frechet distance between two Gaussians with these moments.

    |mean_a - mean_b|^2 + tr(A) + tr(B) - 2 tr((A^1/2 B A^1/2)^1/2). The last trace is
    the sum of the singular values of root_a root_b^T: both have the same squares,
    because the symmetric matrix is their product with its own transpose. Singular
    covariances (fewer images than features) need no special case.

    Args:
      a: moments of one set.
      b: moments of the other, of as many features.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"a and b must have as many features, got {a.mean.shape} and "
            f"{b.mean.shape}."
        )
    cross = 0.0
    if a.root.size and b.root.size:
        cross = scipy.linalg.svdvals(a.root @ b.root.T).sum()
    shift = np.sum((a.mean - b.mean) ** 2)
    spread = np.sum(a.root**2) + np.sum(b.root**2)
    return float(max(shift + spread - 2 * cross, 0.0))


def moments_by_label(
    features: np.ndarray, labels: np.ndarray, num_labels: int
) -> list[Moments]:
    """Estimates the moments of each label's features.

    Args:
      features: [n, d].
      labels: [n] integers in 0..num_labels-1, every label at least twice.
      num_labels: number of labels.
    """
    features = check_features("features", features)
    labels = _check_labels("labels", labels, len(features), num_labels)
    counts = np.bincount(labels, minlength=num_labels)
    if counts.min() < 2:
        label = int(counts.argmin())
        raise ValueError(
            f"labels must hold every label twice or more, but label {label} is there "
            f"{counts[label]} times."
        )
    return [moments(features[labels == label]) for label in range(num_labels)]


def intra_class_frechet(a: Sequence[Moments], b: Sequence[Moments]) -> float:
    """Mean over labels of the Frechet distance between a label's reals and fakes.

    A label's covariance comes from few images and is often singular; it is used as it
    is, without shrinkage, so only values at equal numbers of images can be compared.

    Args:
      a: `moments_by_label` of one set.
      b: the same of the other.
    """
    pairs = list(zip(a, b, strict=True))
    if not pairs:
        raise ValueError("a and b must have 1 label or more, got 0.")
    return float(np.mean([frechet_distance(*pair) for pair in pairs]))
