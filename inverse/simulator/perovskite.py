"""Distorted perovskites ABO3: positions of atoms from fields of distortions, and back.

Cells [x, y, z] with the beam along z: A in the corner, B in the centre, and one oxygen
in the middle of each of the three faces that meet at the corner. The crystal repeats
along x and y. An octahedron is named after its B. Every oxygen moves by the mean of
what its two octahedra ask of it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

OXYGEN = 8
# Fractions of the cell of A, B and the oxygens between neighbours along x, y and z.
_SITES = np.array([[0, 0, 0], [1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
_A, _B, _O = 0, 1, 2


class Distortions(NamedTuple):
    """What the octahedra and atoms of every cell do.

    Attributes:
      rotation: rotation vector of each octahedron [x, y, z, axis], rad.
      a_shift: displacement of A [x, y, z, xyz], A.
      b_shift: displacement of B [x, y, z, xyz], A.
      o_shift: displacement of the octahedron's oxygens [x, y, z, xyz], A.
    """

    rotation: jax.Array
    a_shift: jax.Array
    b_shift: jax.Array
    o_shift: jax.Array


class Crystal(NamedTuple):
    """Atoms by cell.

    Attributes:
      positions: [x, y, z, site, xyz], A; the sites are A, B, O, O, O.
      cell: sides of one cell [xyz], A, after the contraction by tilts.
      bond: length of B-O bonds [], A.
    """

    positions: jax.Array
    cell: jax.Array
    bond: jax.Array


def rotation_matrices(rotation: jax.Array) -> jax.Array:
    """Matrices [..., 3, 3] of rotation vectors [..., 3], rad (Rodrigues)."""
    squared = jnp.sum(rotation**2, axis=-1)[..., None, None]
    small = squared < 1e-8
    angle = jnp.sqrt(jnp.where(small, 1.0, squared))
    # The series keeps derivatives finite where nothing is rotated.
    sine = jnp.where(small, 1 - squared / 6, jnp.sin(angle) / angle)
    cosine = jnp.where(small, 0.5 - squared / 24, (1 - jnp.cos(angle)) / angle**2)
    x, y, z = jnp.moveaxis(rotation, -1, 0)
    zero = jnp.zeros_like(x)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    cross = jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)
    square = jnp.einsum("...ab,...bc->...ac", cross, cross, precision="highest")
    return jnp.eye(3).reshape((1,) * x.ndim + (3, 3)) + sine * cross + cosine * square


def build_crystal(
    distortions: Distortions,
    pseudo_cubic_a: jax.Array,
    strain: jax.Array,
    depth: jax.Array | None = None,
    *,
    periodic_beam: bool = False,
) -> Crystal:
    """Places the atoms.

    Rigid octahedra that rotate draw their neighbours near: the cell shrinks by the
    mean of the rotation's diagonal, which keeps B-O bonds at half of the untilted
    cell, to 1 % at 15 degrees about all axes.

    Args:
      distortions: fields over cells; even numbers of cells along x and y.
      pseudo_cubic_a: side of the cell without tilts [], A.
      strain: relative change of the sides [xyz].
      depth: number of cells along z that exist []; the rest is padding, which
        counts for nothing in the contraction. All of them if None.
      periodic_beam: repeats the crystal along z too.

    Returns:
      The crystal, padding included.
    """
    counts = distortions.rotation.shape[:3]
    if counts[0] % 2 or counts[1] % 2:
        raise ValueError(f"{counts[:2]} cells across the beam: both must be even.")
    matrices = rotation_matrices(distortions.rotation)
    exists = jnp.arange(counts[2]) < (counts[2] if depth is None else depth)
    weight = exists / exists.sum() / (counts[0] * counts[1])
    shrinkage = jnp.einsum("xyzaa,z->a", matrices, weight)
    cell = pseudo_cubic_a * (1 + strain) * shrinkage
    bond = jnp.asarray(pseudo_cubic_a / 2)
    moves = [distortions.a_shift, distortions.b_shift]
    for axis in range(3):
        # Towards the lower neighbour; there, the same oxygen lies towards the upper.
        tilt = -bond * matrices[..., axis]
        lower_tilt, lower_shift = (
            jnp.roll(field, 1, axis) for field in (-tilt, distortions.o_shift)
        )
        if axis == 2 and not periodic_beam:
            # At the surface there is no second octahedron: the oxygen obeys one.
            across = tilt[:, :, :1] * jnp.array([1.0, 1, 0])[None, None, None]
            lower_tilt = lower_tilt.at[:, :, :1].set(2 * across - tilt[:, :, :1])
            lower_shift = lower_shift.at[:, :, :1].set(distortions.o_shift[:, :, :1])
        moves.append((tilt + lower_tilt + distortions.o_shift + lower_shift) / 2)
    places = ideal_fractions(counts) * cell[None, None, None, None]
    return Crystal(places + jnp.stack(moves, axis=3), cell, bond)


def ideal_fractions(counts: tuple[int, int, int]) -> np.ndarray:
    """Positions [x, y, z, site, xyz] without distortion, in cells."""
    corners = np.moveaxis(np.indices(counts), 0, -1)[:, :, :, None]
    return (corners + _SITES[None, None, None]).astype(np.float32)


def atoms_of(
    crystal: Crystal, a_site: jax.Array, b_site: jax.Array, depth: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Lists atoms: positions [atom, xyz] in A and atomic numbers [atom].

    Padding beyond `depth` cells has atomic number 0 and lies at the origin.
    """
    counts = crystal.positions.shape[:3]
    numbers = jnp.stack([a_site, b_site, *[jnp.full_like(a_site, OXYGEN)] * 3])
    exists = (jnp.arange(counts[2]) < depth)[None, None, :, None]
    numbers = jnp.where(exists, numbers[None, None, None], 0)
    numbers = jnp.broadcast_to(numbers, (*counts, 5)).reshape(-1)
    positions = jnp.where(exists[..., None], crystal.positions, 0.0)
    return positions.reshape(-1, 3), numbers


