"""Bounds are of all that is drawn, not of what a network is asked for alone."""

import numpy as np
import pytest

from benchmarks import distortion_information
from benchmarks.distortion_cases import asked, draw_case, make_simulator
from benchmarks.distortion_information import (
    DETECTORS,
    bounds_of,
    median,
    root_mean_square,
    row_slopes,
    summary,
)
from configs import stem_distortion
from inverse.distortion import factories as distortion_factories


@pytest.mark.slow
def test_moments_that_are_not_asked_for_make_those_that_are_less_certain(monkeypatch):
    config = stem_distortion.get_config("smoke")
    config.dataset.thinnest = config.dataset.layers
    spread = distortion_information.spread_of_draws(
        distortion_information.all_moments(config), count=200
    )
    case, (signals, sides) = draw_case(config, 4, (0,)), make_simulator(config)
    found = {}
    for moments in (3, 6):
        monkeypatch.setattr(distortion_information, "_MOMENTS", moments)
        bounds = bounds_of(config, case, signals, sides[0], spread)
        found[moments] = np.stack([bounds[names][1] for names in bounds])
    names = asked(distortion_factories.make_channels(config).names)
    assert found[6].shape == (len(distortion_information.DETECTORS), len(names))
    # What is drawn is known to be drawn: nothing is less certain than that.
    drawn = np.array([spread[name] for name in names])
    assert (found[6] <= drawn * (1 + 1e-6)).all()
    # Knowing less never tells more; a wall's third moment looks like its first.
    assert (found[6] >= found[3] * (1 - 1e-3)).all()
    slope = names.index("shift_A_x_P1_pm")
    assert found[6][-1, slope] > 1.005 * found[3][-1, slope]


def test_a_summary_is_over_crystals_and_of_what_no_image_shows_there_is_none():
    points = [
        {name: np.array([[1.0, 1e9], [3.0, 4.0]]) * size for name in DETECTORS}
        for size in (1.0, 7.0)
    ]
    names = ("seen", "not")
    unbiased = summary(names, points, 0, median)["HAADF"]
    assert unbiased == {"seen": 4.0, "not": None}
    with_prior = summary(names, points, 1, root_mean_square)["iDPC"]
    assert with_prior == {"seen": pytest.approx(15.0), "not": pytest.approx(20.0)}


def test_a_row_that_is_displaced_changes_by_its_slope():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(3, 16, 2))
    slopes = row_slopes(image, pixel_a=0.5)
    assert slopes.shape == (3, 3, 16, 2)
    np.testing.assert_allclose(slopes[1, 1, 4], (image[1, 5] - image[1, 3]) / (2 * 0.5))
    assert not slopes[1, [0, 2]].any()
