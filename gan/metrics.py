"""Scores of fakes beside reals: pure functions of features, in float64."""

from typing import NamedTuple

import numpy as np


def _checked(name: str, array: np.ndarray, least: int = 2) -> np.ndarray:
    array = np.asarray(array, np.float64)
    if array.ndim != 2 or len(array) < least:
        raise ValueError(
            f"{name} must be [n >= {least}, d], got an array of shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite.")
    return array


class Moments(NamedTuple):
    """Mean [d], covariance [d, d] and number of the feature vectors behind them."""

    mean: np.ndarray
    covariance: np.ndarray
    num: int


def moments(features: np.ndarray) -> Moments:
    """Returns the moments of `features` [n, d], covariance over n - 1."""
    features = _checked("features", features)
    mean = features.mean(axis=0)
    centred = features - mean
    return Moments(mean, centred.T @ centred / (len(features) - 1), len(features))


def _root(matrix: np.ndarray) -> np.ndarray:
    """Square root of a symmetric positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Frechet distance of two Gaussians, arXiv:1706.08500 equation 6.

    The trace of (S_a S_b)^(1/2) is taken as that of (S_a^(1/2) S_b S_a^(1/2))^(1/2),
    which is symmetric: it stays real and needs no regularisation where covariances
    are singular, as they are with fewer examples than features.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features differ: {a.mean.shape} and {b.mean.shape}.")
    root = _root(a.covariance)
    product = root @ b.covariance @ root
    values = np.linalg.eigvalsh((product + product.T) / 2)
    overlap = np.sqrt(np.clip(values, 0, None)).sum()
    shift = a.mean - b.mean
    distance = shift @ shift + np.trace(a.covariance) + np.trace(b.covariance)
    return float(max(distance - 2 * overlap, 0.0))


def moments_by_label(
    features: np.ndarray, labels: np.ndarray, num_labels: int
) -> list[Moments]:
    """Returns the moments of every label's features; each needs two examples."""
    return [moments(features[labels == label]) for label in range(num_labels)]


def intra_class_frechet(a: list[Moments], b: list[Moments]) -> float:
    """Mean over labels of the Frechet distance within the label."""
    pairs = zip(a, b, strict=True)
    return float(np.mean([frechet_distance(x, y) for x, y in pairs]))


def inception_score(
    probabilities: np.ndarray, *, num_splits: int = 10, seed: int = 0
) -> tuple[float, float]:
    """Inception score, arXiv:1606.03498: exp of the mean divergence from the marginal.

    Args:
      probabilities: of classes [n, k], rows sum to 1.
      num_splits: parts that are scored apart, after shuffling.
      seed: of the shuffling.

    Returns:
      Mean and standard deviation over the parts; from 1 (worst) to k (best).
    """
    p = _checked("probabilities", probabilities, least=num_splits)
    if (p < 0).any() or not np.allclose(p.sum(axis=1), 1, atol=1e-3):
        raise ValueError("probabilities must be rows that sum to 1.")
    order = np.random.default_rng(seed).permutation(len(p))
    scores = []
    for part in np.array_split(p[order], num_splits):
        marginal = part.mean(axis=0)
        ratio = np.where(part > 0, part, 1.0) / np.where(marginal > 0, marginal, 1.0)
        scores.append(np.exp((part * np.log(ratio)).sum(axis=1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def label_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Share of images [n, k] that the classifier gives their own label [n]."""
    return float(np.mean(np.argmax(probabilities, axis=1) == np.asarray(labels)))
