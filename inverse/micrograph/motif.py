"""Any lattice of an image, and the columns that stand in each of its cells."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from inverse.errors import ConfigError
from inverse.micrograph.lattice_fit import Lattice
from inverse.micrograph.reciprocal_lattice import power_spectrum, spot

_FOLDED = 48  # pixels of the mean cell, along both vectors
# Of the strongest spot's power and of the mean cell's range: less is noise.
_WEAKEST_SPOT, _WEAKEST_COLUMN = 0.01, 0.12
# Of a reciprocal vector, by which a spot may miss the lattice.
_OFF_LATTICE = 0.15
# Correlation of the two halves of the cells: less, and there is no cell.
_LEAST_ALIKE = 0.5
# Times the scatter between two halves of the cells: less may be chance.
_OVER_SCATTER = 6.0
# White noise has one pixel in 2^30 that is so many times its median power.
_OVER_NOISE = 30.0
# Sine of the angle between two reciprocal vectors; less is nearly one direction.
_LEAST_SINE = 0.4


class Site(NamedTuple):
    """One column of every cell.

    Attributes:
      place: in cells along the vectors [(i, j)], within 0 and 1.
      height: above the lowest place of the mean cell, of its range; 1 is the first.
      radius_px: within which no other column stands, halved.
    """

    place: np.ndarray
    height: float
    radius_px: float


def shortest_reciprocal_vectors(image: np.ndarray) -> np.ndarray:
    """The shortest pair of spots that all strong spots are whole numbers of.

    Where spots between are missing, as a glide plane makes them, halves of the pair's
    sums, differences and members are tried.

    Returns:
      [2, (x, y)], 1/pixel; the first nearly along x.

    Raises:
      ConfigError: there is no such pair.
    """
    found = _strong_spots(image)
    for second in found[1:]:
        first = found[0]
        across = abs(first[0] * second[1] - first[1] * second[0])
        if across > _LEAST_SINE * np.hypot(*first) * np.hypot(*second):
            return _ordered(_spanning(np.stack([first, second]), np.stack(found)))
    raise ConfigError(
        "--input: no columns are seen: the image shows no lattice; give one in which a "
        "column covers three pixels or more, and of more than 4 x 4 cells."
    )


def _strong_spots(image: np.ndarray) -> list[np.ndarray]:
    """Spots of the power spectrum [(x, y)], 1/pixel, the shortest first."""
    power, g = power_spectrum(image)
    length = np.hypot(g[..., 0], g[..., 1])
    allowed = (length > 4 / min(image.shape)) & (length < 0.35)
    highest = ndimage.maximum_filter(power, size=7)
    strong = power > _WEAKEST_SPOT * (power * allowed).max()
    strong &= power > _OVER_NOISE * np.median(power[allowed])
    rows, columns = np.nonzero(allowed & strong & (power == highest))
    found = [spot(power, g, *at) for at in zip(rows, columns, strict=True)]
    return sorted(found, key=lambda one: float(np.hypot(*one)))


def _spanning(pair: np.ndarray, spots: np.ndarray) -> np.ndarray:
    """The pair, or the least part of it, of which all spots are whole numbers."""
    a, b = pair
    for tried in ((a, b), ((a + b) / 2, (a - b) / 2), (a / 2, b), (a, b / 2)):
        basis = np.stack(tried)
        index = spots @ np.linalg.inv(basis)
        if np.abs(index - np.round(index)).max() < _OFF_LATTICE:
            return basis
    raise ConfigError(
        "--input: the strongest spots of the image's spectrum lie on no one lattice; "
        "give a part of the image that shows one crystal, without slow bright areas."
    )


def _ordered(pair: np.ndarray) -> np.ndarray:
    """The one nearer to x first, both pointing forward."""
    pair = pair[np.argsort(-np.abs(pair[:, 0]) / np.hypot(*pair.T))]
    signs = np.array([pair[0, 0], pair[1, 1]])
    return pair * np.where(signs < 0, -1.0, 1.0)[:, None]


def mean_cells(image: np.ndarray, lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """Means [j, i] over every other whole cell, and over the others.

    Cells that reach out of the image, as those of an oblique lattice may, are left out.
    """
    at = (np.arange(_FOLDED) + 0.5) / _FOLDED
    corners = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    size, total, number = image.shape[::-1], np.zeros((2, _FOLDED, _FOLDED)), [0, 0]
    for j, i in np.ndindex(lattice.counts[::-1]):
        around = lattice.places(corners + (i, j))
        if (around < 0).any() or (around > size).any():
            continue
        cells = np.stack(np.meshgrid(i + at, j + at), axis=-1)
        # A pixel's value is that of its centre.
        where = np.moveaxis(lattice.places(cells)[..., ::-1] - 0.5, -1, 0)
        half = sum(number) % 2
        total[half] += ndimage.map_coordinates(image, where, order=1, mode="nearest")
        number[half] += 1
    first, second = total / np.maximum(number, 1)[:, None, None]
    return first, second


def find_sites(image: np.ndarray, lattice: Lattice, *, dark: bool) -> list[Site]:
    """Columns of the mean cell, the strongest first; of a dark field the darkest.

    None, where the mean cell of every other cell and that of the others do not show
    the same.
    """
    halves = mean_cells(-image if dark else image, lattice)
    first, second = (ndimage.gaussian_filter(h, 1.5, mode="wrap") for h in halves)
    if np.corrcoef(first.ravel(), second.ravel())[0, 1] < _LEAST_ALIKE:
        return []
    cell, noise = (first + second) / 2, np.std(first - second) / 2
    height = (cell - cell.min()) / max(np.ptp(cell), 1e-12)
    least = max(_WEAKEST_COLUMN, _OVER_SCATTER * noise / max(np.ptp(cell), 1e-12))
    highest = height == ndimage.maximum_filter(height, size=9, mode="wrap")
    rows, columns = np.nonzero(highest & (height > least))
    order = np.argsort(-height[rows, columns])
    places = (np.stack([columns, rows], axis=-1)[order] + 0.5) / _FOLDED
    heights = height[rows, columns][order]
    return [
        Site(place, float(tall), _half_way(place, places, lattice.vectors))
        for place, tall in zip(places, heights, strict=True)
    ]


def _half_way(place, places, vectors) -> float:
    """Half the way from a place to the nearest other one, pixels."""
    around = np.stack(np.meshgrid(*[(-1, 0, 1)] * 2), axis=-1).reshape(-1, 2)
    apart = (places[None] + around[:, None] - place) @ vectors
    distance = np.hypot(*np.moveaxis(apart, -1, 0))
    return float(distance[distance > 1e-6].min() / 2)
