"""A scan of any size: cut to the size of a network's field, and put together."""

import math
from collections.abc import Iterator

import numpy as np

from inverse.errors import ConfigError
from inverse.scan.geometry import Scan
from inverse.scan.measured import MeasuredScan


def rebinning(num: int, pixel: float, target: int, target_pixel: float) -> np.ndarray:
    """Matrix [target, num] that shares counts out to other pixels of one axis.

    Every pixel's counts go to those that it lies on, by the share that lies on each;
    pixel n // 2 has its centre on the axis in both. Counts that fall outside are lost.

    Args:
      num: pixels.
      pixel: size of them.
      target: pixels wanted.
      target_pixel: size of them, in the same unit.
    """
    low = (np.arange(num) - num // 2 - 0.5) * pixel
    target_low = (np.arange(target) - target // 2 - 0.5) * target_pixel
    begin = np.maximum(low[None], target_low[:, None])
    end = np.minimum(low[None] + pixel, target_low[:, None] + target_pixel)
    shares = np.maximum(end - begin, 0) / pixel
    shares[shares < 1e-9] = 0  # rounding, where edges meet
    return shares.astype(np.float32)


def _between(positions: np.ndarray, first: int, num: int) -> np.ndarray:
    """Matrix [target, num] of linear interpolation at fractional indices."""
    apart = np.abs(positions[:, None] - (first + np.arange(num))[None])
    return np.maximum(0, 1 - apart).astype(np.float32)


def num_positions(measured: MeasuredScan, scan: Scan) -> tuple[int, int]:
    """Rows and columns of the network's positions within a measured scan.

    Raises:
      ConfigError: they are fewer than a network's field holds.
    """
    ratio = scan.step_a / measured.step_a
    found = tuple(
        math.floor((measured.size(axis) - 1) / ratio + 1e-6) + 1 for axis in ("y", "x")
    )
    for axis, count, needed in zip("yx", found, scan.positions, strict=True):
        if count < needed:
            raise ConfigError(
                f"--input: {measured.size(axis)} positions along {axis}, "
                f"{measured.step_a:g} Å apart, are {count} of the network's, which "
                f"needs {needed}, {scan.step_a:g} Å apart; measure a larger field."
            )
    return found


def starts(count: int, size: int) -> list[int]:
    """First positions of tiles that overlap by half and end where the scan ends."""
    return [*range(0, count - size, max(1, size // 2)), count - size]


def read_tile(
    measured: MeasuredScan, scan: Scan, image_size: int, row: int, column: int
) -> np.ndarray:
    """Reads what a network would have seen at its positions from (row, column) on.

    Returns:
      Counts [ky, kx, position], on the pixels of the network's patterns.
    """
    ratio, slices, weights = scan.step_a / measured.step_a, [], []
    for axis, start, count in zip("yx", (row, column), scan.positions, strict=True):
        where = ratio * (start + np.arange(count))
        first = math.floor(where[0] + 1e-6)
        last = min(math.ceil(where[-1] - 1e-6), measured.size(axis) - 1)
        slices.append(slice(first, last + 1))
        weights.append(_between(where, first, last + 1 - first))
    found = measured.part(*slices)
    for axis, weight in enumerate(weights):
        found = np.moveaxis(np.tensordot(weight, found, (1, axis)), 0, axis)
    for axis in (2, 3):
        shares = rebinning(
            found.shape[axis], measured.angle_mrad, image_size, scan.angle_mrad
        )
        found = np.moveaxis(np.tensordot(shares, found, (1, axis)), 0, axis)
    return np.moveaxis(found.reshape(-1, image_size, image_size), 0, -1)


class Blend:
    """A map that grows out of overlapping tiles."""

    def __init__(self, positions: tuple[int, int], pixels: int, size: int):
        """Starts an empty map.

        Args:
          positions: rows and columns of the whole scan.
          pixels: of the map between neighbouring positions.
          size: side of a tile in pixels.
        """
        shape = tuple(count * pixels for count in positions)
        self._sum, self._weight = np.zeros(shape), np.zeros(shape)
        self._pixels = pixels
        # Highest in the middle, where a tile's pixels see most, and nowhere zero.
        ramp = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
        self._window = ramp[:, None] * ramp[None]

    def add(self, tile: np.ndarray, row: int, column: int) -> None:
        """Adds a tile [y, x] that begins at position (row, column)."""
        y, x = row * self._pixels, column * self._pixels
        place = (slice(y, y + tile.shape[0]), slice(x, x + tile.shape[1]))
        self._sum[place] += self._window * tile
        self._weight[place] += self._window

    def map(self) -> np.ndarray:
        """The weighted mean of the tiles [y, x], float32."""
        return (self._sum / self._weight).astype(np.float32)


def tiles(
    measured: MeasuredScan, scan: Scan, image_size: int
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yields (row, column, counts [ky, kx, position]) of tiles that cover a scan."""
    rows, columns = num_positions(measured, scan)
    for row in starts(rows, scan.positions[0]):
        for column in starts(columns, scan.positions[1]):
            yield row, column, read_tile(measured, scan, image_size, row, column)
