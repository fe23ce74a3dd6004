"""Laws of physics that waves in a specimen obey."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.special

from inverse.simulator import detector, probe
from inverse.simulator.electron import (
    interaction_parameter,
    wavelength_a,
)
from inverse.simulator.errors import SimulatorError
from inverse.simulator.grid import Grid
from inverse.simulator.multislice import (
    multislice,
    multislice_planes,
    propagator,
    transmission,
)
from inverse.simulator.potential import (
    form_factors,
    projected_potential,
)
from inverse.simulator.slices import slice_atoms
from tests.inverse.simulator.crystals_at_hand import strontium_titanate

ENERGY = 100e3
GRID = Grid((8.0, 8.0), (64, 64))


def smooth_potentials(count, strength=30.0):
    """Slices [count, y, x] [V A] of a few low frequencies."""
    spectrum = np.zeros((count, *GRID.gpts), complex)
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(2, count, 3, 3)) * strength
    spectrum[:, :3, :3] = parts[0] + 1j * parts[1]
    real = np.fft.ifft2(spectrum, norm="forward").real
    return jnp.asarray(real, jnp.float32)


def plane_wave(grid, row=0, column=0):
    wave = jnp.zeros((1, *grid.gpts), jnp.complex64).at[0, row, column].set(1.0)
    return jnp.fft.ifft2(wave, norm="ortho")


def amplitudes(waves):
    return np.fft.fft2(np.asarray(waves), norm="ortho")


def electrons(waves):
    return np.sum(np.abs(np.asarray(waves)) ** 2, axis=(-2, -1))


def a_probe(coefficients=None, at=((0.0, 0.0),), grid=GRID):
    spectrum = probe.probe_spectrum(grid, ENERGY, 20.0, coefficients)
    return probe.place_probes(spectrum, jnp.asarray(at), grid)


def test_an_empty_specimen_is_a_change_of_focus():
    empty = jnp.ones(GRID.gpts)
    step = propagator(GRID, ENERGY, 5.0)
    behind = multislice(a_probe(), lambda i: empty, step, 20)
    np.testing.assert_allclose(behind, a_probe({"C10": 100.0}), atol=2e-6)


def test_electrons_are_conserved_and_the_way_back_returns_them():
    layers = jnp.exp(1j * interaction_parameter(ENERGY) * smooth_potentials(50, 1.0))
    step = propagator(GRID, ENERGY, 2.0)
    start = a_probe()
    behind = multislice(start, lambda i: layers[i], step, 50)
    np.testing.assert_allclose(electrons(behind), 1.0, atol=1e-5)
    waves = behind
    for layer in layers[::-1]:
        waves = jnp.fft.ifft2(jnp.conj(step)[None] * jnp.fft.fft2(waves))
        waves = waves * jnp.conj(layer)[None]
    np.testing.assert_allclose(waves, start, atol=2e-6)


def test_no_electron_is_created_by_a_strong_specimen():
    layers = transmission(smooth_potentials(50), ENERGY, GRID)
    step = propagator(GRID, ENERGY, 2.0)
    planes = multislice_planes(a_probe(), lambda i: layers[i], step, (5, 20, 50))
    kept = electrons(planes)[:, 0]
    assert np.all(np.diff([1 + 1e-5, *kept]) <= 1e-5)


def test_exit_planes_are_the_waves_of_thinner_specimens():
    layers = transmission(smooth_potentials(6), ENERGY, GRID)
    step = propagator(GRID, ENERGY, 2.0)
    planes = multislice_planes(a_probe(), lambda i: layers[i], step, (2, 6))
    for plane, count in zip(planes, (2, 6), strict=True):
        alone = multislice(a_probe(), lambda i: layers[i], step, count)
        np.testing.assert_allclose(plane, alone, atol=1e-6)
    with pytest.raises(SimulatorError, match="must be increasing"):
        multislice_planes(a_probe(), lambda i: layers[i], step, (4, 2))


def test_a_weak_object_scatters_kinematically():
    """F_g = i sigma V_g, and Friedel's law holds; a strong object breaks it."""
    sigma = interaction_parameter(ENERGY)
    weak = smooth_potentials(3, 1.0)
    step = propagator(GRID, ENERGY, 1e-3)

    def amplitude(potentials):
        layers = transmission(potentials, ENERGY, GRID)
        return amplitudes(multislice(plane_wave(GRID), lambda i: layers[i], step, 3))

    # The half difference holds neither the direct beam's rounding nor second order.
    scattered = 0.5 * (amplitude(weak) - amplitude(-weak))[0]
    expected = 1j * sigma * np.fft.fft2(np.asarray(weak).sum(0), norm="forward")
    scattered[0, 0] = expected[0, 0] = 0
    assert np.abs(scattered - expected).max() < 3e-5 * np.abs(expected).max()

    def asymmetry(strength):
        layers = transmission(smooth_potentials(6, strength), ENERGY, GRID)
        thick = propagator(GRID, ENERGY, 20.0)
        far = amplitudes(multislice(plane_wave(GRID), lambda i: layers[i], thick, 6))
        intensity = np.abs(far[0]) ** 2
        intensity[0, 0] = 0
        opposite = np.roll(intensity[::-1, ::-1], (1, 1), (0, 1))
        return np.abs(intensity - opposite).max() / intensity.max()

    assert asymmetry(30.0) > 0.05


