"""Pictures say what the numbers say."""

import numpy as np
import pytest

from configs import stem_distortion
from inverse.distortion import factories
from inverse.distortion.conformal import Calibrated
from inverse.distortion.pictures import arrows, measured_maps, show_map
from inverse.figure import add_scale_bar, figure_pixels, new_figure

NAMES = factories.make_channels(stem_distortion.get_config("smoke")).names


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
    seen = dict.fromkeys(NAMES, size > 0)
    image = np.random.default_rng(0).normal(size=(6 * 20, 7 * 20))
    plain, warned = (
        measured_maps(image, 3.9, made, seen, 1, "HAADF", notes)
        for notes in ([], ["noise 0.1, in training 0.4 to 0.9"])
    )
    # A picture that is passed on still says what is to be taken with care.
    assert warned.shape[0] > plain.shape[0]
    picture = warned
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert picture.std() > 10


def test_what_could_be_zero_is_pale_and_keeps_its_place_on_the_scale():
    figure = new_figure(4, 4)
    axes = figure.subplots()
    values = np.full((2, 2), 5.0)
    is_zero = np.array([[True, False], [False, False]])
    show_map(figure, axes, values, 5.0, "B", is_zero=is_zero)
    _, drawn = axes.images
    np.testing.assert_array_equal(drawn.get_alpha() < 1, is_zero)
    assert drawn.get_clim() == (-5.0, 5.0)


@pytest.mark.parametrize("grey", [0.0, 1.0])
def test_a_scale_bar_is_seen_on_black_and_on_white(grey):
    figure = new_figure(3, 3)
    axes = figure.subplots()
    image = np.full((40, 40), grey)
    axes.imshow(image, "gray", vmin=0, vmax=1, extent=(0, 12.0, 12.0, 0))
    axes.set_axis_off()
    bare = figure_pixels(figure)
    add_scale_bar(axes, 12.0, 12.0, "A")
    (line,) = axes.lines
    assert np.ptp(line.get_xdata()) == 2.0
    # As long as the bar, in the colour that the image has not.
    changed = np.abs(figure_pixels(figure).astype(int) - bare).max(axis=-1) > 200
    assert changed.sum(axis=1).max() > 30
