"""What a network has to beat: the mean of the training set, and fitted columns."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from inverse.column_fit import Columns, fit_columns


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


class ColumnShifts(NamedTuple):
    """In-plane depth means by peak fitting.

    Attributes:
      a_shift: of A columns [x, y, xy], A.
      b_shift: of B columns [x, y, xy], A.
    """

    a_shift: jax.Array
    b_shift: jax.Array


def column_shifts(
    image: jax.Array, counts: tuple[int, int], sampling: float
) -> ColumnShifts:
    """Fits A and B columns of an image of whole cells, along [001].

    A displacement counts from the mean lattice. Without a reference the mean of A and
    that of B have no zero of their own: only half of their difference is known of
    each, with opposite signs, and that is what is given.

    Args:
      image: [y, x], repeats; A columns lie in corners of cells, B in centres.
      counts: cells along x and y.
      sampling: side of a pixel, A.
    """
    cell = sampling * jnp.array(
        [image.shape[1] / counts[0], image.shape[0] / counts[1]]
    )
    corners = jnp.moveaxis(jnp.indices(counts), 0, -1).reshape(-1, 2) * cell[None]
    radius = int(0.32 * min(image.shape[1] / counts[0], image.shape[0] / counts[1]))

    def shifts(ideal) -> jax.Array:
        fitted: Columns = fit_columns(image, ideal, sampling, radius_pixels=radius)
        return (fitted.positions - ideal).reshape(*counts, 2)

    a_shift, b_shift = shifts(corners), shifts(corners + cell[None] / 2)
    common = (a_shift.mean(axis=(0, 1)) + b_shift.mean(axis=(0, 1))) / 2
    return ColumnShifts(a_shift - common[None, None], b_shift - common[None, None])
