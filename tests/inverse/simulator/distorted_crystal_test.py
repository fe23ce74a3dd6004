import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.simulator.amplitude_field import depth_profiles, lateral_profiles
from inverse.simulator.depth_moments import depth_moments
from inverse.simulator.distorted_crystal import DistortionRange, make_draw
from inverse.simulator.oxides import load_oxides


def test_profiles_are_what_their_names_say():
    constant, linear, sinusoidal, wall = np.asarray(
        depth_profiles(40, jnp.array(30), jnp.array(0.5), jnp.array(1.0))
    )[:, :30]
    np.testing.assert_allclose(constant, 1)
    np.testing.assert_allclose(np.diff(linear, 2), 0, atol=1e-6)
    assert abs(sinusoidal.mean()) < 1e-6 and sinusoidal.max() > 0.99
    assert wall[0] < -0.999 and wall[-1] > 0.999 and np.all(np.diff(wall) >= 0)
    # Half-way between cells 14 and 15, and a width of one cell.
    np.testing.assert_allclose(wall[15], np.tanh(0.5), rtol=1e-4)


def test_a_pair_of_walls_has_the_width_asked_for_and_repeats():
    profiles = lateral_profiles((64, 4), jnp.array(0), jnp.array(0.0), jnp.array(2.0))
    wall = np.asarray(profiles[2])
    np.testing.assert_array_equal(wall, wall[:, :1].repeat(4, 1))
    # Zero at a quarter of the period: between cells 15 and 16.
    np.testing.assert_allclose(wall[14, 0], np.tanh(1.5 / 2), rtol=1e-2)
    np.testing.assert_allclose(wall[0], wall[-1], rtol=1e-5)


def test_moments_of_polynomials_are_their_coefficients():
    depth, layers = jnp.array(11), 16
    t = (2 * jnp.arange(layers) + 1) / depth - 1
    line = (0.5 - 2 * t).reshape(1, 1, layers).at[:, :, 11:].set(99.0)
    moments = depth_moments(line, depth, 3)
    np.testing.assert_allclose(moments[0, 0], [0.5, -2.0, 0.0], atol=1e-5)


SETTINGS = DistortionRange(counts=(4, 4, 8), thinnest=5)


def test_draws_depend_on_the_key_alone_and_stay_in_range():
    draw = jax.jit(make_draw(load_oxides(), SETTINGS))
    keys = jax.random.split(jax.random.key(1), 200)
    examples = jax.lax.map(draw, keys)
    again = draw(keys[17])
    np.testing.assert_allclose(again.positions, examples.positions[17], atol=1e-5)
    depth = np.asarray(examples.depth)
    assert depth.min() == 5 and depth.max() == 8
    np.testing.assert_array_equal((examples.numbers > 0).sum(1), depth * 16 * 5)
    assert set(np.unique(examples.oxide)) == set(range(len(load_oxides())))
    largest = np.abs(examples.targets.tilt[:, :, :, 0]).max()
    assert 10 < largest <= 15.001
    shifts = np.abs(examples.targets.shift[:, :, :, 0]).max((0, 1, 2, 4))
    assert np.all(shifts <= [0.4001, 0.4001, 0.2001]) and np.all(shifts > 0.1)


def test_no_two_atoms_come_nearer_than_chemistry_allows():
    draw = jax.jit(make_draw(load_oxides(), SETTINGS))
    nearest = []
    for number in range(30):
        example = draw(jax.random.key(number))
        real = np.asarray(example.numbers) > 0
        places = np.asarray(example.positions)[real]
        box = np.asarray(example.cell) * [4, 4, 1e6]
        apart = places[:, None] - places[None]
        apart -= box * np.round(apart / box)
        distance = np.linalg.norm(apart, axis=-1) + 9 * np.eye(len(places))
        nearest.append(distance.min())
    assert min(nearest) > 1.0


def test_a_repeating_tilt_about_the_beam_shows_in_the_plain_moment_only():
    settings = DistortionRange(
        counts=(2, 2, 8),
        thinnest=8,
        tilt_probability=1.0,
        depth_weights=(1, 0, 0, 0),
        lateral_weights=(1, 0, 0),
    )
    draw = jax.jit(make_draw(load_oxides(("SrTiO3",)), settings))
    seen = set()
    for number in range(12):
        targets = draw(jax.random.key(number)).targets
        phase = int(np.abs(targets.tilt[0, 0, 0, 2]).argmax())
        seen.add(phase)
        angle = np.abs(targets.tilt[0, 0, 0, 2, phase])
        z_rotation = np.abs(targets.rotation[0, 0, 0, :, 2])
        np.testing.assert_allclose(z_rotation[phase], angle, rtol=1e-5)
        np.testing.assert_allclose(z_rotation[1 - phase], 0, atol=1e-5)
    assert seen == {0, 1}


def test_unknown_oxides_and_impossible_depths_are_refused():
    with pytest.raises(ValueError, match="no such oxide"):
        load_oxides(("SrTi03",))
    with pytest.raises(ValueError, match="thinnest=3"):
        make_draw(load_oxides(), DistortionRange(thinnest=3))


def test_a_cell_of_one_formula_unit_follows_from_every_setting():
    sides = {oxide.formula: oxide.pseudo_cubic_a for oxide in load_oxides()}
    assert sides["SrTiO3"] == pytest.approx(3.90528)
    # Orthorhombic: half of c, and half of the diagonal of a and b, differ by little.
    assert sides["GdFeO3"] == pytest.approx(7.669 / 2, rel=0.01)
    # Hexagonal: c is the diagonal of two cubes on end.
    assert sides["BiFeO3"] == pytest.approx(13.869 / (2 * 3**0.5), rel=0.02)
