"""Crystals to simulate, and which of them are never trained on.

Lattice constants are those of common reference works at room temperature [Å]; cubic
perovskites that distort are taken in their pseudo-cubic cell.
"""

import hashlib
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import ase
import ase.build
import numpy as np

from inverse.errors import ConfigError
from inverse.simulator.specimen import read_structure

_CUBIC = {
    "fcc": (225, {"Al": 4.050, "Cu": 3.615, "Ag": 4.086, "Au": 4.078, "Ni": 3.524}),
    "bcc": (229, {"Fe": 2.867, "W": 3.165, "Mo": 3.147, "Nb": 3.301, "Cr": 2.885}),
    "diamond": (227, {"C": 3.567, "Si": 5.431, "Ge": 5.658}),
    "zincblende": (
        216,
        {"GaAs": 5.653, "InP": 5.869, "GaP": 5.451, "ZnS": 5.409, "CdTe": 6.482},
    ),
    "rocksalt": (
        225,
        {"NaCl": 5.640, "MgO": 4.212, "KCl": 6.292, "PbS": 5.936, "NiO": 4.177},
    ),
    "cesiumchloride": (221, {"CsCl": 4.123, "NiAl": 2.887}),
    "fluorite": (225, {"CaF2": 5.463, "CeO2": 5.411}),
}
_PEROVSKITES = {
    ("Sr", "Ti"): 3.905,
    ("Ba", "Ti"): 4.006,
    ("K", "Ta"): 3.989,
    ("La", "Al"): 3.790,
    ("Ca", "Ti"): 3.840,
    ("La", "Mn"): 3.880,
}
_PEROVSKITE_SPACE_GROUP = 221
_SUFFIXES = (".cif", ".xyz", ".vasp", ".poscar")


class Material(NamedTuple):
    """A crystal and what it is told apart by.

    Attributes:
      name: formula, or name of the file.
      space_group: its number; 0 if unknown.
      atoms: conventional cell.
    """

    name: str
    space_group: int
    atoms: ase.Atoms


def digest_of_materials(materials: Iterable[Material]) -> str:
    """SHA-256 of names, elements, places and cells, in the order given."""
    digest = hashlib.sha256()
    for material in materials:
        atoms = material.atoms
        digest.update(f"{material.name} {material.space_group};".encode())
        for array in (atoms.numbers, atoms.positions, atoms.cell.array):
            digest.update(np.ascontiguousarray(array, "<f8").tobytes())
    return digest.hexdigest()


def _perovskite(a: str, b: str, side_a: float) -> ase.Atoms:
    half = 0.5
    return ase.Atoms(
        f"{a}{b}O3",
        scaled_positions=[
            (0, 0, 0),
            (half, half, half),
            (half, half, 0),
            (half, 0, half),
            (0, half, half),
        ],
        cell=[side_a] * 3,
        pbc=True,
    )


def embedded_materials() -> list[Material]:
    """Elements, semiconductors, salts and oxides of seven structure types."""
    found = []
    for structure, (space_group, members) in _CUBIC.items():
        for name, side_a in members.items():
            atoms = ase.build.bulk(name, structure, a=side_a, cubic=True)
            found.append(Material(name, space_group, atoms))
    for (a, b), side_a in _PEROVSKITES.items():
        atoms = _perovskite(a, b, side_a)
        found.append(Material(f"{a}{b}O3", _PEROVSKITE_SPACE_GROUP, atoms))
    return found


def materials_of(folder: str) -> list[Material]:
    """Reads every structure file of a folder.

    Raises:
      ConfigError: there is no such folder, or none in it.
      SimulatorError: one cannot be simulated.
    """
    path = pathlib.Path(folder).expanduser()
    if not path.is_dir():
        raise ConfigError(
            f"config.dataset.structures={folder!r}: no such folder; give the path of "
            "one with structure files, or leave it empty for the crystals that come "
            "along."
        )
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in _SUFFIXES)
    if not files:
        raise ConfigError(
            f"config.dataset.structures={folder!r}: holds no "
            f"{', '.join(_SUFFIXES)} file; put some there, or name another folder."
        )
    found = []
    for file in files:
        atoms = read_structure(file)
        group = atoms.info.get("spacegroup")
        found.append(Material(file.stem, group.no if group else 0, atoms))
    return found


def split_materials(
    materials: list[Material],
    *,
    seed: int,
    validation_share: float,
    held_out_share: float,
    held_out_space_groups: tuple[int, ...],
) -> dict[str, list[Material]]:
    """Deals whole materials to "train", "validation", "materials" and "space_groups".

    Choices are made on "validation"; the other two are for what is reported.

    A material's place depends on its name and the seed alone: on no order of files, no
    process and no other material.

    Args:
      materials: all there are.
      seed: of the dealing.
      validation_share: of the materials, on average, that choices are made on.
      held_out_share: of the materials, on average, that nothing depends on.
      held_out_space_groups: none of their materials is trained on.

    Raises:
      ConfigError: a split would be empty.
    """
    splits = {"train": [], "validation": [], "materials": [], "space_groups": []}
    for material in materials:
        digest = hashlib.sha256(f"{seed}/{material.name}".encode()).digest()
        drawn = int.from_bytes(digest[:8], "big") / 2**64
        if material.space_group in held_out_space_groups:
            splits["space_groups"].append(material)
        elif drawn < held_out_share:
            splits["materials"].append(material)
        elif drawn < held_out_share + validation_share:
            splits["validation"].append(material)
        else:
            splits["train"].append(material)
    if not held_out_space_groups:
        del splits["space_groups"]
    for name, members in splits.items():
        if not members:
            raise ConfigError(
                f"config.dataset: of {len(materials)} materials none is left for "
                f"{name!r}; change validation_share, held_out_share, "
                "held_out_space_groups or split_seed."
            )
    return splits