def measure(crystal: Crystal, *, periodic_beam: bool = False) -> Distortions:
    """Reads distortions off the positions, octahedron by octahedron.

    The rotation is the antisymmetric part of how the corners have moved. It equals
    the one that the crystal was built with to first order in the angle, where
    amplitudes change linearly; `distortions_of` is exact. Octahedra of the last layer
    have lost their lowest-lying corner and are read from five.
    """
    moved = _moved(crystal)
    columns, shifts = [], []
    for axis in range(3):
        near = moved[..., _O + axis, :]
        far = jnp.roll(near, -1, axis)
        if axis == 2 and not periodic_beam:
            # Opposite corners mirror each other where the far one is missing.
            others = sum(shifts) / 2
            far = far.at[:, :, -1].set(2 * others[:, :, -1] - near[:, :, -1])
        columns.append((far - near) / (2 * crystal.bond))
        shifts.append((far + near) / 2)
    x, y, z = columns
    pairs = [(y, z), (z, x), (x, y)]
    doubled = [
        first[..., (axis + 2) % 3] - second[..., (axis + 1) % 3]
        for axis, (first, second) in enumerate(pairs)
    ]
    rotation = jnp.stack(doubled, axis=-1) / 2
    return Distortions(rotation, moved[..., _A, :], moved[..., _B, :], sum(shifts) / 3)


def distortions_of(
    crystal: Crystal, *, periodic_beam: bool = False, steps: int = 4
) -> Distortions:
    """Inverts `build_crystal`: fields that place the atoms where they are.

    Gauss-Newton steps from what `measure` reads, each solved by conjugate gradients.
    Fields that the positions do not determine (those that alternate against the
    sharing of corners) are left as measured.
    """

    def oxygens(fields):
        rotation, o_shift = fields
        still = jnp.zeros_like(rotation)
        trial = build_crystal(
            Distortions(rotation, still, still, o_shift),
            2 * crystal.bond,
            jnp.zeros(3),
            periodic_beam=periodic_beam,
        )
        # Of any size of the cell: only displacements are compared.
        return _moved(trial)[..., _O:, :]

    wanted = _moved(crystal)[..., _O:, :]
    read = measure(crystal, periodic_beam=periodic_beam)

    def step(_, fields):
        made, forward = jax.linearize(oxygens, fields)
        backward = jax.linear_transpose(forward, fields)
        change, _ = jax.scipy.sparse.linalg.cg(
            lambda x: backward(forward(x))[0],
            backward(wanted - made)[0],
            tol=1e-7,
            maxiter=100,
        )
        return jax.tree.map(jnp.add, fields, change)

    rotation, o_shift = jax.lax.fori_loop(0, steps, step, (read.rotation, read.o_shift))
    return read._replace(rotation=rotation, o_shift=o_shift)


def _moved(crystal: Crystal) -> jax.Array:
    """Displacements [x, y, z, site, xyz] from the places without distortion, A."""
    places = ideal_fractions(crystal.positions.shape[:3])
    return crystal.positions - places * crystal.cell[None, None, None, None]
