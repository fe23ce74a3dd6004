"""The table of cells says of each where it is, what it is and how certain."""

import csv

import numpy as np

from inverse.distortion.cell_table import write_cells
from inverse.distortion.conformal import Calibrated
from inverse.micrograph.lattice_fit import Lattice

VECTORS = np.array([[10.0, 1.0], [-2.0, 12.0]])
LATTICE = Lattice(VECTORS, np.array([5.0, 7.0]), (8, 7), np.zeros((7, 2)), 0.1)


def test_a_line_has_its_cells_place_values_and_bars(tmp_path):
    rng = np.random.default_rng(0)
    made = Calibrated(
        rng.normal(size=(3, 4, 2)), np.zeros((3, 4, 2)), rng.random((2, 3, 4, 2))
    )
    path = tmp_path / "cells.csv"
    write_cells(path, made, LATTICE, {"B": True, "O": False}, rim=2)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 3 * 4
    for row in rows:
        i, j = int(row["i"]), int(row["j"])
        place = np.array([5.0, 7.0]) + np.array([i, j]) @ VECTORS
        found = [float(row["x_px"]), float(row["y_px"])]
        np.testing.assert_allclose(found, place, atol=0.01)
        cell = (j - 2, i - 2)
        for channel, name in enumerate(("B", "O_not_seen")):
            expected = (made.mean[cell], *made.half_width[:, *cell])
            keys = (name, f"{name}_error_68", f"{name}_error_95")
            for key, value in zip(keys, expected, strict=True):
                np.testing.assert_allclose(float(row[key]), value[channel], rtol=1e-3)
