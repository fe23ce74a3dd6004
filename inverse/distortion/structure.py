"""The mean structure of a predicted image, as atoms that other programs read."""

import pathlib
import re

import ase
import ase.io
import jax.numpy as jnp
import numpy as np

from inverse.distortion.mean_distortions import seen_means
from inverse.simulator.glazer import PHASES, rotations
from inverse.simulator.oxides import Oxide, load_oxides
from inverse.simulator.perovskite import Distortions, atoms_of, build_crystal

_COUNTS = (2, 2, 2)
_NOTABLE = 0.02  # of a cell's side; strained films reach it
_ENDINGS = (".cif", ".xyz")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{6,}(?:e[-+]?\d+)?")


def mean_atoms(
    mean: dict[str, float | np.ndarray], oxide: Oxide, cell_a: float
) -> ase.Atoms:
    """2 x 2 x 2 cells with the depth means of tilts and displacements.

    An image does not say along which axis across the beam tilts are in phase: those
    about x and y are drawn out of phase. The side along the beam, which it does not
    show either, is that of a cube but for the tilts.

    Args:
      mean: of the targets, such as "shift_B_x_P0_pm", degrees and pm; displacements
        may be those of each of 2 x 2 cells [(j, i)].
      oxide: whose atoms stand on A and B.
      cell_a: side of a cell across the beam [A].
    """
    angles = np.zeros((3, 2))
    angles[2, PHASES.index("+")] = mean["tilt_repeating_z_P0_deg"]
    for axis, name in enumerate("xyz"):
        angles[axis, PHASES.index("-")] = mean[f"tilt_alternating_{name}_P0_deg"]
    tilt = jnp.broadcast_to(np.deg2rad(angles), (*_COUNTS, 3, 2))
    shifts = [
        jnp.stack([_by_cell(mean[f"shift_{a}_{axis}_P0_pm"]) for axis in "xyz"], -1)
        for a in "ABO"
    ]
    fields = Distortions(rotations(tilt), *shifts)

    def build(side):
        return build_crystal(fields, side, jnp.zeros(3), periodic_beam=True)

    # Tilts draw cells together: the side without them is larger than what is seen.
    seen = build(jnp.asarray(cell_a)).cell[:2].mean()
    crystal = build(jnp.asarray(cell_a) * cell_a / seen)
    sites = jnp.int32(oxide.a_site), jnp.int32(oxide.b_site)
    positions, numbers = atoms_of(crystal, *sites, jnp.int32(_COUNTS[2]))
    sides = np.asarray(crystal.cell) * np.array(_COUNTS)
    return ase.Atoms(np.asarray(numbers), np.asarray(positions), cell=sides, pbc=True)


def _by_cell(shift_pm: float | np.ndarray) -> jnp.ndarray:
    """A displacement in every cell [x, y, z] [A], of one number or of 2 x 2 [y, x]."""
    per_cell = np.broadcast_to(np.asarray(shift_pm) / 100, _COUNTS[:2]).T
    return jnp.broadcast_to(per_cell[..., None], _COUNTS)


def odd_size(oxide: Oxide, cell_a: float) -> list[str]:
    """Says so where a cell of side `cell_a` [A] is hardly one of `oxide`."""
    off = cell_a / oxide.pseudo_cubic_a - 1
    if abs(off) < _NOTABLE:
        return []
    return [
        f"the cell measures {cell_a:.3f} A, that of {oxide.formula} "
        f"{oxide.pseudo_cubic_a:.3f} A ({off:+.1%}): the size of a pixel may be wrong "
        "(config.prediction.pixel_a)"
    ]


def remove_structure(target: pathlib.Path) -> None:
    """Removes what an earlier call of `write_structure` left beside `target`."""
    for ending in _ENDINGS:
        target.with_suffix(ending).unlink(missing_ok=True)


def write_structure(target: pathlib.Path, formula: str, summary: dict) -> list[str]:
    """Writes the mean structure beside `target`, with what is known of it in words.

    What the image does not show is left out: such atoms stand where they would without.

    Args:
      target: path of which the ending is replaced.
      formula: of the oxide; empty: a structure of an earlier call is removed.
      summary: has "files", "cells", "rim_cells", "cell_a", "step", "warnings" and
        "mean", see `average_cells`.

    Returns:
      The endings of what was written.
    """
    if not formula:
        remove_structure(target)
        return []
    (oxide,) = load_oxides((formula,))
    structure = mean_atoms(seen_means(summary["mean"]), oxide, summary["cell_a"])
    remarks = _remarks(formula, summary)
    cif = target.with_suffix(".cif")
    ase.io.write(cif, structure)
    # Five digits are a thousandth of a pm, and more than any image tells.
    text = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.5f}", cif.read_text())
    cif.write_text("".join(f"# {line}\n" for line in remarks) + text)
    structure.info["remarks"] = "; ".join(remarks)
    ase.io.write(target.with_suffix(".xyz"), structure, format="extxyz")
    return list(_ENDINGS)


def _told(values: dict) -> str:
    """The mean, or those of the four cells of 2 x 2 row by row."""
    means = np.ravel(values["by_parity"] or values["mean"])
    return "/".join(f"{value:.2f}" for value in means)


def _remarks(formula: str, summary: dict) -> list[str]:
    """What a reader of the structure must know, a line each."""
    across, along = (n - 2 * summary["rim_cells"] for n in summary["cells"])
    files = " and ".join(summary["files"])
    mean = {name: v for name, v in summary["mean"].items() if "_P0_" in name}
    told = [
        f"{name} {_told(v)} +- {v['error_95']:.2f} (95 %)"
        for name, v in mean.items()
        if v["seen"]
    ]
    unseen = [name for name, v in mean.items() if not v["seen"]]
    return [
        f"{formula}, mean over {across} x {along} cells of {files} and over the depth, "
        f"as a network at step {summary['step']} says",
        f"in the image: {', '.join(told) or 'nothing'}",
        f"not seen, here undistorted: {', '.join(unseen) or 'nothing'}",
        "sides across the beam are those of the image's pixel; the side along it, "
        "which no image shows, is that of a cube but for the tilts",
        *(f"with care: {note}" for note in summary["warnings"]),
    ]
