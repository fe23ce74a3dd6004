"""Many oriented crystals as one set of arrays, so that a key can choose among them."""

from collections.abc import Sequence
from typing import NamedTuple

import ase
import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.errors import SimulatorError
from inverse.simulator.slices import layout
from inverse.simulator.specimen import check_orthogonal


class Crystals(NamedTuple):
    """Discs of crystals, padded to common sizes; C of them.

    Attributes:
      positions_a: [C, slices, species, atoms, (x, y)] [A] about the disc's centre.
      weights: [C, slices, species, atoms], 1 of an atom and 0 of padding.
      species: [C, species], places in `numbers`.
      num_unique: [C] slices of one period.
      slice_thickness_a: [C].
      cell_a: [C, (x, y)], periods across the beam.
      numbers: atomic numbers of all crystals, ascending.
    """

    positions_a: np.ndarray
    weights: np.ndarray
    species: np.ndarray
    num_unique: np.ndarray
    slice_thickness_a: np.ndarray
    cell_a: np.ndarray
    numbers: tuple[int, ...]

    def __len__(self) -> int:
        """Number of crystals, not of fields."""
        return len(self.num_unique)


def stack_crystals(
    oriented: Sequence[ase.Atoms], extent_a: float, slice_thickness_a: float = 2.0
) -> Crystals:
    """Cuts a disc that covers a square of any azimuth from every crystal.

    Args:
      oriented: orthogonal cells, the beam along z (see specimen.orient).
      extent_a: side of the square [A].
      slice_thickness_a: largest; each period becomes a whole number of slices.
    """
    if not oriented:
        raise SimulatorError("stack_crystals: there is no crystal.")
    discs = [_disc(atoms, extent_a, slice_thickness_a) for atoms in oriented]
    numbers = sorted({z for disc in discs for z in disc["numbers"]})
    sizes = [disc["weights"].shape for disc in discs]
    slices, species, most = np.max(sizes, axis=0)
    positions = np.zeros((len(discs), slices, species, most, 2), np.float32)
    weights = np.zeros((len(discs), slices, species, most), np.float32)
    places = np.zeros((len(discs), species), np.int32)
    for c, (disc, (u, s, j)) in enumerate(zip(discs, sizes, strict=True)):
        positions[c, :u, :s, :j] = disc["positions_a"]
        weights[c, :u, :s, :j] = disc["weights"]
        places[c, :s] = [numbers.index(z) for z in disc["numbers"]]
    return Crystals(
        positions,
        weights,
        places,
        np.array([u for u, _, _ in sizes], np.int32),
        np.array([disc["slice_thickness_a"] for disc in discs], np.float32),
        np.array([disc["cell_a"] for disc in discs], np.float32),
        tuple(numbers),
    )


def _disc(atoms: ase.Atoms, extent_a: float, slice_thickness_a: float) -> dict:
    check_orthogonal(atoms)
    lx, ly, period = atoms.cell.lengths()
    # Half a diagonal, and half a cell for the shift that an example draws.
    radius = extent_a / np.sqrt(2) + np.hypot(lx, ly) / 2
    reach_x, reach_y = (int(np.ceil(radius / side)) for side in (lx, ly))
    large = atoms.repeat((2 * reach_x, 2 * reach_y, 1))
    positions = large.positions - np.array([reach_x * lx, reach_y * ly, 0])
    inside = np.hypot(positions[:, 0], positions[:, 1]) <= radius
    count = max(1, int(np.ceil(period / slice_thickness_a - 1e-6)))
    numbers = tuple(int(z) for z in np.unique(atoms.numbers))
    places = layout(
        positions[inside], large.numbers[inside], numbers, count, float(period)
    )
    return {
        "positions_a": places[0],
        "weights": places[1],
        "numbers": numbers,
        "slice_thickness_a": period / count,
        "cell_a": (lx, ly),
    }


class Disc(NamedTuple):
    """The atoms of one period that lie in a square.

    Attributes:
      positions_a: [slices, species, atoms, (x, y)] [A], those in the square first.
      counts: [slices, species] atoms in the square.
    """

    positions_a: jax.Array
    counts: jax.Array


def place_disc(
    crystals: Crystals,
    chosen: jax.Array,
    shift: jax.Array,
    azimuth: jax.Array,
    side_a: float,
) -> Disc:
    """Shifts and turns a crystal in the square 0 ... side_a.

    Args:
      crystals: see stack_crystals.
      chosen: number of the crystal.
      shift: (x, y), in periods of the crystal, -0.5 ... 0.5.
      azimuth: by which it is turned about the square's middle [rad].
      side_a: of the square.
    """
    shift_a = jnp.asarray(crystals.cell_a)[chosen] * shift
    positions = jnp.asarray(crystals.positions_a)[chosen]
    x, y = (positions[..., i] + shift_a[i] for i in (0, 1))
    turned = jnp.stack(
        [
            x * jnp.cos(azimuth) - y * jnp.sin(azimuth),
            x * jnp.sin(azimuth) + y * jnp.cos(azimuth),
        ],
        axis=-1,
    )
    inside = jnp.all(jnp.abs(turned) < side_a / 2, axis=-1)
    inside &= jnp.asarray(crystals.weights)[chosen] > 0
    inside_first = jnp.argsort(~inside, axis=-1)
    ordered = jnp.take_along_axis(turned, inside_first[..., None], axis=-2)
    return Disc(ordered + side_a / 2, inside.sum(axis=-1))
