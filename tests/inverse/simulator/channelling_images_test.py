import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.simulator import channelling_images as ch
from inverse.simulator import crystal_images as ci
from inverse.simulator.channelling_tables import (
    Sampling,
    haadf_cross_section,
    make_tables,
)
from inverse.simulator.distorted_crystal import DistortionRange
from inverse.simulator.errors import SimulatorError
from inverse.simulator.oxides import load_oxides
from inverse.simulator.phase_contrast import integrate

COUNTS = (2, 2, 4)
OXIDES = load_oxides(("SrTiO3", "BiFeO3"))
SEEN = ci.Microscope(
    energy_ev=300e3,
    semiangle_cutoff_mrad=15.0,
    haadf_inner_mrad=50.0,
    outer_mrad=70.0,
    pixels_per_cell=8,
    defocus_a=(12.0, 12.0),
    source_rms_a=0.0,
    phonon_rms_a=0.0,
    frozen_phonons=1,
    dose_e_per_a2=0.0,
)
# Enough points for the band limit of the full simulation's grid.
SAMPLING = Sampling(gpts_per_cell=60, bright_mrad=70.0, batch_size=16)


def table(tables, oxide):
    shared = ("limit", "beams", "seen", "sigma")
    return {
        name: value if name in shared else value[oxide]
        for name, value in tables._asdict().items()
    }


@pytest.fixture(scope="module")
def both():
    """The full images of a crystal [y, x, 3] and the fast signals [y, x, 4]."""
    crystals = DistortionRange(counts=COUNTS, thinnest=4, max_shift_a=0.2)
    full = jax.jit(ci.make_micrographs(OXIDES[0], crystals, SEEN))
    example, images = full(jax.random.key(4))
    constants = table(make_tables(OXIDES, 2, SEEN, SAMPLING), 0)

    @jax.jit
    def fast(slices, thickness):
        grams = ch.crystal_grams(constants, slices, thickness, 8, batch_size=16)
        return ch.scan_images(constants, grams, 12.0, jnp.zeros(2), 16)

    signals = fast(ci.slice_layers(example, COUNTS), example.cell[2] / 2)
    return np.asarray(images), np.asarray(signals)


def test_abf_of_still_atoms_is_that_of_multislice(both):
    images, signals = both
    difference = signals[..., 1] - images[..., 1]
    assert np.abs(difference).max() < 0.02 * images[..., 1].std()


def test_haadf_follows_that_of_multislice(both):
    images, signals = both
    # Without thermal motion the full image also has coherent scattering in it.
    assert np.corrcoef(images[..., 0].ravel(), signals[..., 0].ravel())[0, 1] > 0.97


def test_idpc_is_that_of_multislice(both):
    """Sign and size too: both are integrated from deflections in mrad."""
    images, signals = both
    step = (OXIDES[0].pseudo_cubic_a / SEEN.pixels_per_cell,) * 2
    found = np.asarray(integrate(jnp.asarray(signals[..., 2:]), step, SEEN.energy_ev))
    difference = found - images[..., 2]
    # 0.07 at the heaviest column, whose potential the two grids cut off otherwise.
    assert np.abs(difference - difference.mean()).max() < 0.1 * images[..., 2].std()
    assert np.corrcoef(found.ravel(), images[..., 2].ravel())[0, 1] > 0.999


def test_an_image_from_another_origin_is_the_image_shifted():
    constants = table(make_tables(OXIDES, 2, SEEN, SAMPLING), 1)
    count = constants["beams"].shape[1]
    real, imaginary = jax.random.normal(jax.random.key(0), (2, count, count))
    gram = real + 1j * imaginary
    grams = ch.Grams(gram + gram.conj().T, gram)
    image = ch.scan_images(constants, grams, 3.0, jnp.zeros(2), 32)
    moved = ch.scan_images(constants, grams, 3.0, jnp.array([3 / 32, -5 / 32]), 32)
    expected = np.roll(image, (5, -3), (0, 1))
    np.testing.assert_allclose(moved, expected, atol=2e-3 * np.abs(image).max())


def test_heavy_atoms_scatter_to_large_angles_as_a_power_below_their_square():
    light, heavy = (haadf_cross_section(z, 200e3, 80.0, 200.0) for z in (14, 79))
    exponent = np.log(heavy / light) / np.log(79 / 14)
    assert 1.5 < exponent < 2.0


def test_a_detector_that_the_grid_cannot_see_is_refused():
    coarse = dataclasses.replace(SAMPLING, gpts_per_cell=24)
    with pytest.raises(SimulatorError, match="gpts_per_cell=24"):
        make_tables(OXIDES, 2, SEEN, coarse)
