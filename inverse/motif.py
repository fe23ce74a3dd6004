"""Any lattice of an image, and the columns that stand in each of its cells."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from inverse.errors import ConfigError
from inverse.lattice_fit import Lattice, power_spectrum, spot

_FOLDED = 48  # pixels of the mean cell, along both vectors
# Of the strongest spot's power and of the mean cell's range: less is noise.
_WEAKEST_SPOT, _WEAKEST_COLUMN = 0.01, 0.12
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
    """The two shortest spots that span a plane [2, (x, y)], 1/pixel.

    Raises:
      ConfigError: there are no two.
    """
    power, g = power_spectrum(image)
    length = np.hypot(g[..., 0], g[..., 1])
    allowed = (length > 4 / min(image.shape)) & (length < 0.35)
    highest = ndimage.maximum_filter(power, size=7)
    strong = power > _WEAKEST_SPOT * (power * allowed).max()
    strong &= power > _OVER_NOISE * np.median(power[allowed])
    rows, columns = np.nonzero(allowed & strong & (power == highest))
    found = [spot(power, g, *at) for at in zip(rows, columns, strict=True)]
    found.sort(key=lambda one: float(np.hypot(*one)))
    for second in found[1:]:
        first = found[0]
        across = abs(first[0] * second[1] - first[1] * second[0])
        if across > _LEAST_SINE * np.hypot(*first) * np.hypot(*second):
            pair = np.stack([first, second])
            # The one nearer to x first, both pointing forward.
            pair = pair[np.argsort(-np.abs(pair[:, 0]) / np.hypot(*pair.T))]
            return pair * np.sign([[pair[0, 0]], [pair[1, 1]]])
    raise ConfigError("--input: no columns are seen: the image shows no lattice.")


def mean_cell(image: np.ndarray, lattice: Lattice) -> np.ndarray:
    """The mean over whole cells [j, i], _FOLDED pixels along each vector."""
    at = (np.arange(_FOLDED) + 0.5) / _FOLDED
    total = np.zeros((_FOLDED, _FOLDED))
    for j in range(lattice.counts[1]):
        for i in range(lattice.counts[0]):
            cells = np.stack(np.meshgrid(i + at, j + at), axis=-1)
            # A pixel's value is that of its centre.
            where = lattice.places(cells)[..., ::-1] - 0.5
            total += ndimage.map_coordinates(
                image, np.moveaxis(where, -1, 0), order=1, mode="nearest"
            )
    return total / np.prod(lattice.counts)


def find_sites(image: np.ndarray, lattice: Lattice, *, dark: bool) -> list[Site]:
    """Columns of the mean cell, the strongest first; of a dark field the darkest."""
    cell = mean_cell(-image if dark else image, lattice)
    cell = ndimage.gaussian_filter(cell, 1.5, mode="wrap")
    height = (cell - cell.min()) / np.ptp(cell)
    highest = height == ndimage.maximum_filter(height, size=9, mode="wrap")
    rows, columns = np.nonzero(highest & (height > _WEAKEST_COLUMN))
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
