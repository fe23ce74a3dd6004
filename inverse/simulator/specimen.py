"""From crystal structures to oriented, orthogonal cells (ase.Atoms in and out)."""

import itertools
import pathlib

import ase
import ase.build
import ase.io
import numpy as np

from inverse.simulator.errors import SimulatorError, check_range

# Indices of lattice vectors that are tried as sides of an orthogonal cell.
_LARGEST_INDEX = 6


def read_structure(path: str | pathlib.Path) -> ase.Atoms:
    """Reads a crystal from a CIF, XYZ, POSCAR or whatever else ase reads.

    Raises:
      SimulatorError: unreadable, without atoms or cell, or partially occupied.
    """
    try:
        atoms = ase.io.read(path)
    except Exception as error:  # ase's readers raise what they like
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SimulatorError(
            f"{path}: cannot be read as a structure: {reason}"
        ) from error
    check_structure(atoms, str(path))
    return atoms


def check_structure(atoms: ase.Atoms, name: str = "structure") -> None:
    """Refuses what is no fully occupied crystal."""
    if len(atoms) == 0:
        raise SimulatorError(f"{name}: holds no atoms.")
    if atoms.cell.rank < 3:
        raise SimulatorError(f"{name}: has no three-dimensional cell; set atoms.cell.")
    if atoms.numbers.min() < 1 or atoms.numbers.max() > 103:
        raise SimulatorError(f"{name}: holds atoms that are no element 1 ... 103.")
    for site, shares in atoms.info.get("occupancy", {}).items():
        # A share that ase could not read as a number stays a word.
        whole = [
            isinstance(v, float | int) and abs(v - 1) < 1e-3 for v in shares.values()
        ]
        if len(shares) > 1 or not all(whole):
            raise SimulatorError(
                f"{name}: site {site} is partially occupied {dict(shares)}; choose an "
                "ordered structure."
            )


def orient(
    atoms: ase.Atoms,
    zone_axis: tuple[int, int, int] = (0, 0, 1),
    tolerance: float = 0.01,
) -> ase.Atoms:
    """The smallest orthogonal cell whose z axis is the direction `zone_axis`.

    Args:
      atoms: a crystal.
      zone_axis: direction [uvw] of the lattice, along the beam.
      tolerance: cosine up to which two sides count as orthogonal; they are then made
        so by a strain of that size.

    Raises:
      SimulatorError: no such cell within the tolerance.
    """
    check_structure(atoms)
    uvw = np.asarray(zone_axis, int)
    if not uvw.any():
        raise SimulatorError("zone_axis=(0, 0, 0): is no direction.")
    uvw = uvw // np.gcd.reduce(uvw)
    cell = atoms.cell.array
    sides = _orthogonal_sides(cell, uvw, tolerance)
    if sides is None:
        raise SimulatorError(
            f"zone_axis={tuple(map(int, uvw))}: no orthogonal cell of lattice vectors "
            f"up to index {_LARGEST_INDEX} within a cosine of {tolerance}; choose "
            "another axis, or a larger tolerance, which strains the crystal."
        )
    oriented = ase.build.make_supercell(atoms, np.stack([*sides, uvw]))
    lengths = oriented.cell.lengths()
    oriented.set_cell(np.diag(lengths), scale_atoms=True)
    oriented.pbc = True
    oriented.wrap(eps=1e-6)
    return oriented


def _orthogonal_sides(cell, uvw, tolerance) -> tuple[np.ndarray, np.ndarray] | None:
    """Two lattice vectors of least area, orthogonal to each other and to uvw."""
    span = range(-_LARGEST_INDEX, _LARGEST_INDEX + 1)
    indices = np.array([v for v in itertools.product(span, repeat=3) if any(v)])
    vectors = indices @ cell
    lengths = np.linalg.norm(vectors, axis=1)
    beam = uvw @ cell / np.linalg.norm(uvw @ cell)
    flat = np.abs(vectors @ beam) <= tolerance * lengths
    indices, vectors, lengths = indices[flat], vectors[flat], lengths[flat]
    # The shortest are enough: a cell of least area has short sides.
    nearest = np.argsort(lengths, kind="stable")[:200]
    indices, vectors, lengths = indices[nearest], vectors[nearest], lengths[nearest]
    units = vectors / lengths[:, None]
    fits = np.abs(units @ units.T) <= tolerance
    # Right-handed, so that the structure is not mirrored.
    fits &= np.einsum("aj,bk,jkl->abl", units, units, _LEVI_CIVITA) @ beam > 0
    if not fits.any():
        return None
    area = np.where(fits, lengths[:, None] * lengths[None, :], np.inf)
    a, b = np.unravel_index(np.argmin(np.round(area, 6)), area.shape)
    return indices[a], indices[b]


_LEVI_CIVITA = np.array(
    [[np.cross(a, b) for b in np.eye(3)] for a in np.eye(3)]
)  # (a x b)_l = a_j b_k e_jkl


def supercell(
    oriented: ase.Atoms, extent_a: tuple[float, float], thickness_a: float
) -> ase.Atoms:
    """Repeats an orthogonal cell to at least extent_a (y, x) and thickness_a [A]."""
    check_orthogonal(oriented)
    for name, value in zip(
        ("extent_a y", "extent_a x", "thickness_a"),
        (*extent_a, thickness_a),
        strict=True,
    ):
        check_range(name, value, 1e-3, 1e5, "A")
    wanted = np.array([extent_a[1], extent_a[0], thickness_a])
    repeats = np.ceil(wanted / oriented.cell.lengths() - 1e-6).astype(int)
    return oriented.repeat(np.maximum(repeats, 1))


def centre(atoms: ase.Atoms, number: int | None = None) -> ase.Atoms:
    """Moves an atom (of element `number`) to the middle of the cell's (x, y)."""
    check_orthogonal(atoms)
    chosen = atoms.positions[:, :2]
    if number is not None:
        chosen = chosen[atoms.numbers == number]
        if not len(chosen):
            raise SimulatorError(f"centre: there is no element {number}.")
    middle = atoms.cell.lengths()[:2] / 2
    nearest = chosen[np.argmin(np.linalg.norm(chosen - middle, axis=1))]
    moved = atoms.copy()
    moved.positions[:, :2] += middle - nearest
    moved.wrap(eps=1e-6)
    return moved


def strain(
    oriented: ase.Atoms, xx: float = 0.0, yy: float = 0.0, zz: float = 0.0
) -> ase.Atoms:
    """Stretches an orthogonal cell along its axes by these shares."""
    check_orthogonal(oriented)
    for name, value in (("xx", xx), ("yy", yy), ("zz", zz)):
        check_range(f"strain {name}", value, -0.5, 0.5, "")
    strained = oriented.copy()
    stretched = oriented.cell.array * (1 + np.array([xx, yy, zz]))[:, None]
    strained.set_cell(stretched, scale_atoms=True)
    return strained


def check_orthogonal(atoms: ase.Atoms) -> None:
    """Refuses a cell whose sides are not along x, y and z."""
    cell = atoms.cell.array
    if np.abs(cell - np.diag(np.diag(cell))).max() > 1e-6 * np.abs(cell).max():
        raise SimulatorError("the cell is not orthogonal along x, y, z: orient() it.")
