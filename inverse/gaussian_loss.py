"""Predictions with error bars: the loss that teaches them."""

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
