"""Crystals that several tests use."""

import ase
import ase.build


def strontium_titanate() -> ase.Atoms:
    return ase.Atoms(
        "SrTiO3",
        scaled_positions=[
            *((0, 0, 0), (0.5, 0.5, 0.5)),
            *((0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)),
        ],
        cell=[3.905] * 3,
        pbc=True,
    )


def silicon() -> ase.Atoms:
    return ase.build.bulk("Si", cubic=True)
