"""Phase retrieval finds what it is exact for: thin phase objects."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.density import metrics
from inverse.density.baselines import integrated_centre_of_mass
from inverse.density.phase_retrieval import retrieve_phase, single_slice_phase
from inverse.scan.geometry import Scan
from inverse.simulator import probe
from inverse.simulator.electron import interaction_parameter, wavelength_a
from inverse.simulator.grid import Grid

SIDE, EXTENT_A, ENERGY_EV = 32, 16.0, 100e3
SCAN = Scan(
    positions=(8, 8),
    step_a=1.0,
    pixel_a=0.5,
    angle_mrad=1e3 * wavelength_a(ENERGY_EV) / EXTENT_A,
    energy_ev=ENERGY_EV,
    semiangle_mrad=20.0,
)


@pytest.fixture(scope="module")
def thin():
    """Three columns [y, x] in V Å in the scanned corner, probes and patterns."""
    grid = Grid((EXTENT_A,) * 2, (SIDE,) * 2)
    axis = np.arange(SIDE) * EXTENT_A / SIDE
    density = np.zeros((SIDE, SIDE))
    for y, x, height in ((2.0, 2.5, 500.0), (5.0, 5.5, 300.0), (3.0, 6.2, 400.0)):
        bells = [np.exp(-0.5 * ((axis - at) / 0.6) ** 2) for at in (y, x)]
        density += height * bells[0][:, None] * bells[1][None]
    spectrum = probe.probe_spectrum(grid, ENERGY_EV, SCAN.semiangle_mrad)
    places = jnp.asarray(probe.raster((0.0, 0.0), (8.0, 8.0), SCAN.positions))
    probes = probe.place_probes(spectrum, places, grid)
    phase = interaction_parameter(ENERGY_EV) * density
    waves = np.asarray(probes) * np.exp(1j * phase)
    far = np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(1, 2))
    return density, probes, np.moveaxis(np.abs(far) ** 2, 0, -1)


def test_columns_are_found_better_than_by_their_centres_of_mass(thin):
    density, _, patterns = thin
    shape = (SIDE // 2,) * 2  # what was scanned, in pixels of the same size
    truth, given = density[None, : shape[0], : shape[1]], (patterns[None], SCAN, 50.0)
    maps = single_slice_phase(*given, shape, 50)
    idpc = integrated_centre_of_mass(*given, shape)
    found, before = (metrics.correlation(m, truth)[0] for m in (maps, idpc))
    assert found > 0.97 and found > before
    assert maps.mean() == pytest.approx(50.0, rel=1e-4)
    # In V Å: the highest column above the floor.
    assert np.ptp(maps) == pytest.approx(np.ptp(truth), rel=0.2)


def test_the_error_falls_towards_nothing(thin):
    _, probes, patterns = thin
    _, errors = jax.jit(lambda p: retrieve_phase(p, probes, 50))(patterns)
    assert np.asarray(errors)[-1] < 1e-2 * np.asarray(errors)[0]
