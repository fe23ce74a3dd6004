import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.simulator import crystal_images as ci
from inverse.simulator.detector import cbed, collect
from inverse.simulator.distorted_crystal import DistortionRange, make_draw
from inverse.simulator.multislice import multislice, propagator, transmission
from inverse.simulator.oxides import load_oxides
from inverse.simulator.potential import form_factors, slice_potentials
from inverse.simulator.probe import place_probes, probe_spectrum
from inverse.simulator.slices import layout

(OXIDE,) = load_oxides(("SrTiO3",))
COUNTS = (2, 2, 6)
RANGE = DistortionRange(counts=COUNTS, thinnest=4)
SEEN = ci.Microscope(
    energy_ev=100e3,
    semiangle_cutoff_mrad=20.0,
    outer_mrad=100.0,
    pixels_per_cell=8,
    defocus_a=(15.0, 15.0),
    source_rms_a=0.0,
    phonon_rms_a=0.0,
    frozen_phonons=1,
    dose_e_per_a2=0.0,
)


@pytest.fixture(scope="module")
def made():
    return jax.jit(ci.make_micrographs(OXIDE, RANGE, SEEN))(jax.random.key(2))


def test_images_are_those_of_multislice_probe_by_probe(made):
    example, images = made
    grid = ci.crystal_grid(OXIDE, COUNTS, SEEN)
    depth, cell = int(example.depth), float(example.cell[2])
    real = np.asarray(example.numbers) > 0
    # Atoms by where they are, not by site: a quarter of a cell into their slices.
    places = np.asarray(example.positions)[real] + [0, 0, cell / 4]
    species = (38, 22, 8)
    sliced = layout(
        places, np.asarray(example.numbers)[real], species, 2 * depth, depth * cell
    )
    potentials = slice_potentials(
        *map(jnp.asarray, sliced), jnp.asarray(form_factors(grid, species)), grid
    )
    layers = transmission(potentials, SEEN.energy_ev, grid)
    spectrum = probe_spectrum(grid, SEEN.energy_ev, 20.0, {"C10": -15.0})
    positions, shape = ci.scan_positions(OXIDE, COUNTS, SEEN)
    chosen = np.array([0, 5, 37, 120, 201])
    probes = place_probes(spectrum, jnp.asarray(positions[chosen]), grid)
    propagate = propagator(grid, SEEN.energy_ev, cell / 2)
    waves = multislice(probes, lambda i: layers[i], propagate, 2 * depth)
    expected = collect(cbed(waves), ci.detector_masks(grid, SEEN)[:2])
    found = np.asarray(images).reshape(-1, 3)[chosen, :2]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_heavy_columns_shine_in_haadf_and_are_dark_in_abf(made):
    _, images = made
    haadf, abf = np.asarray(images[..., 0]), np.asarray(images[..., 1])
    # A columns lie in the corners of cells of 8 pixels, hollow ones at no site.
    corner, hollow = (slice(None, None, 8),) * 2, (slice(2, None, 8),) * 2
    assert haadf[corner].mean() > 1.5 * haadf[hollow].mean()
    assert abf[corner].mean() < abf[hollow].mean()


def test_shot_noise_has_the_variance_of_counted_electrons(made):
    _, quiet = made
    noisy_seen = dataclasses.replace(SEEN, dose_e_per_a2=1e4)
    loud = jax.jit(ci.make_micrographs(OXIDE, RANGE, noisy_seen))(jax.random.key(2))[1]
    electrons = 1e4 * (OXIDE.pseudo_cubic_a / 8) ** 2
    for image in (0, 1):
        error = np.asarray(loud[..., image] - quiet[..., image])
        expected = np.asarray(quiet[..., image]).mean() / electrons
        # 256 pixels tell a variance to 9 %.
        np.testing.assert_allclose(error.var(), expected, rtol=0.35)


def test_stretching_fills_the_grid_and_takes_targets_along():
    grid = ci.crystal_grid(OXIDE, COUNTS, SEEN)
    drawn = make_draw((OXIDE,), RANGE)(jax.random.key(5))
    fitted = ci.fit_to_grid(drawn, COUNTS, grid)
    np.testing.assert_allclose(fitted.cell[:2] * 2, grid.extent_a, rtol=1e-6)
    ratio = np.asarray(fitted.cell / drawn.cell)
    np.testing.assert_allclose(
        fitted.targets.shift, drawn.targets.shift * ratio.reshape(1, 1, 1, 1, 3), 1e-5
    )


def test_grids_propagate_what_the_detectors_want():
    for oxide in load_oxides():
        grid = ci.crystal_grid(oxide, COUNTS, SEEN)
        assert max(grid.gpts) < 120
        ci.detector_masks(grid, SEEN)
