"""Atoms laid out for computing: slices, species and padding as frozen arrays."""

import dataclasses
import math

import ase
import numpy as np

from inverse.simulator.errors import SimulatorError, check_range
from inverse.simulator.specimen import check_orthogonal

# Share of a slice by which an atom on a boundary may miss it.
_ON_BOUNDARY = 1e-3


@dataclasses.dataclass(frozen=True)
class SlicedAtoms:
    """A specimen as slices across the beam, some of them repeated.

    Attributes:
      positions_a: [unique slices, species, atoms, (x, y)] [A], float32.
      weights: [unique slices, species, atoms], 1 of an atom and 0 of padding.
      numbers: atomic number of each species.
      order: [slices], which unique slice stands where, the beam's first one first.
      extent_a: sides of the cell (y, x) [A].
      slice_thickness_a: of every slice [A].
    """

    positions_a: np.ndarray
    weights: np.ndarray
    numbers: tuple[int, ...]
    order: np.ndarray
    extent_a: tuple[float, float]
    slice_thickness_a: float

    @property
    def thickness_a(self) -> float:
        """Of the specimen [A]."""
        return len(self.order) * self.slice_thickness_a

    @property
    def num_atoms(self) -> int:
        """Atoms of the whole specimen."""
        return int(self.weights.sum(axis=(1, 2))[self.order].sum())


def slice_atoms(
    atoms: ase.Atoms, slice_thickness_a: float = 2.0, repeats: int = 1
) -> SlicedAtoms:
    """Cuts an orthogonal cell into equal slices.

    Args:
      atoms: an orthogonal cell, one period of the specimen along the beam.
      slice_thickness_a: largest thickness; the period is a whole number of slices.
      repeats: periods along the beam.
    """
    check_orthogonal(atoms)
    check_range("slice_thickness_a", slice_thickness_a, 0.1, 100.0, "A")
    if repeats < 1:
        raise SimulatorError(f"repeats={repeats}: must be 1 or more.")
    lx, ly, period = map(float, atoms.cell.lengths())
    count = max(1, math.ceil(period / slice_thickness_a - 1e-6))
    numbers = tuple(int(z) for z in np.unique(atoms.numbers))
    layers = layout(atoms.positions, atoms.numbers, numbers, count, period)
    return SlicedAtoms(
        *layers,
        numbers=numbers,
        order=np.tile(np.arange(count), repeats),
        extent_a=(ly, lx),
        slice_thickness_a=period / count,
    )


def layout(
    positions_a: np.ndarray,
    atomic_numbers: np.ndarray,
    numbers: tuple[int, ...],
    count: int,
    period_a: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Sorts atoms into [slices, species, atoms, (x, y)] and weights of that layout."""
    slot = positions_a[:, 2] / period_a * count
    slot = np.floor(slot + _ON_BOUNDARY).astype(int) % count
    members = [
        [np.flatnonzero((slot == s) & (atomic_numbers == z)) for z in numbers]
        for s in range(count)
    ]
    most = max(1, max(len(m) for layer in members for m in layer))
    positions = np.zeros((count, len(numbers), most, 2), np.float32)
    weights = np.zeros((count, len(numbers), most), np.float32)
    for s, layer in enumerate(members):
        for z, chosen in enumerate(layer):
            positions[s, z, : len(chosen)] = positions_a[chosen, :2]
            weights[s, z, : len(chosen)] = 1
    return positions, weights
