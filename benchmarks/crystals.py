"""Crystals that several benchmarks simulate."""

import ase


def strontium_titanate_cell(side_a: float = 3.905) -> ase.Atoms:
    """One cell of SrTiO3, strontium at the origin."""
    return ase.Atoms(
        "SrTiO3",
        scaled_positions=[
            *((0, 0, 0), (0.5, 0.5, 0.5)),
            *((0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)),
        ],
        cell=[side_a] * 3,
        pbc=True,
    )
