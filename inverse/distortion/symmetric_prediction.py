"""Predictions that turn with the image: the mean over the symmetries of a square."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from inverse.distortion.channels import Channels
from inverse.distortion.targets import (
    INVERSE_SYMMETRIES,
    NUM_SYMMETRIES,
    fix_signs,
    transform_image,
    transform_spreads,
    transform_targets,
)

Maps = tuple[jax.Array, jax.Array]


def averaged_over_symmetries(
    predict: Callable[[jax.Array], Maps], channels: Channels
) -> Callable[[jax.Array], Maps]:
    """Wraps a network so that turned or mirrored images give turned or mirrored maps.

    A network that was trained on all eight only nearly does so; its mean over them
    does by construction, and errs less.

    Args:
      predict: images [n, y, x, signal] to maps of mean and log-variance, of quarters
        of cells or of pixels [n, i, j, channel], in the network's units.
      channels: of the maps.
    """

    def moved_back(symmetry: int, mean: jax.Array, log_variance: jax.Array) -> Maps:
        inverse = INVERSE_SYMMETRIES[symmetry]
        targets = transform_targets(channels.to_targets(mean), inverse)
        spreads = transform_spreads(channels.to_targets(log_variance), inverse)
        return channels.of(fix_signs(targets)), channels.of(spreads)

    def symmetric(images: jax.Array) -> Maps:
        total = (0.0, 0.0)
        for symmetry in range(NUM_SYMMETRIES):

            def turn(image, symmetry=symmetry):
                return transform_image(image, symmetry)

            def back(mean, log_variance, symmetry=symmetry):
                return moved_back(symmetry, mean, log_variance)

            found = jax.vmap(back)(*predict(jax.vmap(turn)(images)))
            total = jax.tree.map(jnp.add, total, found)
        return jax.tree.map(lambda summed: summed / NUM_SYMMETRIES, total)

    return symmetric
