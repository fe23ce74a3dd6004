"""Pictures say what the numbers say."""

import numpy as np
import pytest

from configs import stem_distortion
from inverse import distortion_factories
from inverse.conformal import Calibrated
from inverse.distortion_pictures import arrows, measured_maps, new_figure

NAMES = distortion_factories.make_channels(stem_distortion.get_config("smoke")).names


def test_an_arrow_is_as_long_beside_a_cell_as_a_displacement_beside_the_scale():
    values = np.zeros((2, 3, len(NAMES)))
    values[1, 2, NAMES.index("shift_B_x_P0_pm")] = 5.0
    values[1, 2, NAMES.index("shift_B_y_P0_pm")] = -20.0
    axes = new_figure(2, 2).subplots()
    arrows(axes, values, NAMES, "B", (4.0, 3.0), "red", 10.0)
    (drawn,) = axes.collections
    # Of the cell in row 1 and column 2, from its middle: half a width, two heights up.
    np.testing.assert_allclose(drawn.XY[5], (2.5 * 3.0, 1.5 * 4.0))
    np.testing.assert_allclose((drawn.U[5], drawn.V[5]), (1.5, -8.0))
    assert not drawn.U[:5].any() and not drawn.V[:5].any()


@pytest.mark.parametrize("size", [0.0, 4.0, 1e4])
def test_a_map_of_any_size_of_displacements_is_drawn(size):
    mean = np.full((4, 5, len(NAMES)), size)
    made = Calibrated(mean, mean, np.ones((2, *mean.shape)))
    seen = dict.fromkeys(NAMES, True)
    image = np.random.default_rng(0).normal(size=(6 * 20, 7 * 20))
    picture = measured_maps(image, 3.9, made, seen, 1, "HAADF")
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert picture.std() > 10
