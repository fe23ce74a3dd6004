"""What columns of an image of whole cells tell, each by itself: no network."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inverse.micrograph.column_fit import fit_columns
from inverse.simulator.crystal_images import IMAGES

# Radius of the disc that a column is looked for in, in cells: its neighbours lie
# outside.
_CATION_RADIUS, _OXYGEN_RADIUS = 0.32, 0.22
# No column is displaced further.
_FARTHEST_A = 0.6


class ColumnShifts(NamedTuple):
    """Where columns seem to stand, from the mean place of A.

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


def gaussian_shifts(image, ideal, sampling: float, share: float) -> jax.Array:
    """Displacements [x, y, xy] of columns from `ideal` [x, y, xy], A, by Gaussian fits.

    Args:
      image: [y, x], repeats.
      ideal: places of columns, A.
      sampling: side of a pixel, A.
      share: of a cell, the radius of the disc that is looked at.
    """
    counts = ideal.shape[:2]
    per_cell = min(image.shape[1] / counts[0], image.shape[0] / counts[1])
    flat = ideal.reshape(-1, 2)
    radius = int(share * per_cell)
    found = fit_columns(image, flat, sampling, radius_pixels=radius)
    # A fit that ran away is none: the column is where it should be.
    moved = found.positions - flat
    near = jnp.linalg.norm(moved, axis=-1) < _FARTHEST_A
    return jnp.where(near[:, None], moved, 0.0).reshape(*counts, 2)


def moment_shifts(image, ideal, sampling: float, share: float) -> jax.Array:
    """First moments [x, y, xy] of the image about `ideal`, in its own units times A.

    Proportional to a small displacement, and robust where a column is a shoulder of
    its neighbour and a fit runs away; a regression finds the factor. Arguments as of
    `gaussian_shifts`.
    """
    counts = ideal.shape[:2]
    per_cell = min(image.shape[1] / counts[0], image.shape[0] / counts[1])
    radius = share * per_cell
    reach = jnp.arange(-int(radius) - 1, int(radius) + 2)
    row, column = (grid.ravel() for grid in jnp.meshgrid(reach, reach, indexing="ij"))

    def moment(place):
        nearest = jnp.floor(place / sampling).astype(jnp.int32)
        values = image[
            (nearest[1] + row) % image.shape[0], (nearest[0] + column) % image.shape[1]
        ]
        # Pixel n covers n to n + 1: its centre is at n + 1/2.
        offset = nearest + 0.5 - place / sampling
        away = jnp.stack([column, row], axis=-1) + offset[None]
        # Falls to zero at the rim, where pixels come and go.
        weight = jnp.maximum(1 - jnp.sum((away / radius) ** 2, axis=-1), 0) ** 2
        values = values - jnp.sum(weight * values) / jnp.sum(weight)
        squares = jnp.sum(weight[:, None] * away**2, axis=0)
        return sampling * jnp.einsum("p,p,pc->c", weight, values, away) / squares

    return jax.vmap(moment)(ideal.reshape(-1, 2)).reshape(*counts, 2)


def column_shifts(
    image: jax.Array,
    counts: tuple[int, int],
    sampling: float,
    locate: Callable = gaussian_shifts,
) -> ColumnShifts:
    """Locates A and B columns of an image of whole cells, along [001].

    Displacements count from the mean place of A, as the targets do.

    Args:
      image: [y, x], repeats; A columns lie in corners of cells, B in centres.
      counts: cells along x and y.
      sampling: side of a pixel, A.
      locate: `gaussian_shifts` or `moment_shifts`.
    """
    corners, cell = _lattice(image, counts, sampling)
    a_shift = locate(image, corners, sampling, _CATION_RADIUS)
    centres = corners + cell[None, None] / 2
    b_shift = locate(image, centres, sampling, _CATION_RADIUS)
    origin = a_shift.mean(axis=(0, 1), keepdims=True)
    return ColumnShifts(a_shift - origin, b_shift - origin)