def test_a_thin_grating_scatters_as_bessel_functions():
    """Raman-Nath: I_h = J_h(sigma V0)^2 of the phase sigma V0 cos(2 pi x / a)."""
    strength = 1500.0
    x = np.arange(64) / 64
    grating = strength * np.cos(2 * np.pi * x)[None] * np.ones((64, 1))
    waves = plane_wave(GRID) * transmission(jnp.asarray(grating), ENERGY, GRID)[None]
    intensity = np.abs(amplitudes(waves)[0, 0]) ** 2
    orders = np.arange(6)
    expected = scipy.special.jv(orders, interaction_parameter(ENERGY) * strength) ** 2
    np.testing.assert_allclose(intensity[:6], expected, atol=1e-6)


def test_two_beams_exchange_intensity_as_sine_squared():
    """At the Bragg angle I_g = sin^2(pi t / xi), xi = pi / (sigma V_g)."""
    grid = Grid((1.0, 4.0), (8, 32))
    sigma, volt, dz = interaction_parameter(ENERGY), 0.5, 4.0
    x = np.arange(32) / 32 * 4.0
    potential = 2 * volt * dz * np.cos(2 * np.pi * x)  # g = 1 / A
    layer = jnp.exp(1j * sigma * jnp.asarray(potential, jnp.float32))
    layer = jnp.broadcast_to(layer[None], grid.gpts)
    extinction = np.pi / (sigma * volt)
    planes = tuple(int(t * extinction / dz) for t in (0.1, 0.25, 0.5))
    # At the Bragg angle: from -g/2 to +g/2.
    waves = multislice_planes(
        plane_wave(grid, 0, -2), lambda i: layer, propagator(grid, ENERGY, dz), planes
    )
    intensity = np.abs(amplitudes(waves)[:, 0, 0, 2]) ** 2
    expected = np.sin(np.pi * np.array(planes) * dz / extinction) ** 2
    np.testing.assert_allclose(intensity, expected, atol=1e-4)


def many_beams(dz, thickness=60.0, beams=8):
    """Errors of intensity of multislice against the matrix exponential, in 1-D."""
    grid = Grid((1.0, 4.0), (8, 32))
    x = np.arange(32) / 32
    volt = 25 * np.cos(2 * np.pi * x) + 12 * np.cos(4 * np.pi * x + 0.5)
    sigma, wavelength = interaction_parameter(ENERGY), wavelength_a(ENERGY)
    k = np.fft.fftfreq(32, 4.0 / 32)
    spectrum = np.fft.fft(volt) / 32
    order = np.arange(32)
    hamilton = sigma * spectrum[(order[:, None] - order[None, :]) % 32]
    hamilton = hamilton - np.diag(np.pi * wavelength * k**2)
    exact = np.abs(scipy.linalg.expm(1j * thickness * hamilton)[:, 0]) ** 2
    layer = jnp.exp(1j * sigma * dz * jnp.asarray(volt, jnp.float32))
    layer = jnp.broadcast_to(layer[None], grid.gpts)
    step = propagator(grid, ENERGY, dz)
    waves = multislice(plane_wave(grid), lambda i: layer, step, round(thickness / dz))
    return np.abs(np.abs(amplitudes(waves)[0, 0]) ** 2 - exact)[:beams].max()


def test_multislice_converges_to_the_matrix_exponential_in_second_order():
    coarse, fine = many_beams(6.0), many_beams(3.0)
    assert coarse / fine == pytest.approx(4.0, rel=0.15)
    assert many_beams(0.5) < 1e-4


