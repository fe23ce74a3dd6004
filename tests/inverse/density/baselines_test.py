"""Baselines recover what they must of specimens for which they are exact."""

import jax
import numpy as np

from inverse.density import baselines, metrics
from inverse.scan.geometry import Scan
from inverse.simulator.electron import wavelength_a
from tests.inverse.density import phase_objects


def test_the_centre_of_mass_of_a_shifted_beam_is_its_shift():
    scan = Scan((1, 1), 1.0, 1.0, 2.0, 100e3, 20.0)
    patterns = np.zeros((1, 8, 8, 1))
    patterns[0, 4 + 2, 4 - 1, 0] = 3.0
    found = baselines.centre_of_mass(patterns, scan)[0, 0, 0]
    step = 2e-3 / wavelength_a(100e3)
    np.testing.assert_allclose(found, [2 * step, -step], rtol=1e-6)


def test_a_slope_is_integrated_to_its_potential():
    """A smooth periodic potential, its exact slopes, mirrored at the rim."""
    n, step = 32, 0.5
    y = (np.arange(n) + 0.5) * np.pi / n
    potential = 3 * np.cos(y)[:, None] + np.cos(2 * y)[None]
    wave = np.pi / n / step
    slopes = np.stack(
        np.broadcast_arrays(
            (-3 * wave * np.sin(y))[:, None], (-2 * wave * np.sin(2 * y))[None]
        ),
        axis=-1,
    )
    found = baselines._integrate(slopes[None], step)[0]
    np.testing.assert_allclose(found, potential - potential.mean(), atol=1e-10)


def test_idpc_of_thin_columns_has_their_sign_and_places():
    keys = jax.random.split(jax.random.key(0), 8)
    example = jax.jit(jax.vmap(lambda key: phase_objects.example(key, height_va=50.0)))
    found = jax.device_get(example(keys))
    maps = baselines.integrated_centre_of_mass(
        found["patterns"], phase_objects.SCAN, 10.0, (16, 16)
    )
    assert metrics.correlation(maps, found["density"]).mean() > 0.6