def oxygen_shifts(
    image: jax.Array,
    origin: jax.Array,
    counts: tuple[int, int],
    sampling: float,
    locate: Callable = gaussian_shifts,
) -> OxygenShifts:
    """Locates the oxygen columns between neighbouring B columns.

    An octahedron that turns about the beam moves its four columns along its rim; one
    that moves takes all four along.

    Args:
      image: [y, x], repeats; A columns lie in corners of cells.
      origin: mean displacement of A [xy], A.
      counts: cells along x and y.
      sampling: side of a pixel, A.
      locate: `gaussian_shifts` or `moment_shifts`.
    """
    corners, cell = _lattice(image, counts, sampling)
    left, below = (
        locate(image, corners + offset[None, None], sampling, _OXYGEN_RADIUS)
        - origin[None, None]
        for offset in (cell * jnp.array([0, 0.5]), cell * jnp.array([0.5, 0]))
    )
    right, above = jnp.roll(left, -1, 0), jnp.roll(below, -1, 1)
    along_rim = right[..., 1] - left[..., 1] + below[..., 0] - above[..., 0]
    shift = (left + right + below + above) / 4
    return OxygenShifts(along_rim / (2 * cell.sum() / 2), shift)


@functools.cache
def _measure_all(channel: int, counts: tuple[int, int]) -> Callable:
    """Compiles (images [n, y, x, 3], sides [n] in A) -> what columns tell of each."""

    def measure(image, side, locate):
        sampling = side / image.shape[1]
        a_shift, b_shift = column_shifts(image, counts, sampling, locate)
        found = {"A": a_shift, "B": b_shift}
        if IMAGES[channel] == "HAADF":
            return found
        # A need not lie in the corners.
        corners = _lattice(image, counts, sampling)[0]
        origin = locate(image, corners, sampling, _CATION_RADIUS).mean(axis=(0, 1))
        rotation, o_shift = oxygen_shifts(image, origin, counts, sampling, locate)
        return found | {"O": o_shift, "tilt": rotation}

    def both(images, sides):
        image = images[..., channel]
        image = (image - image.mean()) / jnp.maximum(image.std(), 1e-12)
        return [measure(image, sides, way) for way in (gaussian_shifts, moment_shifts)]

    return jax.jit(
        lambda images, sides: jax.lax.map(lambda x: both(*x), (images, sides))
    )


def column_features(
    images: np.ndarray,
    present: np.ndarray,
    side_a: np.ndarray,
    names: tuple[str, ...],
    counts: tuple[int, int],
) -> np.ndarray:
    """Where each target's own columns seem to stand, in every image that is there.

    Of a displacement, that of its columns along its axis, whatever the moment along
    the beam: detectors look at different depths. Of a turn about the beam that repeats
    along it, how the four oxygen columns go round. 0 of what no column shows.

    Args:
      images: [n, y, x, 3] in the order of IMAGES.
      present: 1 of each image that is there, else 0 [3].
      side_a: of the images [n], A.
      names: of the channels.
      counts: cells along x and y.

    Returns:
      [n, i, j, channel, feature], rows first: a Gaussian fit and a first moment of
      each image, see `gaussian_shifts` and `moment_shifts`, in pm and degrees.
    """
    measured = []
    for channel in np.flatnonzero(present):
        measured += jax.device_get(_measure_all(int(channel), counts)(images, side_a))
    shape = (len(images), counts[1], counts[0], len(names), len(measured))
    result = np.zeros(shape, np.float32)
    for number, name in enumerate(names):
        kind, what, axis, *_ = name.split("_")
        for feature, found in enumerate(measured):
            if kind == "shift" and axis != "z" and what in found:
                values = 100 * found[what][..., "xy".index(axis)]
            elif (kind, what) == ("tilt", "repeating") and "tilt" in found:
                values = np.rad2deg(found["tilt"])
            else:
                continue
            result[..., number, feature] = np.swapaxes(values, 1, 2)
    return result
