"""Pictures of a scan with scale bars: patterns, images, potential."""

import pathlib

import numpy as np

from inverse.figure import add_notes, add_scale_bar, new_figure

_MOST_PATTERNS = 8  # along an axis of the mosaic


def save_image(
    path: pathlib.Path,
    image: np.ndarray,
    pixel: tuple[float, float],
    units: str,
    quantity: str,
    *,
    notes: list[str] | None = None,
    colours: str = "gray",
) -> None:
    """Draws [y, x] with a bar of a round length and one of its values.

    Args:
      path: of the PNG.
      image: of real numbers.
      pixel: its height and width in `units`.
      units: of lengths.
      quantity: what the values are, with their unit.
      notes: what is to be taken with care, drawn above.
      colours: name of a scale of matplotlib's.
    """
    height, width = (n * d for n, d in zip(image.shape, pixel, strict=True))
    figure = new_figure(4.8, 4.4)
    if notes:
        add_notes(figure, quantity, notes)
    axes = figure.add_subplot()
    shown = axes.imshow(image, cmap=colours, extent=(0, width, height, 0))
    axes.set_axis_off()
    add_scale_bar(axes, width, height, units)
    figure.colorbar(shown, ax=axes, label=quantity, shrink=0.8)
    figure.savefig(path, dpi=120)


def mosaic(patterns: np.ndarray) -> np.ndarray:
    """Patterns of [y, x, ky, kx] in their places, as one image: each n-th of many.

    An even stride: every second position of one crystal looks like another one.
    """
    strides = (-(-n // _MOST_PATTERNS) for n in patterns.shape[:2])
    rows, columns = (
        range(0, n, stride) for n, stride in zip(patterns.shape, strides, strict=False)
    )
    some = patterns[np.ix_(rows, columns)]
    return some.transpose(0, 2, 1, 3).reshape(
        len(rows) * some.shape[2], len(columns) * some.shape[3]
    )
