"""The planes of a measured crystal: spots of its image's power spectrum.

Reciprocal vectors g are (x, y) in 1/pixel.
"""

import numpy as np

from inverse.errors import ConfigError, OtherZoneAxis

# Sides of pseudo-cubic cells that may be meant [A].
_CELL_A = (3.6, 4.3)
# Of the strongest spot's power: less is no spot of a square lattice.
_WEAKEST_PARTNER = 0.02
_OFF_INTEGER = 0.2  # by which indices of planes may miss integers
_FEWEST_PERIODS = 8  # over an image: what is slower may be its background


def power_spectrum(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power [y, x] of an image that does not repeat, and g [y, x, (x, y)], 1/pixel."""
    window = np.outer(*(np.hanning(n) for n in image.shape))
    power = np.abs(np.fft.fftshift(np.fft.fft2(window * (image - image.mean())))) ** 2
    y, x = (np.fft.fftshift(np.fft.fftfreq(n)) for n in image.shape)
    return power, np.stack(np.meshgrid(x, y), axis=-1)


def spot(power: np.ndarray, g: np.ndarray, row: int, column: int) -> np.ndarray:
    """Middle [(x, y)] of a spot of the power spectrum, to parts of a pixel."""
    near = np.s_[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
    weights = power[near]
    return (weights[..., None] * g[near]).sum(axis=(0, 1)) / weights.sum()


def require_planes(image: np.ndarray, vectors: np.ndarray, pixel_a: float) -> None:
    """Refuses a cell of which the image's strongest planes are none, or few.

    A size of a pixel that is half or twice the right one leads to a cell twice or half
    the right one, and columns are found near its corners.
    """
    power, g = power_spectrum(image)
    indices = g @ vectors.T
    order = np.abs(np.round(indices)).sum(axis=-1)
    of_cell = (order > 0) & (np.abs(indices - np.round(indices)).max(-1) < _OFF_INTEGER)
    first = of_cell & (np.abs(np.round(indices)).max(axis=-1) == 1)
    seen = np.hypot(*np.moveaxis(g, -1, 0)) > _FEWEST_PERIODS / min(image.shape)
    strongest = np.unravel_index(np.argmax(power * seen), power.shape)
    if of_cell[strongest] and (
        (power * first).max() > _WEAKEST_PARTNER * power[strongest]
    ):
        return
    planes_px = 1 / np.hypot(*spot(power, g, *strongest))
    planes_a, typical = planes_px * pixel_a, np.sqrt(_CELL_A[0] * _CELL_A[1])
    raise ConfigError(
        f"--input: the image's strongest planes lie {planes_px:.1f} pixels apart, with "
        f"pixels of {pixel_a:.4f} A {planes_a:.2f} A, as those of no perovskite seen "
        "along [001]; set config.prediction.pixel_a: with "
        f"{typical / planes_px:.3f} they were the sides of a cell, with "
        f"{typical / np.sqrt(2) / planes_px:.3f} its (110)."
    )


def reciprocal_vectors(image: np.ndarray, pixel_a: float) -> np.ndarray:
    """Reciprocal vectors [2, (x, y)] of the square cell, 1/pixel.

    The strongest peak and one as long at a right angle span a square lattice: that of
    the cell, or the one turned by 45 degrees of its (110). With the size of a pixel
    the length tells which; without, whether there are peaks half-way.
    """
    power, g = power_spectrum(image)
    length = np.hypot(g[..., 0], g[..., 1])
    allowed = (length > 4 / min(image.shape)) & (length < 0.35)
    if pixel_a:
        a, b = (pixel_a / side for side in _CELL_A)
        allowed = ((length > b) & (length < a)) | (
            (length > b * 2**0.5) & (length < a * 2**0.5)
        )

    def strongest(where):
        return spot(power, g, *np.unravel_index(np.argmax(power * where), power.shape))

    if not (power * allowed).any():
        raise ConfigError(
            f"--input: no lattice of {_CELL_A[0]} to {_CELL_A[1]} A is seen with "
            f"pixels of {pixel_a:.4f} A; set config.prediction.pixel_a."
        )
    first = strongest(allowed)
    size = np.hypot(*first)
    cosine = np.abs(g @ first) / np.maximum(length * size, 1e-12)
    across = (cosine < 0.15) & (np.abs(length / size - 1) < 0.12)
    second = strongest(across)
    if (power * across).max() < _WEAKEST_PARTNER * (power * allowed).max():
        raise OtherZoneAxis(
            f"--input: the image's strongest planes, {1 / size:.1f} pixels apart, have "
            "none as far apart at a right angle to them: the crystal is not seen along "
            f"[001]{', or config.prediction.pixel_a is wrong' if pixel_a else ''}."
        )
    half = (first + second) / 2
    if pixel_a:
        is_110 = size / pixel_a > 2**0.25 / np.sqrt(_CELL_A[0] * _CELL_A[1])
    else:
        near = np.hypot(*np.moveaxis(g - half, -1, 0)) < 3 / min(image.shape)
        far = np.abs(length - np.hypot(*half)) < 3 / min(image.shape)
        is_110 = power[near].max() > 20 * np.median(power[far])
    pair = np.stack([half, (first - second) / 2] if is_110 else [first, second])
    # The one nearer to x first, both pointing forward.
    order = [0, 1] if abs(pair[0, 0]) > abs(pair[1, 0]) else [1, 0]
    pair = pair[order]
    return pair * np.sign([[pair[0, 0]], [pair[1, 1]]])
