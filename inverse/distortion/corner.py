"""Which columns of a measured image are A, and so the corners of cells.

A and B with its oxygen stand on lattices of one shape, half a diagonal apart: nothing
but their chemistry tells them apart. In HAADF the heavier outshine the others.
"""

import dataclasses

from inverse.micrograph.lattice_fit import Lattice
from inverse.simulator.channelling_tables import haadf_cross_section
from inverse.simulator.oxides import Oxide, load_oxides

_OXYGEN = 8
# The one that says most of the chemistry first.
_CLEAREST = ("HAADF", "iDPC", "ABF")


@dataclasses.dataclass(frozen=True)
class Ring:
    """The detector of HAADF.

    Attributes:
      energy_ev: of the electrons.
      inner_mrad: of the ring.
      outer_mrad: of it.
    """

    energy_ev: float
    inner_mrad: float
    outer_mrad: float

    def b_over_a(self, oxide: Oxide) -> float:
        """Scattering of a B with its oxygen over that of an A."""
        a, b, oxygen = (
            haadf_cross_section(z, self.energy_ev, self.inner_mrad, self.outer_mrad)
            for z in (oxide.a_site, oxide.b_site, _OXYGEN)
        )
        return (b + oxygen) / a


def clearest(detectors: list[str]) -> str:
    """Of detectors that recorded at once, the one whose columns are told apart best."""
    return next(name for name in _CLEAREST if name in detectors)


def on_a(
    lattice: Lattice, detector: str, oxide: Oxide | None, ring: Ring
) -> tuple[Lattice, list[str]]:
    """The lattice with A in the corners, as far as that can be known.

    Args:
      lattice: of the brightest columns of `detector` (ABF: the darkest).
      detector: that `lattice` was fitted in.
      oxide: what the crystal is, if that is known.
      ring: of HAADF.

    Returns:
      The lattice, and what is to be taken with care.
    """
    if detector != "HAADF":
        which = "darkest" if detector == "ABF" else "brightest"
        return lattice, [
            f"without HAADF it is not certain which columns are A: the {which} of "
            f"{detector} are taken for them"
        ]
    if oxide is None:
        others = [o.formula for o in load_oxides() if ring.b_over_a(o) > 1]
        return lattice, [
            "the brightest columns are taken for A: where B with its oxygen outshines "
            f"it, as in {', '.join(others)}, name the crystal in "
            "config.prediction.oxide"
        ]
    return (lattice.between() if ring.b_over_a(oxide) > 1 else lattice), []
