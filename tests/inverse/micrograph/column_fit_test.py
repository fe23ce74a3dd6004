import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.distortion.baselines import fit_mean
from inverse.distortion.column_features import column_shifts
from inverse.micrograph.column_fit import fit_columns

CELL, COUNTS, PIXELS = 3.9, (6, 4), 24
SAMPLING = CELL / PIXELS


def picture(places, heights, width, background=0.1) -> np.ndarray:
    """Projected columns: Gaussians, repeated over the edges [y, x]."""
    box = np.array(COUNTS) * CELL
    y, x = (np.indices((COUNTS[1] * PIXELS, COUNTS[0] * PIXELS)) + 0.5) * SAMPLING
    image = np.full(x.shape, background)
    for (px, py), height in zip(places, heights, strict=True):
        dx = (x - px + box[0] / 2) % box[0] - box[0] / 2
        dy = (y - py + box[1] / 2) % box[1] - box[1] / 2
        image += height * np.exp(-(dx**2 + dy**2) / (2 * width**2))
    return image


def specimen(rng):
    """A and B columns displaced by up to 30 pm each way: shifts [x, y, xy]."""
    shifts = rng.uniform(-0.3, 0.3, (2, *COUNTS, 2))
    shifts -= shifts.mean(axis=(1, 2), keepdims=True)
    corners = np.moveaxis(np.indices(COUNTS), 0, -1) * CELL
    places = np.stack([corners, corners + CELL / 2]) + shifts
    heights = np.repeat([1.0, 0.4], np.prod(COUNTS))
    return shifts, places.reshape(-1, 2), heights


@pytest.mark.parametrize("contrast", [1.0, -1.0])
def test_one_gaussian_is_found_exactly(contrast):
    image = picture([(7.93, 7.65)], [contrast], 0.42)
    found = fit_columns(
        jnp.asarray(image, jnp.float32),
        jnp.array([[7.8, 7.8]]),
        SAMPLING,
        radius_pixels=8,
    )
    np.testing.assert_allclose(found.positions[0], [7.93, 7.65], atol=1e-4)
    np.testing.assert_allclose(found.amplitude[0], contrast, rtol=1e-3)
    np.testing.assert_allclose(found.width[0], 0.42, rtol=1e-3)
    np.testing.assert_allclose(found.background[0], 0.1, atol=1e-3)
    assert found.residual[0] < 1e-4


def test_known_displacements_are_recovered_to_a_few_pm():
    rng = np.random.default_rng(0)
    shifts, places, heights = specimen(rng)
    image = picture(places, heights, 0.4)
    counted = rng.poisson(400 * image) / 400  # 400 electrons a pixel at a peak
    for noisy, tolerance_pm in ((image, 1.0), (counted, 4.0)):
        found = column_shifts(jnp.asarray(noisy, jnp.float32), COUNTS, SAMPLING)
        for fitted, true in zip(found, shifts, strict=True):
            error_pm = 100 * (np.asarray(fitted) - true)
            assert np.sqrt(np.mean(error_pm**2)) < tolerance_pm


def test_peaks_alone_do_not_tell_where_the_lattice_begins():
    shifts, places, heights = specimen(np.random.default_rng(1))
    image = jnp.asarray(picture(places, heights, 0.4), jnp.float32)
    moved = picture(places + np.array([0.13, -0.09]), heights, 0.4)
    found = column_shifts(image, COUNTS, SAMPLING)
    again = column_shifts(jnp.asarray(moved, jnp.float32), COUNTS, SAMPLING)
    np.testing.assert_allclose(found.a_shift, again.a_shift, atol=1e-2)
    np.testing.assert_allclose(found.b_shift, again.b_shift, atol=1e-2)


def test_the_mean_knows_how_wrong_it_is():
    spread = np.array([0.5, 2.0])
    targets = 3 + spread.reshape(1, 1, 2) * jax.random.normal(
        jax.random.key(0), (50, 20, 2)
    )
    fitted = fit_mean(targets)
    np.testing.assert_allclose(fitted.mean, 3, atol=0.2)
    np.testing.assert_allclose(np.exp(fitted.log_variance / 2), spread, rtol=0.05)
