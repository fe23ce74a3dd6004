"""Means over cells keep what alternates from cell to cell."""

import numpy as np
import pytest

from inverse.distortion.conformal import Calibrated
from inverse.distortion.mean_distortions import average_cells, mean_table, seen_means

TILT, SHIFT, ORIGIN = "tilt_repeating_z_P0_deg", "shift_B_x_P0_pm", "shift_A_x_P0_pm"


def _averaged(values, name, bar=2.0, share=0.4):
    made = Calibrated(
        values[..., None], 0 * values[..., None], np.full((2, *values.shape, 1), bar)
    )
    return average_cells(made, (name,), np.array([share]))[name]


def test_a_tilt_is_averaged_with_the_sign_of_its_pattern():
    rows, columns = np.indices((4, 6))
    found = _averaged(3.0 * (-1.0) ** (rows + columns), TILT)
    assert (found["mean"], found["spread"]) == (3.0, 0.0)
    assert not found["consistent_with_zero"] and found["cells_with_zero_in_95"] == 0
    alike = _averaged(np.full((4, 6), 3.0), TILT)
    assert alike["mean"] == 0.0


@pytest.mark.parametrize("pattern", [(0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("name", [SHIFT, ORIGIN])
def test_antipolar_displacements_are_no_zero(name, pattern):
    """As A has in most tilted perovskites: their mean vanishes, they do not."""
    rows, columns = np.indices((4, 6))
    values = 20.0 * (-1.0) ** (pattern[0] * rows + pattern[1] * columns)
    found = _averaged(values, name)
    assert found["mean"] == 0.0 and found["largest"] == 20.0
    assert not found["consistent_with_zero"]
    np.testing.assert_array_equal(found["by_parity"], values[:2, :2])
    np.testing.assert_array_equal(seen_means({name: found})[name], values[:2, :2])
    assert "20.00" in mean_table({name: found})


def test_what_lies_within_its_bars_is_consistent_with_zero():
    values = np.random.default_rng(0).normal(size=(8, 8))
    assert _averaged(values, SHIFT)["consistent_with_zero"]
    assert not _averaged(values + 5, SHIFT)["consistent_with_zero"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1)])
def test_one_row_of_cells_has_a_mean_too(shape):
    found = _averaged(np.full(shape, 3.0), SHIFT)
    assert (found["mean"], found["largest"], found["by_parity"]) == (3.0, 3.0, None)
    assert seen_means({SHIFT: found})[SHIFT] == 3.0


def test_only_the_depth_mean_of_a_across_the_beam_is_the_origin():
    values = np.zeros((2, 2))
    names = (ORIGIN, "shift_A_y_P0_pm", "shift_A_x_P1_pm", "shift_A_z_P0_pm", SHIFT)
    assert [_averaged(values, n)["is_origin"] for n in names] == [True, True] + 3 * [0]


def test_what_is_not_seen_is_no_part_of_the_structure():
    found = _averaged(np.ones((4, 4)), SHIFT, share=0.97)
    assert not found["seen"] and seen_means({SHIFT: found}) == {SHIFT: 0.0}
    assert "not seen" in mean_table({SHIFT: found})
