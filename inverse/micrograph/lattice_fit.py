"""The lattice of a measured image, from its brightest columns, and the image on it.

Places are (x, y) in pixels; pixel n covers n to n + 1.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from inverse.errors import ConfigError
from inverse.micrograph.column_fit import fit_columns
from inverse.micrograph.reciprocal_lattice import reciprocal_vectors, require_planes

_FOLDED = 32
_FEWEST_PIXELS = 8  # of a cell
# Of a cell, by which columns may miss their lattice.
_LOOSEST = 0.16
# Of a cell, by which columns of the training miss the lattice at most.
_LOOSE = 0.1
# Of the columns that a lattice promises. Noise has bright places near four in five of
# them, a crystal near all.
_FEWEST_FOUND = 0.95
# Polynomial in x and y that slow distortions of the scan are taken off with.
_DEGREE = 3


class Lattice(NamedTuple):
    """Where the columns of the corners of cells stand.

    Attributes:
      vectors: of a cell [2, (x, y)], pixels; the first nearly along x.
      origin: of cell (0, 0) [(x, y)], pixels.
      counts: cells along the vectors.
      bend: coefficients of the slow displacement [term, (x, y)], pixels.
      residual_px: root mean square distance of fitted columns from it, pixels.
      shift: of cell (0, 0) from the first fitted column, in cells along both vectors.
    """

    vectors: np.ndarray
    origin: np.ndarray
    counts: tuple[int, int]
    bend: np.ndarray
    residual_px: float
    shift: float = 0.0

    @property
    def spacing_px(self) -> float:
        """Root of the area of a cell."""
        return float(np.sqrt(abs(np.linalg.det(self.vectors))))

    def looseness(self) -> list[str]:
        """A warning, where columns stand further from it than those of a training."""
        if self.residual_px <= _LOOSE * self.spacing_px:
            return []
        return [
            f"columns lie {self.residual_px:.1f} pixels off the lattice, whose cell "
            f"has {self.spacing_px:.1f}"
        ]

    def places(self, cells: np.ndarray) -> np.ndarray:
        """Pixels [..., (x, y)] of cells [..., (i, j)] along the vectors."""
        fitted = cells + self.shift
        # The slow displacement is told on all cells that were fitted.
        span = tuple(count + round(2 * self.shift) for count in self.counts)
        return self.origin + fitted @ self.vectors + _terms(fitted, span) @ self.bend

    def between(self) -> "Lattice":
        """The lattice half a diagonal on: its corners in the middles of these cells."""
        counts = tuple(count - 1 for count in self.counts)
        return self._replace(counts=counts, shift=self.shift + 0.5)


def _terms(cells: np.ndarray, counts: tuple[int, int]) -> np.ndarray:
    """Polynomials [..., term] of second and third degree, sides -1 to 1."""
    u, v = np.moveaxis(2 * cells / np.array(counts) - 1, -1, 0)
    powers = [
        u**i * v**j
        for i in range(_DEGREE + 1)
        for j in range(_DEGREE + 1)
        if 2 <= i + j <= _DEGREE
    ]
    return np.stack(powers, axis=-1)


def _brightest(image: np.ndarray, reciprocal: np.ndarray, sign: float) -> np.ndarray:
    """Place of the brightest (sign 1) column in the mean cell, cells [(i, j)]."""
    y, x = np.indices(image.shape) + 0.5
    cells = np.stack([x, y], axis=-1) @ reciprocal.T
    index = np.floor(np.mod(cells, 1) * _FOLDED).astype(int) % _FOLDED
    flat = (index[..., 1] * _FOLDED + index[..., 0]).ravel()
    counts = np.maximum(np.bincount(flat, minlength=_FOLDED**2), 1)
    sums = np.bincount(flat, sign * image.ravel(), minlength=_FOLDED**2)
    cell = ndimage.gaussian_filter(
        (sums / counts).reshape(_FOLDED, _FOLDED), 2, mode="wrap"
    )
    row, column = np.unravel_index(np.argmax(cell), cell.shape)
    return (np.array([column, row]) + 0.5) / _FOLDED


def fit_lattice(image: np.ndarray, pixel_a: float, *, dark: bool = False) -> Lattice:
    """Fits the lattice of the brightest columns, or of the darkest.

    Around the middle at first, where the vectors of the Fourier transform are good
    enough to find columns, then further and further out.

    Raises:
      ConfigError: there is no square lattice, fewer than 4 x 4 cells of it, or its
        cell has another size than `pixel_a` says.
    """
    found = refined_lattice(image, reciprocal_vectors(image, pixel_a), dark=dark)
    if pixel_a:
        require_planes(image, found.vectors, pixel_a)
    return found


def refined_lattice(
    image: np.ndarray, reciprocal: np.ndarray, *, dark: bool = False
) -> Lattice:
    """Fits the lattice of which `reciprocal` [2, (x, y)] is a first guess, 1/pixel."""
    vectors = np.linalg.inv(reciprocal).T
    sign = -1.0 if dark else 1.0
    spacing = np.sqrt(np.abs(np.linalg.det(vectors)))
    if spacing < _FEWEST_PIXELS:
        raise ConfigError(
            f"--input: a cell, if any is seen, has {spacing:.1f} pixels, "
            f"{_FEWEST_PIXELS} at least are needed; record it finer, or check "
            "config.prediction.pixel_a."
        )
    size = np.array(image.shape[::-1])
    # Folded over few cells: slightly wrong vectors would smear the mean cell.
    reach = np.minimum(size // 2, np.ceil(4 * np.abs(vectors).max(0)).astype(int))
    low, high = size // 2 - reach, size // 2 + reach
    part = image[low[1] : high[1], low[0] : high[0]]
    origin = low + _brightest(part, reciprocal, sign) @ vectors
    middle = np.round(np.linalg.solve(vectors.T, size / 2 - origin))
    origin = origin + middle @ vectors
    for cells in (4, 8, 16, 64, 64):
        index, found, share = _columns(image, vectors, origin, spacing, cells)
        if len(index) < 16:
            raise ConfigError(
                f"--input: {len(index)} columns of a lattice of {spacing:.1f} pixels "
                "are seen, 16 are the least; give a larger part of the crystal."
            )
        basis = np.column_stack([index, np.ones(len(index))])
        solved = np.linalg.lstsq(basis, found, rcond=None)[0]
        vectors, origin = solved[:2], solved[2]
    lattice = _with_bend(vectors, origin, index, found)
    largest = _LOOSEST if share > _FEWEST_FOUND else _LOOSE
    if lattice.residual_px > largest * spacing:
        raise ConfigError(
            f"--input: the {'darkest' if dark else 'brightest'} places lie "
            f"{lattice.residual_px:.1f} pixels off the best lattice, whose cell has "
            f"{spacing:.1f}: no columns are seen; give an image of a crystal, or set "
            "config.prediction.pixel_a."
        )
    return lattice


def _columns(image, vectors, origin, spacing, cells: int):
    """Columns that are seen within `cells` of the middle.

    Returns:
      indices [n, 2], fitted places [n, (x, y)], and their share of those looked for.
    """
    span = np.arange(-cells, cells + 1)
    index = np.stack(np.meshgrid(span, span, indexing="ij"), axis=-1).reshape(-1, 2)
    guess = origin + index @ vectors
    margin = 0.5 * spacing
    inside = np.all((guess > margin) & (guess < image.shape[::-1] - margin), axis=1)
    index, guess = index[inside], guess[inside]
    radius = max(int(0.32 * spacing), 2)
    found = np.asarray(
        fit_columns(
            jnp.asarray(image),
            jnp.asarray(guess, jnp.float32),
            1.0,
            radius_pixels=radius,
            start_width=0.15 * spacing,
        ).positions
    )
    near = np.linalg.norm(found - guess, axis=1) < 0.25 * spacing
    return index[near], found[near], near.mean() if len(near) else 0.0


def _with_bend(vectors, origin, index, found) -> Lattice:
    """Counts cells from the first whole one, and fits slow displacements."""
    first = index.min(axis=0)
    counts = tuple(int(n) for n in index.max(axis=0) - first)
    if min(counts) < 4:
        raise ConfigError(
            f"--input: {counts[0]} x {counts[1]} whole cells are seen, 4 x 4 are the "
            "least; give a larger part of the crystal."
        )
    start, cells = origin + first @ vectors, index - first
    error = found - (start + cells @ vectors)
    terms = _terms(cells, counts)
    bend = np.linalg.lstsq(terms, error, rcond=None)[0]
    left = error - terms @ bend
    rms = float(np.sqrt(np.mean(np.sum(left**2, axis=1))))
    return Lattice(vectors, start, counts, bend, rms)


def resample(image: np.ndarray, lattice: Lattice, pixels_per_cell: int) -> np.ndarray:
    """The image [y, x] on whole cells of `pixels_per_cell`, corners on columns."""
    nx, ny = (n * pixels_per_cell for n in lattice.counts)
    j, i = (np.indices((ny, nx)) + 0.5) / pixels_per_cell
    place = lattice.places(np.stack([i, j], axis=-1))
    spacing = np.sqrt(np.abs(np.linalg.det(lattice.vectors)))
    # Several pixels become one: their mean, or noise would be that of one.
    ratio = spacing / pixels_per_cell
    smooth = ndimage.gaussian_filter(image, 0.4 * ratio) if ratio > 1 else image
    # A pixel's value is that of its centre.
    where = [place[..., 1] - 0.5, place[..., 0] - 0.5]
    return ndimage.map_coordinates(smooth, where, order=3, mode="nearest")
