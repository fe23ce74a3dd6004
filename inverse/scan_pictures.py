"""Pictures of a scan with scale bars: patterns, images, potential."""

import pathlib

import numpy as np

_BAR_LENGTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
_MOST_PATTERNS = 8  # along an axis of the mosaic


def save_image(
    path: pathlib.Path,
    image: np.ndarray,
    pixel: tuple[float, float],
    units: str,
    quantity: str,
) -> None:
    """Draws [y, x] in grey, with a bar of a round length and one of its values.

    Args:
      path: of the PNG.
      image: of real numbers.
      pixel: its height and width in `units`.
      units: of lengths.
      quantity: what the values are, with their unit.
    """
    # Here, lest every other mode wait a third of a second for it.
    from matplotlib.figure import Figure

    height, width = (n * d for n, d in zip(image.shape, pixel, strict=True))
    figure = Figure(figsize=(4.8, 4.4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(image, cmap="gray", extent=(0, width, height, 0))
    axes.set_axis_off()
    _add_bar(axes, width, height, units)
    figure.colorbar(shown, ax=axes, label=quantity, shrink=0.8)
    figure.savefig(path)


def _add_bar(axes, width: float, height: float, units: str) -> None:
    length = max([a for a in _BAR_LENGTHS if a <= width / 3], default=width / 3)
    x, y = 0.05 * width, 0.95 * height
    axes.plot([x, x + length], [y, y], color="white", linewidth=4)
    axes.text(x, y - 0.02 * height, f"{length:g} {units}", color="white", va="bottom")


def mosaic(patterns: np.ndarray) -> np.ndarray:
    """Some patterns of [y, x, ky, kx] in their places, as one image."""
    rows, columns = (
        np.unique(np.linspace(0, n - 1, min(n, _MOST_PATTERNS)).round().astype(int))
        for n in patterns.shape[:2]
    )
    some = patterns[np.ix_(rows, columns)]
    return some.transpose(0, 2, 1, 3).reshape(
        len(rows) * some.shape[2], len(columns) * some.shape[3]
    )
