"""What was predicted of every cell of a measured image, as a table others can read."""

import csv
import pathlib
from collections.abc import Sequence

import numpy as np

from inverse.distortion.conformal import Calibrated
from inverse.micrograph.lattice_fit import Lattice


def write_cells(
    path: pathlib.Path,
    made: Calibrated,
    lattice: Lattice,
    seen: dict[str, bool],
    rim: int,
) -> None:
    """Writes a line per cell: its place, every target, half widths of its intervals.

    Args:
      path: of the CSV.
      made: prediction of the inner cells with error bars [j, i, channel].
      lattice: of the image.
      seen: name of each channel -> whether the image tells it; that it does not stands
        in the head of the column, where nobody can overlook it.
      rim: cells around the inner ones.
    """
    names = [name if told else f"{name}_not_seen" for name, told in seen.items()]
    errors = [f"{name}_error_{p}" for p in (68, 95) for name in names]
    with path.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["i", "j", "x_px", "y_px", *names, *errors])
        for j, i in np.ndindex(made.mean.shape[:2]):
            writer.writerow(_line(made, lattice, np.array([i, j]) + rim, (j, i)))


def _line(
    made: Calibrated, lattice: Lattice, cell: np.ndarray, place: tuple[int, int]
) -> Sequence[str]:
    x, y = lattice.places(cell.astype(float))
    numbers = (*made.mean[place], *made.half_width[:, *place].ravel())
    return [*map(str, cell), f"{x:.2f}", f"{y:.2f}", *(f"{v:.4g}" for v in numbers)]
