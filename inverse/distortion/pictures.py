"""Pictures of distortions: images, arrows of displacements, maps of tilts."""

import numpy as np

from inverse.distortion.conformal import Calibrated
from inverse.figure import add_notes, figure_pixels, new_figure, show_image
from inverse.simulator.crystal_images import IMAGES

_TILTS = ("tilt_repeating_z_P0_deg", "tilt_alternating_z_P0_deg")
_MAPS = (
    *(*_TILTS, "tilt_alternating_x_P0_deg", "tilt_alternating_y_P0_deg"),
    *(f"shift_{atom}_{axis}_P0_pm" for atom in "ABO" for axis in "xy"),
)
_PALE = 0.25  # opacity of what could be zero
_ARROWS = {"A": ("crimson", "red"), "B": ("navy", "blue")}
# Displacements as long as a cell in the picture of a crop, pm.
_CROP_PM = 100.0


def arrows(
    axes,
    values: np.ndarray,
    names: tuple[str, ...],
    atom: str,
    cell_a: tuple[float, float],
    colour: str,
    pm_per_cell: float,
) -> None:
    """Draws in-plane depth means of one kind of atom where its columns stand.

    Args:
      axes: to draw in, lengths in A, y downwards.
      values: [i, j, channel], pm.
      names: of the channels.
      atom: "A", "B" or "O".
      cell_a: sides of a cell (y, x), A.
      colour: of the arrows.
      pm_per_cell: displacement that is drawn as long as a cell.
    """
    x, y = _in_plane(values, names, atom) / pm_per_cell
    offset = 0.0 if atom == "A" else 0.5
    row, column = np.indices(x.shape)
    axes.quiver(
        (column + offset) * cell_a[1],
        (row + offset) * cell_a[0],
        *(x * cell_a[1], y * cell_a[0]),
        color=colour,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.006,
    )


def _in_plane(values: np.ndarray, names: tuple[str, ...], atom: str) -> np.ndarray:
    """Depth means of an atom's displacements [xy, i, j], pm."""
    channels = [names.index(f"shift_{atom}_{axis}_P0_pm") for axis in "xy"]
    return np.moveaxis(values[..., channels], -1, 0)


def show_map(
    figure,
    axes,
    values: np.ndarray,
    bound: float,
    title: str,
    *,
    is_zero: np.ndarray | bool = False,
) -> None:
    """Draws one value per cell between -bound and bound, with its scale.

    What `is_zero` says of a cell is drawn pale; the scale keeps its colours.
    """
    opacity = np.where(np.broadcast_to(is_zero, values.shape), _PALE, 1.0)
    scale = axes.imshow(values, "RdBu_r", vmin=-bound, vmax=bound, visible=False)
    axes.imshow(values, "RdBu_r", vmin=-bound, vmax=bound, alpha=opacity)
    figure.colorbar(scale, ax=axes, fraction=0.046)
    axes.set_title(title, fontsize=8)
    axes.set_axis_off()


def crop_panels(
    images: np.ndarray,
    side_a: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    names: tuple[str, ...],
) -> np.ndarray:
    """Draws one row per crop, uint8 [y, x, 3].

    Images with the displacements of A (yellow) and B (cyan), 100 pm as long as a cell,
    true ones on the first image and predicted ones on the second; then tilts about the
    beam, true and predicted.

    Args:
      images: [n, y, x, 3] in the order of IMAGES.
      side_a: width of the images [n], A.
      truth: [n, i, j, channel], degrees and pm.
      predicted: the same.
      names: of the channels.
    """
    columns = len(IMAGES) + 2 * len(_TILTS)
    figure = new_figure(2.2 * columns, 2.3 * len(images) + 0.4)
    figure.suptitle(
        "A crystal a row. Means over the depth; arrows, A yellow and B cyan, as long "
        f"as a cell: {_CROP_PM:.0f} pm.",
        fontsize=9,
    )
    grid = figure.subplots(len(images), columns, squeeze=False)
    for row, image, side, true, made in zip(
        grid, images, side_a, truth, predicted, strict=True
    ):
        cells = true.shape[:2]
        cell = (side * image.shape[0] / image.shape[1] / cells[0], side / cells[1])
        captions = ("true arrows", "predicted arrows", "")
        for i, name in enumerate(IMAGES):
            show_image(row[i], image[..., i], side, f"{name} {captions[i]}")
        for axes, values in ((row[0], true), (row[1], made)):
            for atom, colour in (("A", "yellow"), ("B", "cyan")):
                arrows(axes, values, names, atom, cell, colour, _CROP_PM)
        for i, name in enumerate(_TILTS):
            channel = names.index(name)
            both = np.stack([true[..., channel], made[..., channel]])
            bound = max(float(np.abs(both).max()), 1.0)
            for k, (what, values) in enumerate((("true", true), ("predicted", made))):
                axes = row[len(IMAGES) + 2 * i + k]
                title = f"{name.removesuffix('_P0_deg')} [deg],\n{what}"
                show_map(figure, axes, values[..., channel], bound, title)
    return figure_pixels(figure)


