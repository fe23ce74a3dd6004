"""What generator and discriminator minimise: logits in, unreduced losses out."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx


class Loss(NamedTuple):
    """The two sides of one game.

    Attributes:
      generator: logits of fakes [n] -> losses [n].
      discriminator: (logits of reals [n], logits of fakes [n]) -> losses [n].
      gradient_penalty: weight of the penalty on the discriminator's slope, or 0.
    """

    generator: Callable[[jax.Array], jax.Array]
    discriminator: Callable[[jax.Array, jax.Array], jax.Array]
    gradient_penalty: float = 0.0


def _non_saturating_generator(fake: jax.Array) -> jax.Array:
    return nnx.softplus(-fake)


def _non_saturating_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    return (nnx.softplus(-real) + nnx.softplus(fake)) / 2


def _hinge_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    return nnx.relu(1 - real) + nnx.relu(1 + fake)


def _least_squares_generator(fake: jax.Array) -> jax.Array:
    return (fake - 1) ** 2 / 2


def _least_squares_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    return ((real - 1) ** 2 + fake**2) / 2


def _minus(fake: jax.Array) -> jax.Array:
    return -fake


def _wasserstein_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    return fake - real


def make_loss(name: str, gradient_penalty: float) -> Loss:
    """Returns the loss called `name`.

    Args:
      name: "non_saturating" (binary cross entropy on logits, arXiv:1406.2661, the
        discriminator's two terms averaged as in arXiv:2102.10485), "hinge"
        (arXiv:1705.02894), "least_squares" (arXiv:1611.04076) or "wasserstein"
        (arXiv:1704.00028).
      gradient_penalty: weight of the penalty; 10 is Wasserstein's usual.

    Raises:
      ValueError: `name` is none of these.
    """
    games = {
        "non_saturating": (_non_saturating_generator, _non_saturating_discriminator),
        "hinge": (_minus, _hinge_discriminator),
        "least_squares": (_least_squares_generator, _least_squares_discriminator),
        "wasserstein": (_minus, _wasserstein_discriminator),
    }
    if name not in games:
        raise ValueError(f"loss must be one of {', '.join(games)}, got {name!r}.")
    return Loss(*games[name], gradient_penalty=gradient_penalty)


def slope_penalty(
    judge: Callable[[jax.Array], jax.Array],
    real: jax.Array,
    fake: jax.Array,
    mixing: jax.Array,
) -> jax.Array:
    """Squared distance of the judge's slope from 1, between reals and fakes.

    Equation 3 of arXiv:1704.00028 without its weight.

    Args:
      judge: images [n, y, x, c] -> logits [n]; must not mix examples.
      real: [n, y, x, c].
      fake: [n, y, x, c].
      mixing: share of the real image [n], uniform in [0, 1].

    Returns:
      Penalties [n].
    """
    share = mixing[:, None, None, None]
    between = share * real + (1 - share) * fake
    slopes = jax.grad(lambda images: judge(images).sum())(between)
    # The epsilon keeps the root's own slope finite where the slopes vanish.
    norms = jnp.sqrt(jnp.sum(slopes**2, axis=(1, 2, 3)) + 1e-12)
    return (norms - 1) ** 2
