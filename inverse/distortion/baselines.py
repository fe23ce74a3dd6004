"""What a network has to beat: the mean of the training set, and columns' places."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class MeanPrediction(NamedTuple):
    """Predicts the same for every image, and knows how wrong that is.

    Attributes:
      mean: [channel].
      log_variance: [channel].
    """

    mean: jax.Array
    log_variance: jax.Array


def fit_mean(targets: jax.Array) -> MeanPrediction:
    """Takes mean and variance of training targets [..., channel]."""
    flat = targets.reshape(-1, targets.shape[-1])
    # A channel that never varies is as certain as float32 can say.
    variance = jnp.maximum(flat.var(axis=0), 1e-12)
    return MeanPrediction(flat.mean(axis=0), jnp.log(variance))


class Regression(NamedTuple):
    """A linear function from features to the truth, per channel.

    Attributes:
      slopes: [channel, feature]; 0 where a feature says nothing.
      offset: [channel].
    """

    slopes: np.ndarray
    offset: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Predicts channels [...] of features [..., channel, feature]."""
        told = np.einsum("...cf,cf->...c", features, self.slopes)
        return (told + self.offset).astype(np.float32)


def fit_regression(features: np.ndarray, truth: np.ndarray) -> Regression:
    """Least squares of the truth [..., channel] on features [..., channel, feature].

    Noise and neighbouring columns spoil a measured place, so that it may, as it comes,
    be further from the truth than the mean is; several detectors and ways to measure
    spoil it differently.
    """
    y = truth.reshape(-1, truth.shape[-1]).astype(np.float64)
    x = features.reshape(len(y), *features.shape[-2:]).astype(np.float64)
    middle, spread = x.mean(axis=0), x.std(axis=0)
    # What no column shows is constant but for rounding.
    told = spread > 1e-6
    scaled = np.where(told, (x - middle) / np.where(told, spread, 1.0), 0.0)
    slopes = np.zeros(told.shape)
    for channel in range(len(slopes)):
        found = np.linalg.lstsq(
            scaled[:, channel], y[:, channel] - y[:, channel].mean(), rcond=1e-6
        )[0]
        slopes[channel] = np.where(
            told[channel], found / np.where(told[channel], spread[channel], 1.0), 0.0
        )
    return Regression(slopes, y.mean(axis=0) - (slopes * middle).sum(axis=-1))
