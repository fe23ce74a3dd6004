"""Constants, tables, detectors and noise against published or analytic values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from inverse.simulator import (
    coherence,
    detector,
    imperfections,
    memory,
    phase_contrast,
    phonons,
    probe,
    s_matrix,
)
from inverse.simulator.electron import interaction_parameter, wavelength_a
from inverse.simulator.errors import SimulatorError
from inverse.simulator.grid import Grid
from inverse.simulator.multislice import multislice, propagator, transmission
from inverse.simulator.potential import form_factors, slice_potentials
from inverse.simulator.scattering_factors import scattering_factor
from inverse.simulator.slices import slice_atoms
from tests.inverse.simulator.crystals_at_hand import strontium_titanate

ENERGY = 100e3


@pytest.mark.parametrize(
    ("energy_ev", "picometres", "sigma"),
    [
        (80e3, 4.1757, 1.008707),
        (100e3, 3.7014, 0.924396),
        (200e3, 2.5079, 0.728840),
        (300e3, 1.9687, 0.652616),
    ],
)
def test_wavelength_and_interaction_follow_the_published_table(
    energy_ev, picometres, sigma
):
    assert 100 * wavelength_a(energy_ev) == pytest.approx(picometres, abs=5e-5)
    assert 1e3 * interaction_parameter(energy_ev) == pytest.approx(sigma, abs=5e-7)


@pytest.mark.parametrize("energy_kev", [10, 60, 100, 200, 300, 800])
def test_interaction_parameters_of_kirkland(energy_kev):
    table = {10: 2.599, 60: 1.1356, 100: 0.9244, 200: 0.7288, 300: 0.6526, 800: 0.5503}
    found = 1e3 * interaction_parameter(1e3 * energy_kev)
    assert found == pytest.approx(table[energy_kev], rel=1e-4)


def test_an_energy_in_kev_is_refused():
    with pytest.raises(SimulatorError, match="energy_ev=100 eV: must lie in 1000"):
        wavelength_a(100)


@pytest.mark.parametrize("table", ["lobato", "kirkland"])
def test_scattering_factor_of_silver(table):
    """f(0) = 8.671 A (Doyle and Turner 1968)."""
    assert scattering_factor(47, 0.0, table) == pytest.approx(8.671, rel=1e-3)


def test_two_tables_agree_on_every_element():
    g = np.linspace(0.5, 6, 23)
    for z in range(1, 99):
        ratio = scattering_factor(z, g) / scattering_factor(z, g, "kirkland")
        np.testing.assert_allclose(ratio, 1, atol=0.06, err_msg=str(z))


def test_mean_inner_potential_of_strontium_titanate():
    atoms = slice_atoms(strontium_titanate(), 2.0)
    grid = Grid(atoms.extent_a, (32, 32))
    factors = form_factors(grid, atoms.numbers, table="kirkland")
    total = slice_potentials(atoms.positions_a, atoms.weights, factors, grid)
    volt = total.sum(axis=0).mean() / atoms.thickness_a
    assert volt == pytest.approx(22.3, abs=0.05)


def test_a_potential_is_what_a_sum_over_atoms_gives():
    """Against the real-space series summed term by term in double precision."""
    grid = Grid((6.0, 5.0), (24, 20))
    positions = np.array([[[1.234, 2.345], [4.5, 0.1]]], np.float32)
    factors = form_factors(grid, (14,))
    found = slice_potentials(positions[None], np.ones((1, 1, 2)), factors, grid)[0]
    ky, kx = np.fft.fftfreq(24, 0.25)[:, None], np.fft.fftfreq(20, 0.25)[None]
    full = np.zeros((24, 20))
    full[:, :11] = factors[0]
    full[:, 11:] = factors[0][np.ix_(-np.arange(24) % 24, np.arange(9, 0, -1))]
    for row, column in ((3, 4), (20, 7)):
        turns = sum(
            np.exp(2j * np.pi * (ky * (row / 4 - y) + kx * (column / 4 - x)))
            for x, y in positions[0].astype(float)
        )
        assert found[row, column] == pytest.approx(
            float(np.sum(full * turns).real), rel=1e-4
        )


def a_crystal(points=64):
    atoms = slice_atoms(strontium_titanate().repeat((2, 2, 1)), 2.0)
    grid = Grid(atoms.extent_a, (points, points))
    factors = form_factors(grid, atoms.numbers)
    layers = transmission(
        slice_potentials(atoms.positions_a, atoms.weights, factors, grid), ENERGY, grid
    )
    step = propagator(grid, ENERGY, atoms.slice_thickness_a)
    return grid, lambda i: layers[i % len(layers)], step


def test_the_s_matrix_gives_the_patterns_of_multislice():
    grid, transmission_fn, step = a_crystal()
    lens = {"C10": -30.0, "C12": 12.0, "phi12": 0.4, "C30": 1e4}
    at = jnp.array([[0.3, 1.7], [5.1, 2.2], [3.3, 3.9]])
    spectrum = probe.probe_spectrum(grid, ENERGY, 20.0, lens)
    waves = probe.place_probes(spectrum, at, grid)
    waves = multislice(waves, transmission_fn, step, 12)
    expected = detector.cbed(waves, (40, 40))
    chosen = s_matrix.beams(grid, ENERGY, 20.0)
    matrix = s_matrix.s_matrix(grid, chosen, transmission_fn, step, 12, shape=(40, 40))
    weights = s_matrix.beam_amplitudes(grid, chosen, ENERGY, 20.0, at, lens)
    found = s_matrix.s_matrix_patterns(matrix, weights)
    np.testing.assert_allclose(found, expected, atol=1e-6 * expected.max())
    assert s_matrix.is_cheaper(len(chosen[0]), 1024, 12)
    assert not s_matrix.is_cheaper(len(chosen[0]), len(chosen[0]), 12)
    # Where sums of plane waves take longer than a thin specimen.
    assert not s_matrix.is_cheaper(1000, 100_000, 1)


@pytest.mark.parametrize("num_devices", [2, 4, 8])
def test_patterns_do_not_depend_on_the_number_of_devices(num_devices):
    grid, transmission_fn, step = a_crystal(32)
    spectrum = probe.probe_spectrum(grid, ENERGY, 20.0)
    at = jnp.asarray(probe.raster((0.0, 0.0), (3.9, 3.9), (4, 4)))

    @jax.jit
    def patterns(at):
        waves = probe.place_probes(spectrum, at, grid)
        return detector.cbed(multislice(waves, transmission_fn, step, 8))

    mesh = jax.make_mesh((num_devices,), ("data",), axis_types=(AxisType.Auto,))
    sharded = jax.device_put(at, NamedSharding(mesh, PartitionSpec("data")))
    found, alone = patterns(sharded), patterns(at)
    np.testing.assert_allclose(found, alone, atol=1e-6 * float(alone.max()))


def test_frozen_phonons_have_the_displacement_that_was_asked_for():
    still = jnp.zeros((10, 2, 500, 2))
    moved = phonons.displace(jax.random.key(0), still, jnp.array([0.05, 0.1]))
    rms = jnp.sqrt(jnp.mean(moved**2, axis=(0, 2, 3)))
    np.testing.assert_allclose(rms, [0.05, 0.1], rtol=0.02)
    again = phonons.displace(jax.random.key(0), still, jnp.array([0.05, 0.1]), 1)
    assert not np.allclose(moved, again)
    assert phonons.rms_from_b_factor(0.5) == pytest.approx(0.0796, abs=1e-4)


def test_frozen_phonons_average_to_the_debye_waller_factor():
    grid = Grid((6.0, 6.0), (32, 32))
    weights = jnp.ones((1, 1, 1))
    still = jnp.full((1, 1, 1, 2), 3.0)
    sharp = form_factors(grid, (14,))
    keys = jax.random.split(jax.random.key(0), 2000)
    moved = jax.vmap(lambda key: phonons.displace(key, still[:, 0], 0.2))(keys)
    mean = jax.lax.map(
        lambda p: slice_potentials(p[None], weights, sharp, grid)[0], moved
    ).mean(axis=0)
    blurred = slice_potentials(still, weights, form_factors(grid, (14,), 0.2), grid)[0]
    assert jnp.abs(mean - blurred).max() < 0.05 * blurred.max()


def test_rings_and_sectors_share_the_electrons():
    grid = Grid((8.0, 8.0), (64, 64))
    whole = detector.annular_mask(grid, ENERGY, 10.0, 50.0)
    parts = phase_contrast.segment_masks(grid, ENERGY, 10.0, 50.0)
    np.testing.assert_array_equal(parts.sum(axis=0), whole)
    patterns = jax.random.uniform(jax.random.key(0), (3, 64, 64))
    np.testing.assert_allclose(
        detector.collect(patterns, parts).sum(axis=-1),
        detector.collect(patterns, [whole])[:, 0],
        rtol=1e-5,
    )
    with pytest.raises(SimulatorError, match="which this grid propagates"):
        detector.annular_mask(grid, ENERGY, 50.0, 500.0)


def test_integrated_deflection_is_the_phase():
    """The deflection of a phase, given analytically, is integrated back to it."""
    y, x = np.meshgrid(np.arange(32) / 4, np.arange(32) / 4, indexing="ij")
    k = 2 * np.pi / 8.0
    phase = 0.1 * np.sin(k * x) * np.cos(2 * k * y)
    slope = np.stack(
        [
            0.1 * k * np.cos(k * x) * np.cos(2 * k * y),
            -0.2 * k * np.sin(k * x) * np.sin(2 * k * y),
        ],
        axis=-1,
    )
    deflection = 1e3 * wavelength_a(ENERGY) / (2 * np.pi) * slope
    found = phase_contrast.integrate(jnp.asarray(deflection), (0.25, 0.25), ENERGY)
    np.testing.assert_allclose(found, phase, atol=1e-6)


def test_a_tilted_wave_is_seen_as_its_tilt():
    grid = Grid((8.0, 10.0), (32, 32))
    pattern = jnp.zeros((32, 32)).at[16 + 3, 16 - 2].set(0.7)
    x, y = phase_contrast.centre_of_mass(pattern, grid, ENERGY)
    scale = 1e3 * wavelength_a(ENERGY)
    assert x == pytest.approx(-2 / 10.0 * scale, rel=1e-5)
    assert y == pytest.approx(3 / 8.0 * scale, rel=1e-5)


def test_counting_keeps_the_mean_and_has_the_variance_of_poisson():
    flat = jnp.full((200, 200), 0.01)
    counted = detector.count(jax.random.key(0), flat, jnp.float32(1000.0))
    assert counted.mean() == pytest.approx(0.01, rel=0.01)
    assert counted.var() == pytest.approx(0.01 / 1000, rel=0.03)


def test_a_detector_keeps_the_electrons_and_loses_the_finest_contrast():
    stripes = 1.0 + jnp.cos(jnp.pi * jnp.arange(16.0))[None] * jnp.ones((16, 1))
    seen = imperfections.blur_detector(stripes, 0.3)
    assert seen.mean() == pytest.approx(1.0, rel=1e-5)
    assert (seen.max() - seen.min()) / 2 == pytest.approx(0.3, rel=1e-4)


def test_a_scan_trembles_by_what_was_asked_for():
    at = jnp.zeros((10_000, 2))
    moved = imperfections.tremble(
        jax.random.key(0),
        at,
        (100, 100),
        jitter_a=0.1,
        line_a=0.0,
        drift_a=(1.0, 0.0),
    )
    assert jnp.std(moved[:, 1]) == pytest.approx(0.1, rel=0.03)
    assert moved[:, 0].mean() == pytest.approx(0.5, abs=0.01)
    lines = imperfections.tremble(
        jax.random.key(0), at, (100, 100), jitter_a=0, line_a=0.2, drift_a=(0, 0)
    ).reshape(100, 100, 2)
    assert jnp.std(lines, axis=1).max() < 1e-6
    assert jnp.std(lines[:, 0]) == pytest.approx(0.2, rel=0.2)


def test_coherence_blurs_as_gaussians_do():
    defoci, weights = coherence.focal_spread(30.0)
    assert weights @ defoci**2 == pytest.approx(900.0)
    x = jnp.arange(32.0)
    image = 1 + jnp.cos(2 * jnp.pi * x / 8)[None] * jnp.ones((32, 1))
    blurred = coherence.blur_scan(image, (0.5, 0.5), 0.4)
    left = np.exp(-2 * (np.pi * 0.4 / 4.0) ** 2)
    np.testing.assert_allclose(blurred, 1 + left * (image - 1), atol=1e-5)


def test_memory_is_planned_and_what_does_not_fit_is_refused():
    grid = Grid((20.0, 20.0), (256, 256))
    ask = {"num_unique_slices": 10, "num_probes": 64, "shape": (128, 128)}
    plan = memory.plan_memory(grid, **ask, budget_bytes=100 << 20)
    assert plan.total <= 100 << 20 < plan.total + plan.per_probe or (
        plan.batch_size == 64
    )
    with pytest.raises(SimulatorError, match="thinner specimens, fewer gpts"):
        memory.plan_memory(grid, **ask, budget_bytes=1 << 20)


def test_a_probe_holds_one_electron_and_stands_where_it_was_put():
    grid = Grid((8.0, 8.0), (64, 64))
    spectrum = probe.probe_spectrum(grid, ENERGY, 25.0)
    wave = probe.place_probes(spectrum, jnp.array([[2.0, 5.0]]), grid)[0]
    assert jnp.sum(jnp.abs(wave) ** 2) == pytest.approx(1.0, rel=1e-5)
    peak = np.unravel_index(np.argmax(np.abs(wave)), (64, 64))
    assert peak == (40, 16)
    with pytest.raises(SimulatorError, match="this grid propagates"):
        probe.probe_spectrum(grid, ENERGY, 500.0)
    with pytest.raises(SimulatorError, match="aberration 'Cs'"):
        probe.probe_spectrum(grid, ENERGY, 25.0, {"Cs": 1.0})
