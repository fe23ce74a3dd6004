"""What a network has to beat: the mean of the training set, and fitted columns."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inverse.column_fit import fit_columns
from inverse.simulator.crystal_images import IMAGES

# Radius of the disc that a column is fitted in, in cells: its neighbours lie outside.
_CATION_RADIUS, _OXYGEN_RADIUS = 0.32, 0.22
# No column is displaced further.
_FARTHEST_A = 0.6


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


class Shrinkage(NamedTuple):
    """A line from fitted values to the truth, per channel.

    Attributes:
      slope: [channel]; 0 where the fit says nothing.
      offset: [channel].
    """

    slope: np.ndarray
    offset: np.ndarray

    def apply(self, fitted: np.ndarray) -> np.ndarray:
        """Shrinks fitted values [..., channel]."""
        return (self.slope * fitted + self.offset).astype(np.float32)


def fit_shrinkage(fitted: np.ndarray, truth: np.ndarray) -> Shrinkage:
    """Regresses the truth on fitted values, both [..., channel]: least squares.

    Noise and neighbouring columns spoil a fit, so that its value as it comes may be
    further from the truth than the mean is.
    """
    x, y = (v.reshape(-1, v.shape[-1]).astype(np.float64) for v in (fitted, truth))
    centred = x - x.mean(axis=0)
    # A channel that no column shows is constant but for rounding.
    told = x.std(axis=0) > 1e-6
    slope = np.where(
        told,
        (centred * y).mean(axis=0) / np.where(told, np.square(x.std(axis=0)), 1.0),
        0.0,
    )
    return Shrinkage(slope, y.mean(axis=0) - slope * x.mean(axis=0))


class ColumnShifts(NamedTuple):
    """In-plane depth means by peak fitting, from the mean place of A.

    Attributes:
      a_shift: of A columns [x, y, xy], A.
      b_shift: of B columns [x, y, xy], A.
    """

    a_shift: jax.Array
    b_shift: jax.Array


class OxygenShifts(NamedTuple):
    """What pure oxygen columns tell of octahedra.

    Attributes:
      rotation: about the beam [x, y], rad.
      o_shift: of the octahedron's oxygens across the beam [x, y, xy], A.
    """

    rotation: jax.Array
    o_shift: jax.Array


def _lattice(image: jax.Array, counts: tuple[int, int], sampling: float):
    """Corners of cells [x, y, xy] and sides of a cell [xy], A."""
    cell = sampling * jnp.array(
        [image.shape[1] / counts[0], image.shape[0] / counts[1]]
    )
    return jnp.moveaxis(jnp.indices(counts), 0, -1) * cell[None, None], cell


def _fitted(image, ideal, sampling: float, share: float) -> jax.Array:
    """Displacements [x, y, xy] of columns from `ideal` [x, y, xy], A."""
    counts = ideal.shape[:2]
    per_cell = min(image.shape[1] / counts[0], image.shape[0] / counts[1])
    flat = ideal.reshape(-1, 2)
    radius = int(share * per_cell)
    found = fit_columns(image, flat, sampling, radius_pixels=radius)
    # A fit that ran away is none: the column is where it should be.
    moved = found.positions - flat
    near = jnp.linalg.norm(moved, axis=-1) < _FARTHEST_A
    return jnp.where(near[:, None], moved, 0.0).reshape(*counts, 2)


def column_shifts(
    image: jax.Array, counts: tuple[int, int], sampling: float
) -> ColumnShifts:
    """Fits A and B columns of an image of whole cells, along [001].

    Displacements count from the mean place of A, as the targets do.

    Args:
      image: [y, x], repeats; A columns lie in corners of cells, B in centres.
      counts: cells along x and y.
      sampling: side of a pixel, A.
    """
    corners, cell = _lattice(image, counts, sampling)
    a_shift = _fitted(image, corners, sampling, _CATION_RADIUS)
    centres = corners + cell[None, None] / 2
    b_shift = _fitted(image, centres, sampling, _CATION_RADIUS)
    origin = a_shift.mean(axis=(0, 1), keepdims=True)
    return ColumnShifts(a_shift - origin, b_shift - origin)


def oxygen_shifts(
    image: jax.Array, origin: jax.Array, counts: tuple[int, int], sampling: float
) -> OxygenShifts:
    """Fits the oxygen columns between neighbouring B columns.

    An octahedron that turns about the beam moves its four columns along its rim; one
    that moves takes all four along.

    Args:
      image: [y, x], repeats; A columns lie in corners of cells.
      origin: mean displacement of A [xy], A.
      counts: cells along x and y.
      sampling: side of a pixel, A.
    """
    corners, cell = _lattice(image, counts, sampling)
    left, below = (
        _fitted(image, corners + offset[None, None], sampling, _OXYGEN_RADIUS)
        - origin[None, None]
        for offset in (cell * jnp.array([0, 0.5]), cell * jnp.array([0.5, 0]))
    )
    right, above = jnp.roll(left, -1, 0), jnp.roll(below, -1, 1)
    along_rim = right[..., 1] - left[..., 1] + below[..., 0] - above[..., 0]
    shift = (left + right + below + above) / 4
    return OxygenShifts(along_rim / (2 * cell.sum() / 2), shift)


@functools.cache
def _fit_all(channel: int, counts: tuple[int, int]) -> Callable:
    """Compiles (images [n, y, x, 3], sides [n] in A) -> what columns tell of each."""

    def fit(image, side):
        sampling, image = side / image.shape[1], image[..., channel]
        a_shift, b_shift = column_shifts(image, counts, sampling)
        found = {"A": a_shift, "B": b_shift}
        if IMAGES[channel] == "HAADF":
            return found
        # A need not lie in the corners.
        corners = _lattice(image, counts, sampling)[0]
        origin = _fitted(image, corners, sampling, _CATION_RADIUS).mean(axis=(0, 1))
        rotation, o_shift = oxygen_shifts(image, origin, counts, sampling)
        return found | {"O": o_shift, "tilt": rotation}

    return jax.jit(
        lambda images, sides: jax.lax.map(lambda x: fit(*x), (images, sides))
    )


def fitted_channels(
    images: np.ndarray,
    present: np.ndarray,
    side_a: np.ndarray,
    names: tuple[str, ...],
    mean: np.ndarray,
    counts: tuple[int, int],
) -> np.ndarray:
    """Peak fitting of whole images, and the mean where it has nothing to say.

    All columns are fitted in iDPC where there is one, else in ABF: HAADF of thin
    crystals is an electron or two per pixel.

    Args:
      images: [n, y, x, 3] in the order of IMAGES.
      present: 1 of each image that is there, else 0 [3].
      side_a: of the images [n], A.
      names: of the channels.
      mean: prediction of channels that no column shows [channel], degrees or pm.
      counts: cells along x and y.

    Returns:
      [n, i, j, channel], rows first, degrees and pm.
    """
    (last,) = np.flatnonzero(present)[-1:]
    fitted = jax.device_get(_fit_all(int(last), counts)(images, side_a))
    n, shape = len(images), (counts[1], counts[0])
    result = np.broadcast_to(mean, (n, *shape, len(names))).copy()
    for number, name in enumerate(names):
        kind, what, axis, moment, _ = name.split("_")
        if moment != "P0":
            continue
        if kind == "shift" and axis != "z" and what in fitted:
            values = 100 * fitted[what][..., "xy".index(axis)]
            result[..., number] = np.swapaxes(values, 1, 2)
        elif (kind, what, axis) == ("tilt", "repeating", "z") and "tilt" in fitted:
            result[..., number] = np.rad2deg(np.swapaxes(fitted["tilt"], 1, 2))
    return result
