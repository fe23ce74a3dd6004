"""Pictures of fitted columns: arrows on the image, displacements along x and y."""

import numpy as np

from inverse.figure import add_notes, figure_pixels, new_figure, show_image
from inverse.micrograph.column_map import ColumnKind, per_pixel, place_text

# Arrows are drawn so many times longer than displacements.
_EXAGGERATION = 30.0


def column_maps(
    images: dict[str, np.ndarray],
    kinds: list[ColumnKind],
    pixel_a: float,
    notes: list[str],
) -> np.ndarray:
    """Draws one row per kind of column, uint8 [y, x, 3].

    Colours reach to three times the noise at least: what could be chance is pale.

    Args:
      images: of each detector [y, x].
      kinds: of columns.
      pixel_a: size of a pixel; 0 where it is not known.
      notes: what is to be taken with care, drawn above.
    """
    scale, unit = per_pixel(pixel_a)
    side = pixel_a or 1.0
    figure = new_figure(14, 4.2 * len(kinds) + 0.2 * (len(notes) + 1))
    about = f"Displacements of columns from the mean of their kind, {unit}."
    add_notes(figure, about, notes)
    largest = max(float(np.abs(scale * kind.shifts).max()) for kind in kinds)
    grid = figure.subplots(len(kinds), 3, squeeze=False)
    for row, kind in zip(grid, kinds, strict=True):
        image = images[kind.detector]
        where = place_text(kind.site)
        title = f"{kind.detector}, columns at {where}, arrows {_EXAGGERATION:.0f}x"
        show_image(
            *(row[0], image, side * image.shape[1], title),
            units="A" if pixel_a else "pixels",
        )
        row[0].quiver(
            *(side * kind.places).T,
            *(side * _EXAGGERATION * kind.shifts).T,
            color="cyan" if kind.detector == "HAADF" else "red",
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.006,
        )
        for axis, axes in enumerate(row[1:]):
            values = scale * kind.shifts[:, axis]
            error = scale * float(np.median(kind.noise_px))
            # One scale for all, so that kinds can be compared.
            bound = max(3 * error, largest)
            drawn = axes.scatter(
                *kind.places.T, c=values, cmap="RdBu_r", vmin=-bound, vmax=bound, s=24
            )
            figure.colorbar(drawn, ax=axes, fraction=0.046)
            axes.set_title(f"{'xy'[axis]} [{unit}], noise {error:.2f}", fontsize=8)
            axes.set_aspect("equal")
            axes.invert_yaxis()
            axes.set_axis_off()
    return figure_pixels(figure)
