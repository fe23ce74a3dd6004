"""Random boxes that are cut out of pictures."""

import numpy as np

_ATTEMPTS = 10


def crop_box(
    width: int,
    height: int,
    uniforms: np.ndarray,
    area: tuple[float, float],
    aspect: tuple[float, float],
) -> tuple[float, float, float, float]:
    """Draws a box inside a picture; where none fits, the largest centred one.

    Args:
      width: of the picture [pixels].
      height: of the picture [pixels].
      uniforms: random numbers in [0, 1), float64 [attempt, 4].
      area: least and largest share of the picture's area.
      aspect: least and largest width / height, drawn uniformly in its logarithm.

    Returns:
      (left, top, right, bottom) [pixels], not rounded.
    """
    shares = area[0] + uniforms[:, 0] * (area[1] - area[0])
    low, high = np.log(aspect)
    ratios = np.exp(low + uniforms[:, 1] * (high - low))
    widths = np.maximum(np.sqrt(shares * width * height * ratios), 1.0)
    heights = np.maximum(np.sqrt(shares * width * height / ratios), 1.0)
    fits = np.flatnonzero((widths <= width) & (heights <= height))
    if len(fits):
        first = fits[0]
        box_width, box_height = widths[first], heights[first]
        left = uniforms[first, 2] * (width - box_width)
        top = uniforms[first, 3] * (height - box_height)
    else:
        box_width = min(width, height * aspect[1])
        box_height = min(height, width / aspect[0])
        left, top = (width - box_width) / 2, (height - box_height) / 2
    return (
        float(left),
        float(top),
        min(float(left + box_width), float(width)),
        min(float(top + box_height), float(height)),
    )


def draw_uniforms(*address: int) -> np.ndarray:
    """Random numbers [attempt, 4] for `crop_box`, always the same for an address."""
    return np.random.default_rng(address).random((_ATTEMPTS, 4))
