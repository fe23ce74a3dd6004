"""The geometry of a 4D-STEM scan and of the map that belongs to it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Scan:
    """What one needs to know of a stack of patterns to read it.

    Attributes:
      positions: rows and columns of probe positions; channel r * columns + c of a stack
        is the pattern at row r and column c.
      step_a: between neighbouring positions [Å].
      pixel_a: of the density map, whose corner pixel lies at the first position [Å].
      angle_mrad: of a pixel of the patterns, whose centre pixel [n // 2] is the
        unscattered beam [mrad].
      energy_ev: of the beam [eV].
      semiangle_mrad: of the probe-forming aperture [mrad].
    """

    positions: tuple[int, int]
    step_a: float
    pixel_a: float
    angle_mrad: float
    energy_ev: float
    semiangle_mrad: float
