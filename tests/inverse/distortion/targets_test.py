import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.distortion import targets as dt
from inverse.simulator import glazer
from inverse.simulator.distorted_crystal import Targets, targets_of
from inverse.simulator.perovskite import (
    Crystal,
    Distortions,
    build_crystal,
    distortions_of,
    ideal_fractions,
)

COUNTS = (4, 4, 6)


def some_crystal() -> Crystal:
    """Tilted --+, graded in depth, with every atom displaced at random."""
    keys = jax.random.split(jax.random.key(3), 2)
    amplitudes = jnp.deg2rad(jnp.asarray(glazer.tilt_amplitudes("--+", (5, 3, 7))))
    grade = (0.5 + 0.1 * jnp.arange(6.0)).reshape(1, 1, 6, 1, 1)
    rotation = glazer.rotations(
        amplitudes[None, None, None] * grade + jnp.zeros((4, 4, 1, 1, 1))
    )
    return build_crystal(
        Distortions(
            rotation,
            0.1 * jax.random.normal(keys[0], (*COUNTS, 3)),
            0.1 * jax.random.normal(keys[1], (*COUNTS, 3)),
            jnp.zeros((*COUNTS, 3))
            + jnp.array([0.03, -0.05, 0.02]).reshape(1, 1, 1, 3),
        ),
        3.9,
        jnp.array([0.01, -0.01, 0.0]),
    )


