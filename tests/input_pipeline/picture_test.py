import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from input_pipeline.picture import coloured, orientation, pixels, upright


def _reopened(picture, kind, **settings):
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return Image.open(io.BytesIO(file.getvalue()))


def test_sixteen_bits_keep_their_upper_eight():
    values = np.array([[0, 255, 256], [32768, 65280, 65535]], np.uint16)
    picture = _reopened(Image.fromarray(values), "PNG")
    expected = [[0, 0, 1], [128, 255, 255]]
    np.testing.assert_array_equal(np.asarray(coloured(picture, 1)), expected)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_what_is_transparent_shows_black(mode):
    picture = Image.new("RGBA", (2, 1), (200, 100, 50, 255))
    picture.putpixel((1, 0), (200, 100, 50, 0))
    reopened = _reopened(picture.convert(mode), "PNG")
    found = np.asarray(coloured(reopened, 3))[0]
    np.testing.assert_allclose(found[0], (200, 100, 50), atol=30)
    np.testing.assert_array_equal(found[1], (0, 0, 0))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "LA", "RGBA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_becomes_grey_or_rgb(mode, channels):
    found = pixels(coloured(Image.new("RGB", (4, 3), "white").convert(mode), channels))
    assert found.shape == (3, 4, channels) and found.dtype == np.uint8
    assert (found == 255).all()


@pytest.mark.parametrize("held", range(1, 9))
def test_pictures_are_turned_as_the_camera_was_held(held):
    values = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = held
    picture = _reopened(Image.fromarray(values), "PNG", exif=exif)
    assert orientation(picture) == held
    np.testing.assert_array_equal(
        np.asarray(upright(picture, held)), np.asarray(ImageOps.exif_transpose(picture))
    )


def test_a_picture_without_notes_is_upright():
    assert orientation(Image.new("L", (2, 2))) == 1
