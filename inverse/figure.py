"""Figures without a window: made, annotated and turned into pixels."""

import io

import numpy as np
from PIL import Image

_LENGTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def new_figure(width: float, height: float):
    """An empty figure of that many inches, without a window."""
    # Here: loading it takes longer than what most commands do before they begin.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def figure_pixels(figure) -> np.ndarray:
    """Renders a figure, uint8 [y, x, 3]."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    stream.seek(0)
    return np.asarray(Image.open(stream).convert("RGB"))


def add_notes(figure, title: str, notes: list[str]) -> None:
    """Writes the title, and under it what is to be taken with care.

    A picture is what is passed on: a warning beside it alone is lost.
    """
    lines = [title, *(f"with care: {note}" for note in notes)]
    figure.suptitle("\n".join(lines), fontsize=9, wrap=True)


def add_scale_bar(axes, width: float, height: float, units: str) -> None:
    """Draws the longest bar of at most a third of the width into the lower left.

    Args:
      axes: whose lengths are in `units`, y downwards.
      width: of the picture.
      height: of it.
      units: of lengths.
    """
    from matplotlib.patheffects import withStroke

    length = max([a for a in _LENGTHS if a <= width / 3], default=width / 3)
    edge = [withStroke(linewidth=2.5, foreground="black")]
    x, y = 0.04 * width, 0.95 * height
    axes.plot(
        *([x, x + length], [y, y]),
        color="white",
        linewidth=3,
        solid_capstyle="butt",
        path_effects=[withStroke(linewidth=5, foreground="black")],
    )
    label = {"color": "white", "fontsize": 8, "va": "bottom", "path_effects": edge}
    axes.text(x, y - 0.03 * height, f"{length:g} {units}", **label)


def show_image(
    axes, image: np.ndarray, side: float, title: str, *, units: str = "A"
) -> None:
    """Draws an image of width `side` with a scale bar; without `units` it has none."""
    height = side * image.shape[0] / image.shape[1]
    low, high = np.percentile(image, (0.5, 99.5))
    axes.imshow(
        *(image, "gray"),
        vmin=low,
        vmax=max(high, low + 1e-9),
        extent=(0, side, height, 0),
        interpolation="nearest",
    )
    axes.set_title(title, fontsize=8)
    axes.set_axis_off()
    if units:
        add_scale_bar(axes, side, height, units)
