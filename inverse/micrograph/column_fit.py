"""Positions of atomic columns from an image: one Gaussian fitted to each."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Columns(NamedTuple):
    """Fitted columns.

    Attributes:
      positions: [column, xy], A, from the outer corner of the first pixel.
      amplitude: [column], units of the image.
      width: standard deviation [column], A.
      background: [column], units of the image.
      residual: root mean square of what is left [column], units of the image.
    """

    positions: jax.Array
    amplitude: jax.Array
    width: jax.Array
    background: jax.Array
    residual: jax.Array


@functools.partial(jax.jit, static_argnames=("radius_pixels", "steps"))
def fit_columns(
    image: jax.Array,
    guesses: jax.Array,
    sampling: float,
    *,
    radius_pixels: int,
    start_width: float = 0.5,
    steps: int = 30,
) -> Columns:
    """Fits position, height, width and background around each guess.

    Levenberg-Marquardt steps on the pixels of a disc, all columns at once. Dark
    columns (annular bright field) come out with negative amplitude. The image repeats.

    Args:
      image: [y, x].
      guesses: about where columns are [column, xy], A.
      sampling: side of a pixel, A.
      radius_pixels: of the disc; neighbours must lie outside.
      start_width: first guess of the standard deviation, A.
      steps: of the fit.
    """
    reach = jnp.arange(-radius_pixels, radius_pixels + 1)
    row, column = (grid.ravel() for grid in jnp.meshgrid(reach, reach, indexing="ij"))
    inside = (row**2 + column**2 <= radius_pixels**2).astype(image.dtype)

    def fit(guess):
        # Pixel n covers n to n + 1: its centre is at n + 1/2.
        nearest = jnp.floor(guess / sampling).astype(jnp.int32)
        values = image[
            (nearest[1] + row) % image.shape[0], (nearest[0] + column) % image.shape[1]
        ]
        x = column + nearest[0] + 0.5 - guess[0] / sampling
        y = row + nearest[1] + 0.5 - guess[1] / sampling

        def misfit(p):
            # Parameters: dx, dy and log width in pixels, height, background.
            squared = (x - p[0]) ** 2 + (y - p[1]) ** 2
            model = p[4] + p[3] * jnp.exp(-0.5 * squared * jnp.exp(-2 * p[2]))
            return inside * (model - values)

        start = _start(values, inside, x, y, start_width / sampling)
        found = _levenberg_marquardt(misfit, start, steps)
        rms = jnp.sqrt(jnp.sum(misfit(found) ** 2) / inside.sum())
        place = guess + sampling * found[:2]
        return Columns(place, found[3], sampling * jnp.exp(found[2]), found[4], rms)

    return jax.vmap(fit)(guesses)


def _start(values, inside, x, y, width) -> jax.Array:
    """Parameters to begin with: height and background by linear least squares."""
    shape = inside * jnp.exp(-0.5 * (x**2 + y**2) / width**2)
    basis = jnp.stack([shape, inside], axis=1)
    height, background = jnp.linalg.lstsq(basis, inside * values)[0]
    return jnp.array([0.0, 0.0, jnp.log(width), height, background])


def _levenberg_marquardt(misfit, start, steps: int) -> jax.Array:
    """Minimises the sum of squares of `misfit`, which never rises."""

    def step(_, carry):
        point, damping = carry
        residual = misfit(point)
        slope = jax.jacfwd(misfit)(point)
        normal = jnp.einsum("pa,pb->ab", slope, slope, precision="highest")
        gradient = jnp.einsum("pa,p->a", slope, residual, precision="highest")
        scale = jnp.diag(jnp.diag(normal) * damping + 1e-12)
        trial = point - jnp.linalg.solve(normal + scale, gradient)
        # A step that fails to improve (NaN included) is not taken.
        better = jnp.sum(misfit(trial) ** 2) < jnp.sum(residual**2)
        damping = jnp.clip(jnp.where(better, damping / 5, damping * 5), 1e-6, 1e6)
        return jnp.where(better, trial, point), damping

    return jax.lax.fori_loop(0, steps, step, (start, jnp.array(1e-2)))[0]
