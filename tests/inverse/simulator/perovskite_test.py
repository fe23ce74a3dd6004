import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.simulator import glazer
from inverse.simulator.perovskite import (
    Distortions,
    atoms_of,
    build_crystal,
    distortions_of,
    ideal_fractions,
    rotation_matrices,
)

SIDE = 3.9


def still(counts) -> Distortions:
    return Distortions(*(jnp.zeros((*counts, 3)) for _ in range(4)))


def tilted(system, angle_deg, counts=(2, 2, 2)) -> Distortions:
    amplitudes = np.deg2rad(glazer.tilt_amplitudes(system, (angle_deg,) * 3))
    rotation = glazer.rotations(
        jnp.broadcast_to(jnp.asarray(amplitudes), (*counts, 3, 2))
    )
    return still(counts)._replace(rotation=rotation)


def build(distortions, **settings):
    return build_crystal(distortions, SIDE, jnp.zeros(3), **settings)


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING")
@pytest.mark.parametrize(
    ("system", "group"),
    [
        ("000", "Pm-3m"),
        ("00+", "P4/mbm"),
        ("00-", "I4/mcm"),
        ("---", "R-3c"),
        ("+++", "Im-3"),
        ("--+", "Pnma"),
        ("0--", "Imma"),
    ],
)
def test_tilts_give_the_space_groups_of_glazers_table(system, group):
    spglib = pytest.importorskip("spglib")
    crystal = build(tilted(system, 6.0), periodic_beam=True)
    # Each axis contracts by its own tilts only; equal angles need no equal cells.
    box = 2 * np.asarray(crystal.cell, np.float64)
    fractions = np.asarray(crystal.positions, np.float64).reshape(-1, 3) / box
    numbers = np.tile([38, 22, 8, 8, 8], 8)
    found = spglib.get_spacegroup((np.diag(box), fractions, numbers), symprec=1e-3)
    assert found.split(" ")[0] == group


def bond_lengths(crystal) -> np.ndarray:
    box = np.asarray(crystal.cell) * crystal.positions.shape[:3]
    centre = np.asarray(crystal.positions[..., 1, :])
    lengths = []
    for axis in range(3):
        oxygen = np.asarray(crystal.positions[..., 2 + axis, :])
        for other in (oxygen, np.roll(oxygen, -1, axis)):
            apart = other - centre
            lengths.append(np.linalg.norm(apart - box * np.round(apart / box), axis=-1))
    return np.array(lengths)


@pytest.mark.parametrize("system", ["00+", "00-", "0--", "---"])
def test_octahedra_stay_rigid_at_fifteen_degrees(system):
    # About several axes, 15 degrees in all.
    angle = 15.0 / np.sqrt(3 - system.count("0"))
    crystal = build(tilted(system, angle), periodic_beam=True)
    np.testing.assert_allclose(bond_lengths(crystal), SIDE / 2, rtol=1e-3)


@pytest.mark.parametrize("system", glazer.all_systems())
def test_bonds_keep_their_length_within_a_hundredth_in_all_systems(system):
    angle = 15.0 / np.sqrt(max(1, 3 - system.count("0")))
    crystal = build(tilted(system, angle), periodic_beam=True)
    np.testing.assert_allclose(bond_lengths(crystal), SIDE / 2, rtol=1e-2)


def test_one_tilt_moves_oxygens_as_trigonometry_says():
    crystal = build(tilted("00+", 10.0), periodic_beam=True)
    cosine, sine = np.cos(np.deg2rad(10)), np.sin(np.deg2rad(10))
    np.testing.assert_allclose(
        crystal.cell, [SIDE * cosine, SIDE * cosine, SIDE], rtol=1e-6
    )
    moved = crystal.positions - ideal_fractions((2, 2, 2)) * crystal.cell.reshape(
        1, 1, 1, 1, 3
    )
    # The octahedron of cell 0 turns from x to y: its oxygen at -x goes to -y.
    expected = [0, -SIDE / 2 * sine, 0]
    np.testing.assert_allclose(moved[0, 0, 0, 2], expected, atol=1e-6)
    np.testing.assert_allclose(moved[0, 0, 0, 4], [0, 0, 0], atol=1e-6)


def test_rotation_matrices_turn_by_their_angle_about_their_axis():
    vector = jnp.array([0.1, -0.2, 0.25])
    matrix = np.asarray(rotation_matrices(vector))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(matrix @ vector, vector, atol=1e-6)
    angle = np.linalg.norm(vector)
    np.testing.assert_allclose(np.trace(matrix), 1 + 2 * np.cos(angle), rtol=1e-6)
    assert np.isfinite(jax.jacobian(rotation_matrices)(jnp.zeros(3))).all()


@pytest.mark.parametrize("system", ["---", "+++", "--+", "0-+", "+00"])
def test_distortions_are_read_back_from_positions(system):
    counts = (4, 4, 6)
    distortions = tilted(system, 8.0, counts)
    # Graded along the beam, with every atom displaced.
    grade = (0.4 + 0.1 * jnp.arange(6.0))[None, None, :, None]
    keys = jax.random.split(jax.random.key(0), 2)
    distortions = Distortions(
        distortions.rotation * grade,
        0.2 * jax.random.normal(keys[0], (*counts, 3)),
        0.2 * jax.random.normal(keys[1], (*counts, 3)),
        grade * jnp.array([0.05, -0.1, 0.07]).reshape(1, 1, 1, 3)
        + jnp.zeros((*counts, 3)),
    )
    crystal = build_crystal(distortions, SIDE, jnp.array([0.01, -0.01, 0.02]))
    found = distortions_of(crystal)
    for name in Distortions._fields:
        expected = np.asarray(getattr(distortions, name))
        np.testing.assert_allclose(getattr(found, name), expected, atol=1e-5)


@pytest.mark.parametrize("system", glazer.all_systems())
def test_amplitudes_are_read_back_from_rotations(system):
    amplitudes = jnp.asarray(glazer.tilt_amplitudes(system, (3.0, 5.0, 7.0)))
    fields = jnp.broadcast_to(amplitudes, (2, 4, 6, 3, 2))
    fields = fields * (1 + jnp.arange(6.0)).reshape(1, 1, 6, 1, 1)
    found = glazer.glazer_amplitudes(glazer.rotations(fields))
    np.testing.assert_allclose(found, fields, atol=1e-4)


def test_padding_is_no_atom_and_does_not_contract_the_cell():
    distortions = tilted("00+", 10.0, (2, 2, 4))
    visible = jnp.arange(4).reshape(1, 1, 4, 1) < 2
    distortions = distortions._replace(rotation=distortions.rotation * visible)
    crystal = build(distortions, depth=jnp.array(2))
    np.testing.assert_allclose(crystal.cell[0], SIDE * np.cos(np.deg2rad(10)), 1e-6)
    positions, numbers = atoms_of(crystal, jnp.array(38), jnp.array(22), jnp.array(2))
    assert positions.shape == (80, 3)
    assert np.unique(numbers, return_counts=True)[1].tolist() == [40, 24, 8, 8]
    assert float(jnp.abs(positions[numbers == 0]).max()) == 0


def test_an_odd_number_of_cells_cannot_tilt():
    with pytest.raises(ValueError, match="must be even"):
        build(still((3, 2, 2)))