def answer_panels(
    images: np.ndarray, side_a: np.ndarray, captions: list[str]
) -> np.ndarray:
    """Draws the ABF image of every crop with its caption, uint8 [y, x, 3]."""
    figure = new_figure(2.6 * len(images), 2.9)
    row = figure.subplots(1, len(images), squeeze=False)[0]
    abf = IMAGES.index("ABF")
    for axes, image, side, caption in zip(row, images, side_a, captions, strict=True):
        show_image(axes, image[..., abf], side, caption)
    return figure_pixels(figure)


def measured_maps(
    image: np.ndarray,
    cell_a: float,
    made: Calibrated,
    seen: dict[str, bool],
    rim: int,
    detectors: str,
    notes: list[str],
    units: str = "A",
) -> np.ndarray:
    """Draws what was predicted of a measured image, uint8 [y, x, 3].

    Colours reach as far as the 95 % intervals at least. A cell whose own interval
    holds zero is pale.

    Args:
      image: on whole cells [y, x].
      cell_a: side of a cell.
      made: prediction of the inner cells with error bars [j, i, channel].
      seen: name of each channel -> whether the image tells it.
      rim: cells around the inner ones.
      detectors: that were used.
      notes: what is to be taken with care, drawn above.
      units: of the side of a cell.
    """
    rows, columns, names = *made.mean.shape[:2], tuple(seen)
    pixels = image.shape[0] // (rows + 2 * rim)
    inner = image[rim * pixels : -rim * pixels, rim * pixels : -rim * pixels]
    figure = new_figure(22, 8.2 + 0.15 * len(notes))
    add_notes(
        figure,
        "Means over the depth. Pale: the 95 % interval of the cell holds zero.",
        notes,
    )
    grid = figure.subplots(2, 6)
    show_image(grid[0, 0], inner, columns * cell_a, detectors, units=units)
    _show_arrows(grid[1, 0], inner, cell_a, made.mean, seen)
    for axes, name in zip(grid[:, 1:].ravel(), _MAPS, strict=True):
        channel = names.index(name)
        values = made.mean[..., channel]
        error_68, error_95 = made.half_width[..., channel].mean(axis=(1, 2))
        bound = max(float(np.abs(values).max()), float(error_95))
        unit = name.rsplit("_", 1)[-1]
        errors = f"+- {error_68:.1f} (68 %), {error_95:.1f} (95 %)"
        title = f"{name.rsplit('_', 2)[0]} [{unit}], {errors}"
        title += "" if seen[name] else "\nnot seen: as the training drew"
        is_zero = np.abs(values) <= made.half_width[1, ..., channel]
        show_map(figure, axes, values, bound, title, is_zero=is_zero)
    return figure_pixels(figure)


def _show_arrows(axes, image, cell_a: float, mean: np.ndarray, seen) -> None:
    """Draws displacements that are seen, of A and B, most of them below a cell."""
    names, side = tuple(seen), mean.shape[1] * cell_a
    told = [a for a in "AB" if all(seen[f"shift_{a}_{x}_P0_pm"] for x in "xy")]
    if not told:
        show_image(axes, image, side, "displacements of A and B: not seen", units="")
        return
    longest = max(
        float(np.percentile(np.hypot(*_in_plane(mean, names, atom)), 95))
        for atom in told
    )
    pm = next(b for b in (5, 10, 20, 50, 100, 200, 500) if b >= min(longest, 500))
    drawn = ", ".join(f"{atom} {_ARROWS[atom][1]}" for atom in told)
    title = f"displacements, {pm} pm as long as a cell: {drawn}"
    show_image(axes, image, side, title, units="")
    axes.images[0].set_alpha(0.4)
    for atom in told:
        arrows(axes, mean, names, atom, (cell_a, cell_a), _ARROWS[atom][0], pm)
