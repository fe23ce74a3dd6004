"""What a prediction costs, pixel by pixel: unreduced arrays."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

LOSSES = ("l1", "huber", "mse")


def absolute(prediction: jax.Array, truth: jax.Array) -> jax.Array:
    """Absolute error."""
    return jnp.abs(prediction - truth)


def l1(prediction: jax.Array, truth: jax.Array, step: jax.Array) -> jax.Array:
    """Absolute error, at any step."""
    del step
    return absolute(prediction, truth)


def mse(prediction: jax.Array, truth: jax.Array, step: jax.Array) -> jax.Array:
    """Squared error."""
    del step
    return (prediction - truth) ** 2


def shrinking_huber(start: float, end: float, num_steps: int) -> Callable:
    """Makes a Huber loss that ends near the absolute error.

    Errors below delta cost error^2 / (2 delta), larger ones |error| - delta / 2, so
    that the slope of large errors stays 1 while delta shrinks geometrically.

    Args:
      start: delta at step 0, in the units of the network's output.
      end: delta at step `num_steps` and after.
      num_steps: how long it shrinks.
    """

    def huber(prediction, truth, step):
        done = jnp.minimum(step / num_steps, 1.0)
        delta = start * (end / start) ** done
        error = jnp.abs(prediction - truth)
        return jnp.where(error < delta, error**2 / (2 * delta), error - delta / 2)

    return huber
