"""Predictions with error bars: the loss that teaches them."""

import jax
import jax.numpy as jnp
from jax import lax


def gaussian_loss(
    mean: jax.Array, log_variance: jax.Array, target: jax.Array, beta: float = 0.0
) -> jax.Array:
    """Minus log likelihood times variance^beta, constant left out, unreduced.

    At the optimum the mean is the conditional mean of the target, and the variance
    that of what is left: a component that the image does not hold gets the spread of
    the training set, not a guess (Nix and Weigend, 1994).

    That likelihood divides the mean's gradient by the variance: what is rare and large
    counts little as soon as it is called uncertain, and is never learned. Each term is
    therefore multiplied by variance^beta, which is not differentiated: 0 is the
    likelihood, 1 gives the mean the gradient of a squared error (Seitzer et al.,
    arXiv:2203.09168, equation 4).
    """
    loss = 0.5 * (log_variance + (target - mean) ** 2 * jnp.exp(-log_variance))
    return loss * lax.stop_gradient(jnp.exp(beta * log_variance))
