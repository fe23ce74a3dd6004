import numpy as np
import pytest
from PIL import Image

from input_pipeline.errors import DataError
from input_pipeline.resize import centre_square, fitted


def _random(height, width, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return values.astype(np.uint8)


def _fitted(array, size, how):
    return np.asarray(fitted(Image.fromarray(array), size, how))


@pytest.mark.parametrize(("side", "size"), [(28, 32), (27, 32), (32, 32)])
def test_padding_puts_the_image_into_the_centre_of_black(side, size):
    image, before = _random(side, side), (size - side) // 2
    around = (before, size - side - before)
    np.testing.assert_array_equal(
        _fitted(image, size, "pad"), np.pad(image, (around, around, (0, 0)))
    )


def test_nearest_repeats_pixels():
    image = _random(8, 8)
    expected = image.repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_array_equal(_fitted(image, 24, "nearest"), expected)


def _triangle_weights(num_in, num_out):
    """Antialiased linear interpolation along one axis, by its definition."""
    scale = num_in / num_out
    reach = max(scale, 1.0)
    centres = (np.arange(num_out)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(num_in)[None] + 0.5 - centres) / reach
    weights = np.maximum(1 - distance, 0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("side", "size"), [(8, 16), (8, 21), (32, 16), (50, 12)])
def test_bilinear_is_a_triangle_filter_that_widens_when_it_shrinks(side, size):
    image, weights = _random(side, side), _triangle_weights(side, size)
    expected = np.einsum("yi,xj,ijc->yxc", weights, weights, image)
    np.testing.assert_allclose(_fitted(image, size, "bilinear"), expected, atol=1.01)


@pytest.mark.parametrize(("height", "width"), [(5, 9), (9, 5), (6, 6), (7, 6)])
def test_the_largest_square_is_cut_from_the_centre(height, width):
    image, side = _random(height, width), min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    np.testing.assert_array_equal(
        np.asarray(centre_square(Image.fromarray(image))),
        image[top : top + side, left : left + side],
    )


@pytest.mark.parametrize(("side", "how"), [(28, "none"), (40, "none"), (40, "pad")])
def test_a_size_that_cannot_be_reached_names_the_fields(side, how):
    with pytest.raises(DataError, match=f"image_size=32 .*{side} x {side}.*'{how}'"):
        _fitted(_random(side, side), 32, how)
