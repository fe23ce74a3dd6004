"""Predictions with error bars: the loss that teaches them and the test of them."""

import jax
import jax.numpy as jnp


def gaussian_loss(
    mean: jax.Array, log_variance: jax.Array, target: jax.Array
) -> jax.Array:
    """Minus log likelihood of each target, constant left out, unreduced.

    At the optimum the mean is the conditional mean of the target, and the variance
    that of what is left: a component that the image does not hold gets the spread of
    the training set, not a guess (Nix and Weigend, 1994).
    """
    return 0.5 * (log_variance + (target - mean) ** 2 * jnp.exp(-log_variance))


def coverage(
    mean: jax.Array, log_variance: jax.Array, target: jax.Array, probability: float
) -> jax.Array:
    """Share of targets [channel] inside the central interval of `probability`.

    Args:
      mean: [..., channel].
      log_variance: [..., channel].
      target: [..., channel].
      probability: such as 0.68; a calibrated prediction gives the same share.
    """
    if not 0 < probability < 1:
        raise ValueError(f"{probability=}: must lie between 0 and 1.")
    half_width = jax.scipy.stats.norm.ppf((1 + probability) / 2)
    inside = jnp.abs(target - mean) <= half_width * jnp.exp(log_variance / 2)
    return inside.reshape(-1, inside.shape[-1]).mean(axis=0)