def turned_crystal(crystal: Crystal, matrix: np.ndarray) -> Crystal:
    """Turns every atom about the middle and finds the site that it now belongs to."""
    cell = np.asarray(crystal.cell)
    new_cell = np.abs(matrix) @ cell
    box, new_box = cell * COUNTS, new_cell * COUNTS
    atoms = np.asarray(crystal.positions).reshape(-1, 3)
    species = np.tile([0, 1, 2, 2, 2], len(atoms) // 5)
    turned = (atoms - box / 2) @ matrix.T + new_box / 2
    sites = (ideal_fractions(COUNTS) * new_cell).reshape(-1, 3)
    wanted = np.tile([0, 1, 2, 2, 2], len(sites) // 5)
    apart = turned[None] - sites[:, None]
    apart[..., :2] -= new_box[:2] * np.round(apart[..., :2] / new_box[:2])
    distance = np.linalg.norm(apart, axis=-1) + 9 * (wanted[:, None] != species[None])
    found = distance.argmin(axis=1)
    assert len(set(found)) == len(sites)
    moved = apart[np.arange(len(sites)), found]
    positions = (sites + moved).reshape(*COUNTS, 5, 3).astype(np.float32)
    return Crystal(jnp.asarray(positions), jnp.asarray(new_cell), crystal.bond)


@jax.jit
def pixels_of(crystal: Crystal) -> dt.TargetMap:
    found = distortions_of(crystal)
    tilt = glazer.glazer_amplitudes(found.rotation)
    return dt.to_pixels(targets_of(found, tilt, jnp.array(6), 3), 4)


@pytest.mark.parametrize("symmetry", range(dt.NUM_SYMMETRIES))
def test_turning_the_atoms_turns_the_targets(symmetry):
    crystal = some_crystal()
    matrix = np.asarray(dt.symmetry_matrix(jnp.array(symmetry)))
    atoms_first = pixels_of(turned_crystal(crystal, matrix))
    targets_first = dt.transform_targets(pixels_of(crystal), jnp.array(symmetry))
    np.testing.assert_allclose(atoms_first.rotation, targets_first.rotation, atol=2e-2)
    np.testing.assert_allclose(atoms_first.shift, targets_first.shift, atol=1e-4)


@pytest.mark.parametrize("symmetry", range(dt.NUM_SYMMETRIES))
def test_an_image_turns_as_the_points_in_it(symmetry):
    matrix = np.asarray(dt.symmetry_matrix(jnp.array(symmetry)))[:2, :2]
    x, y = 5, 2
    image = jnp.zeros((8, 8, 1)).at[y, x].set(1.0)
    turned = dt.transform_image(image, jnp.array(symmetry))
    place = matrix @ (np.array([x, y]) - 3.5) + 3.5
    assert tuple(np.argwhere(np.asarray(turned))[0][:2]) == tuple(
        np.rint(place[::-1]).astype(int)
    )


def test_the_eight_symmetries_form_the_group_4mm():
    matrices = {
        tuple(np.asarray(dt.symmetry_matrix(jnp.array(s))).ravel().round())
        for s in range(8)
    }
    assert len(matrices) == 8
    for a in matrices:
        for b in matrices:
            product = np.reshape(a, (3, 3)) @ np.reshape(b, (3, 3))
            assert tuple(product.ravel()) in matrices


def test_pixels_take_the_targets_of_the_nearest_column():
    shift = jnp.zeros((2, 2, 1, 3, 3)).at[1, 0, 0, :, 0].set(jnp.array([1.0, 2, 3]))
    targets = Targets(jnp.zeros((2, 2, 1, 2, 3)), jnp.zeros((2, 2, 1, 3, 2)), shift)
    pixels = dt.to_pixels(targets, 4).shift[:, :, 0, :, 0]
    # B of cell (1, 0) lies at x = 6, y = 2 pixels; its A at x = 4, y = 0.
    assert np.argwhere(np.asarray(pixels[..., 1]))[:, 1].min() == 4
    assert np.unique(np.argwhere(np.asarray(pixels[..., 1]))[:, 0]).tolist() == [
        0,
        1,
        2,
        3,
    ]
    assert np.unique(np.argwhere(np.asarray(pixels[..., 0]))[:, 1]).tolist() == [
        2,
        3,
        4,
        5,
    ]
    assert np.unique(np.argwhere(np.asarray(pixels[..., 0]))[:, 0]).tolist() == [
        0,
        1,
        6,
        7,
    ]
    with pytest.raises(ValueError, match="must be even"):
        dt.to_pixels(targets, 5)


def test_a_shift_of_one_cell_along_the_beam_does_not_change_what_is_asked():
    rotation = jax.random.normal(jax.random.key(0), (3, 3, 3, 2, 3))
    shift = jnp.zeros((3, 3, 3, 3, 3))
    flipped = rotation.at[..., 1, :].multiply(-1)
    fixed = dt.fix_signs(dt.TargetMap(rotation, shift)).rotation
    again = dt.fix_signs(dt.TargetMap(flipped, shift)).rotation
    np.testing.assert_array_equal(fixed, again)
    assert (np.asarray(fixed[:, :, 0, 1]) >= 0).all()
    np.testing.assert_array_equal(fixed[..., 0, :], rotation[..., 0, :])


def test_channels_lie_where_their_names_say():
    rotation = jnp.zeros((1, 1, 3, 2, 3)).at[0, 0, 1, 1, 2].set(7.0)
    shift = jnp.zeros((1, 1, 3, 3, 3)).at[0, 0, 2, 1, 0].set(0.25)
    channels = np.asarray(dt.to_channels(dt.TargetMap(rotation, shift)))[0, 0]
    names = dt.channel_names(3)
    assert len(names) == channels.size
    found = {names[i]: float(channels[i]) for i in np.flatnonzero(channels)}
    assert found == {"tilt_alternating_z_P1_deg": 7.0, "shift_B_x_P2_pm": 25.0}


@pytest.mark.parametrize(("number", "system"), list(enumerate(glazer.all_systems())))
def test_the_27_classes_are_glazers_patterns(number, system):
    amplitudes = jnp.asarray(glazer.tilt_amplitudes(system, (3.0, 4.0, 5.0)))
    tilt = jnp.zeros((2, 2, 1, 3, 2)) - amplitudes[None, None, None]
    targets = Targets(jnp.zeros(()), tilt, jnp.zeros(()))
    angles = dt.signed_angles(targets)
    assert int(dt.glazer_class(angles, 1.0)) == number
    assert int(dt.glazer_class(angles, 10.0)) == 13
