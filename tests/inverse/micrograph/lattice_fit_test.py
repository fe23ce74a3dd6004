import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from inverse.distortion.image_statistics import image_statistics, outside
from inverse.errors import ConfigError
from inverse.micrograph.lattice_fit import fit_lattice, resample

SIDE, CELL_PX, PIXEL_A = 256, 24.0, 0.1625  # 3.9 A


def measured(angle_deg=4.0, b_height=0.5, shear=0.01, size=SIDE, aspect=1.0):
    """Image of A and B columns on a turned, sheared lattice, and its lattice."""
    turn = np.deg2rad(angle_deg)
    vectors = CELL_PX * np.array(
        [[np.cos(turn), np.sin(turn)], [-np.sin(turn) + shear, np.cos(turn)]]
    )
    vectors[1] *= aspect
    origin = np.array([120.3, 131.8])
    y, x = np.indices((size, size)) + 0.5
    cells = (np.stack([x, y], -1) - origin) @ np.linalg.inv(vectors)

    def columns(offset, width=0.13):
        apart = np.mod(cells - offset + 0.5, 1) - 0.5
        return np.exp(-np.sum(apart**2, axis=-1) / (2 * width**2))

    image = 0.2 + columns(0.0) + b_height * columns(0.5)
    noise = np.random.default_rng(0).normal(size=image.shape)
    return (image + 0.05 * noise).astype(np.float32), vectors, origin


@pytest.mark.parametrize(("pixel_a", "dark"), [(PIXEL_A, False), (0.0, True)])
def test_the_lattice_is_that_of_the_stronger_columns(pixel_a, dark):
    image, vectors, origin = measured()
    found = fit_lattice(-image if dark else image, pixel_a, dark=dark)
    np.testing.assert_allclose(found.vectors, vectors, atol=0.02)
    # Its first cell is some cell of the lattice.
    offset = (found.places(np.zeros(2)) - origin) @ np.linalg.inv(vectors)
    np.testing.assert_allclose(offset, np.round(offset), atol=0.01)
    assert min(found.counts) >= 8 and found.residual_px < 0.3


def test_on_whole_cells_the_strong_columns_stand_in_the_corners():
    image, _, _ = measured()
    lattice = fit_lattice(image, PIXEL_A)
    cells = resample(image, lattice, 20)
    assert cells.shape == tuple(20 * n for n in lattice.counts[::-1])
    shape = (lattice.counts[1], 20, lattice.counts[0], 20)
    mean = cells.reshape(shape).mean(axis=(0, 2))
    around_corner = np.roll(mean, (2, 2), (0, 1))[:4, :4].mean()
    assert around_corner > 1.5 * mean[8:12, 8:12].mean() > 2 * mean[:4, 8:12].mean()


@pytest.mark.parametrize("b_height", [0.5, 0.95])
def test_a_pixel_of_twice_the_size_is_told_with_the_right_one(b_height):
    """Columns are found in the corners of half a cell: a fit alone does not tell."""
    image, _, _ = measured(size=512, b_height=b_height)
    with pytest.raises(ConfigError, match=r"prediction\.pixel_a: .* 0\.16\d its"):
        fit_lattice(image, 2 * PIXEL_A)


@pytest.mark.parametrize("b_height", [0.5, 0.95])
def test_a_pixel_of_half_the_size_is_told(b_height):
    with pytest.raises(ConfigError, match=r"config\.prediction\.pixel_a"):
        fit_lattice(measured(size=512, b_height=b_height)[0], PIXEL_A / 2)


def test_a_pixel_ten_times_too_large_is_told():
    with pytest.raises(ConfigError, match=r"config\.prediction\.pixel_a"):
        fit_lattice(measured(size=512)[0], 10 * PIXEL_A)


@pytest.mark.parametrize("pixel_a", [PIXEL_A, 0.0])
def test_a_crystal_seen_along_110_is_refused(pixel_a):
    image, _, _ = measured(aspect=2**-0.5)
    with pytest.raises(ConfigError, match=r"seen along \[001\]"):
        fit_lattice(image, pixel_a)


def test_no_lattice_of_the_size_of_a_perovskite_is_an_error():
    image, _, _ = measured()
    with pytest.raises(ConfigError, match=r"config.prediction.pixel_a"):
        fit_lattice(image, 0.001)
    noise = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)
    with pytest.raises(ConfigError, match="--input"):
        fit_lattice(noise, 2.0)


@pytest.mark.parametrize("smoothing_px", [0, 1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_columns(seed, smoothing_px):
    """Bright places lie near four in five places of whatever lattice is fitted."""
    noise = np.random.default_rng(seed).random((200, 200)).astype(np.float32)
    with pytest.raises(ConfigError, match=r"--input: the brightest places lie"):
        fit_lattice(gaussian_filter(noise, smoothing_px), 0.2)


def test_an_image_unlike_the_others_is_told_apart():
    def cells(b_height):
        image, _, _ = measured(0.0, b_height, 0.0, 288)
        return resample(image, fit_lattice(image, PIXEL_A), 20)

    usual = [
        image_statistics(cells(height) + noise, 20)
        for height in (0.4, 0.5, 0.6)
        for noise in (0.0, 0.01)
    ]
    assert outside(image_statistics(cells(0.52), 20), usual) == []
    (text,) = [
        t for t in outside(image_statistics(cells(0.9), 20), usual) if "B over A" in t
    ]
    assert "in training" in text
