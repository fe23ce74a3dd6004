import numpy as np
import pytest

from input_pipeline.crop_box import crop_box, draw_uniforms

AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)


def _boxes(width, height, num=2000, area=AREA, aspect=ASPECT):
    return np.array(
        [crop_box(width, height, draw_uniforms(0, i), area, aspect) for i in range(num)]
    ).T


@pytest.mark.parametrize(("width", "height"), [(500, 375), (64, 64), (7, 90), (1, 1)])
def test_a_box_lies_inside_its_picture(width, height):
    left, top, right, bottom = _boxes(width, height, 300)
    assert (left >= 0).all() and (right <= width).all() and (right - left > 0.9).all()
    assert (top >= 0).all() and (bottom <= height).all() and (bottom - top > 0.9).all()


def test_area_and_aspect_stay_in_their_ranges_and_fill_them():
    left, top, right, bottom = _boxes(500, 400)
    share = (right - left) * (bottom - top) / (500 * 400)
    ratio = (right - left) / (bottom - top)
    assert 0.08 - 1e-9 <= share.min() < 0.1 and 0.9 < share.max() <= 1 + 1e-9
    assert 0.75 - 1e-9 <= ratio.min() < 0.77 and 1.3 < ratio.max() <= 4 / 3 + 1e-9


def test_small_boxes_are_uniform_in_area_and_place():
    left, top, right, bottom = _boxes(400, 400, area=(0.1, 0.3))
    share = (right - left) * (bottom - top) / 400**2
    for values in (
        (share - 0.1) / 0.2,
        left / (400 - (right - left)),
        top / (400 - (bottom - top)),
    ):
        counts = np.histogram(values, 10, (0, 1))[0]
        assert np.sum((counts - 200) ** 2 / 200) < 27.9  # chi-squared, p = 0.001


def test_where_no_box_fits_the_largest_centred_one_is_taken():
    box = crop_box(300, 30, draw_uniforms(0), (1.0, 1.0), ASPECT)
    np.testing.assert_allclose(box, (130, 0, 170, 30))
    box = crop_box(30, 300, draw_uniforms(0), (1.0, 1.0), ASPECT)
    np.testing.assert_allclose(box, (0, 130, 30, 170))


def test_the_whole_of_a_square_can_be_asked_for():
    np.testing.assert_allclose(
        crop_box(64, 64, draw_uniforms(0), (1.0, 1.0), (1.0, 1.0)), (0, 0, 64, 64)
    )