def test_source_and_detector_can_be_exchanged():
    layers = transmission(smooth_potentials(8), ENERGY, GRID)
    step = propagator(GRID, ENERGY, 5.0)
    there = multislice(plane_wave(GRID, 1, 2), lambda i: layers[i], step, 8)
    # The way back meets the slices in reverse, and propagation before transmission.
    back = jnp.fft.ifft2(step[None] * jnp.fft.fft2(plane_wave(GRID, -4, -3)))
    for i in range(7, -1, -1):
        back = back * layers[i][None]
        if i:
            back = jnp.fft.ifft2(step[None] * jnp.fft.fft2(back))
    np.testing.assert_allclose(
        amplitudes(there)[0, 4, 3], amplitudes(back)[0, -1, -2], atol=1e-6
    )


def crystal_waves(at, grid_points=96, slices=20):
    atoms = slice_atoms(strontium_titanate().repeat((3, 3, 1)), 2.0)
    grid = Grid(atoms.extent_a, (grid_points, grid_points))
    factors = form_factors(grid, atoms.numbers)
    potentials = jnp.stack(
        [
            projected_potential(p, w, factors, grid)
            for p, w in zip(atoms.positions_a, atoms.weights, strict=True)
        ]
    )
    layers = transmission(potentials, ENERGY, grid)
    step = propagator(grid, ENERGY, atoms.slice_thickness_a)
    waves = a_probe(at=at, grid=grid)
    return multislice(waves, lambda i: layers[i % len(layers)], step, slices)


def test_a_zone_axis_pattern_has_the_symmetry_of_its_point_group():
    pattern = np.asarray(detector.cbed(crystal_waves([(3.905, 3.905)]), (95, 95)))[0]
    for image in (pattern[::-1], pattern[:, ::-1], pattern.T):
        np.testing.assert_allclose(image, pattern, atol=3e-6 * pattern.max())
    off = np.asarray(detector.cbed(crystal_waves([(4.6, 3.905)]), (95, 95)))[0]
    assert np.abs(off[:, ::-1] - off).max() > 0.05 * off.max()


def test_a_probe_moved_by_a_period_gives_the_same_pattern():
    first, second = detector.cbed(crystal_waves([(1.3, 0.7), (1.3 + 3.905, 0.7)]))
    np.testing.assert_allclose(first, second, atol=3e-6 * first.max())


def test_kirkland_figure_5_12():
    """C, Si, Cu, Au, U in a line: 200 keV, Cs 1.3 mm, 700 A underfocus, 10.37 mrad."""
    grid, energy = Grid((50.0, 50.0), (512, 512)), 200e3
    numbers = (6, 14, 29, 79, 92)
    places = np.array([[[5 + 10 * i, 25.0]] for i in range(5)], np.float32)
    factors = form_factors(grid, numbers, table="kirkland")
    potential = projected_potential(places, np.ones((5, 1), np.float32), factors, grid)
    behind = transmission(potential, energy, grid)
    lens = probe.probe_spectrum(grid, energy, 10.37, {"C10": -700.0, "C30": 1.3e7})
    lens = lens / jnp.abs(lens[0, 0])
    image = jnp.abs(jnp.fft.ifft2(jnp.fft.fft2(behind) * lens)) ** 2
    assert image.min() == pytest.approx(0.72, abs=0.01)
    assert image.max() == pytest.approx(1.03, abs=0.01)


def test_gradients_agree_with_finite_differences():
    """Through positions, focus and 4 slices, of the electrons on a ring."""
    grid = Grid((8.0, 8.0), (48, 48))
    factors = form_factors(grid, (14,), rms_a=0.1)
    ring = jnp.asarray(detector.annular_mask(grid, ENERGY, 25.0, 60.0))
    weights = jnp.ones((1, 2))

    def caught(parameters):
        atoms = jnp.reshape(parameters[:4], (1, 2, 2))
        layer = transmission(
            projected_potential(atoms, weights, factors, grid), ENERGY, grid
        )
        waves = a_probe({"C10": 100 * parameters[4]}, [(4.0, 4.0)], grid)
        step = propagator(grid, ENERGY, 3.0)
        waves = multislice(waves, lambda i: layer, step, 4)
        return jnp.sum(detector.cbed(waves) * ring[None])

    start = jnp.array([3.7, 4.2, 5.0, 4.6, 0.3])
    gradient = jax.jit(jax.grad(caught))(start)
    caught = jax.jit(caught)
    for i in range(5):
        h = 2e-2
        shifts = jnp.zeros(5).at[i].set(h)
        near = (caught(start + shifts) - caught(start - shifts)) / (2 * h)
        far = (caught(start + 2 * shifts) - caught(start - 2 * shifts)) / (4 * h)
        expected = (4 * near - far) / 3
        largest = float(jnp.abs(gradient).max())
        assert float(gradient[i]) == pytest.approx(float(expected), abs=1e-3 * largest)
