"""What the fast images of crystals need of each compound: constants, made once.

Every compound gets the same number of grid points, so that one compiled program serves
all: lengths are in units of the crystal's side across the beam.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from inverse.simulator.crystal_images import Microscope
from inverse.simulator.electron import (
    REST_ENERGY_EV,
    interaction_parameter,
    wavelength_a,
)
from inverse.simulator.errors import SimulatorError
from inverse.simulator.grid import Grid
from inverse.simulator.oxides import Oxide
from inverse.simulator.perovskite import OXYGEN
from inverse.simulator.potential import form_factors
from inverse.simulator.probe import aperture
from inverse.simulator.scattering_factors import scattering_factor


@dataclasses.dataclass(frozen=True)
class Sampling:
    """What the fast images leave out.

    Attributes:
      gpts_per_cell: grid points along one cell; they bound the angles that waves keep.
      bright_mrad: the detector of the deflection reaches to there; ABF lies within.
      batch_size: plane waves that travel together.
    """

    gpts_per_cell: int = 32
    bright_mrad: float = 35.0
    batch_size: int = 25


class Tables(NamedTuple):
    """Constants of a microscope and of every compound.

    Attributes:
      side_a: of the crystal across the beam [oxide], A.
      factors: potential of an atom of A, B, O [oxide, 3, y, x // 2 + 1], V A.
      fresnel: -pi lambda k^2 [oxide, y, x], rad per A.
      limit: frequencies that are propagated [y, x].
      beams: rows and columns of the aperture's plane waves [2, beam].
      opening: the aperture on them [oxide, beam], squares sum to 1.
      chi: phase per A of defocus [oxide, beam], rad.
      seen: rows and columns of what the bright detectors collect [2, pixel].
      abf: the ring among those [oxide, pixel].
      deflection: their angles kx + i ky [oxide, pixel], mrad; 0 off the detector.
      cross_section: of A, B, O for scattering into HAADF [oxide, 3], A^2.
      sigma: phase per projected potential, rad / (V A).
    """

    side_a: np.ndarray
    factors: np.ndarray
    fresnel: np.ndarray
    limit: np.ndarray
    beams: np.ndarray
    opening: np.ndarray
    chi: np.ndarray
    seen: np.ndarray
    abf: np.ndarray
    deflection: np.ndarray
    cross_section: np.ndarray
    sigma: float


def _inside(gpts: int, side_a: float, energy_ev: float, angle_mrad: float):
    """Signed indices [2, n] of frequencies up to an angle and one further."""
    radius = 1e-3 * angle_mrad / wavelength_a(energy_ev) * side_a + 1
    index = np.fft.fftfreq(gpts, 1 / gpts)
    y, x = np.meshgrid(index, index, indexing="ij")
    chosen = np.hypot(y, x) <= radius
    return np.stack([y[chosen], x[chosen]]).astype(np.int32)


def haadf_cross_section(
    number: int, energy_ev: float, inner_mrad: float, outer_mrad: float
) -> float:
    """Cross-section of an atom for scattering into a ring [A^2].

    Atoms count independently there, with the differential cross-section
    (gamma f(k))^2 of the first Born approximation: thermal motion only moves
    electrons from coherent to incoherent scattering.
    """
    gamma = 1 + energy_ev / REST_ENERGY_EV
    wavelength = wavelength_a(energy_ev)
    k = np.linspace(inner_mrad, outer_mrad, 400) * 1e-3 / wavelength
    f = gamma * scattering_factor(number, k)
    return float(np.trapezoid(2 * math.pi * k * f**2, k) * wavelength**2)


def make_tables(
    oxides: tuple[Oxide, ...], cells: int, microscope: Microscope, sampling: Sampling
) -> Tables:
    """Makes the tables of crystals of `cells` x `cells` across the beam."""
    seen, gpts = microscope, cells * sampling.gpts_per_cell
    energy, wavelength = seen.energy_ev, wavelength_a(seen.energy_ev)
    grids = [Grid((o.pseudo_cubic_a * cells,) * 2, (gpts, gpts)) for o in oxides]
    largest = max(grid.extent_a[0] for grid in grids)
    least = min(1e3 * wavelength * grid.cutoff for grid in grids)
    if sampling.bright_mrad > least:
        raise SimulatorError(
            f"gpts_per_cell={sampling.gpts_per_cell}: waves keep {least:.1f} mrad of "
            f"the {sampling.bright_mrad} mrad of the bright detector; use more."
        )
    beams = _inside(gpts, largest, energy, seen.semiangle_cutoff_mrad)
    pixels = _inside(gpts, largest, energy, sampling.bright_mrad)
    edge = seen.semiangle_cutoff_mrad
    made = []
    for oxide, grid in zip(oxides, grids, strict=True):
        species = (oxide.a_site, oxide.b_site, OXYGEN)
        opening = aperture(grid, energy, edge)[beams[0], beams[1]]
        opening = opening / np.linalg.norm(opening)
        angle = 1e3 * wavelength * pixels / grid.extent_a[0]
        radius = np.hypot(*angle)
        deflection = (angle[1] + 1j * angle[0]) * (radius <= sampling.bright_mrad)
        k2 = np.sum((beams / grid.extent_a[0]) ** 2, axis=0)
        made.append(
            {
                "side_a": np.float32(grid.extent_a[0]),
                "factors": form_factors(grid, species, seen.phonon_rms_a),
                "fresnel": -math.pi * wavelength * grid.squared_frequency(),
                "opening": opening,
                "chi": math.pi * wavelength * k2,
                "abf": (radius >= edge / 2) & (radius < edge),
                "deflection": deflection.astype(np.complex64),
                "cross_section": [
                    haadf_cross_section(
                        z, energy, seen.haadf_inner_mrad, seen.outer_mrad
                    )
                    for z in species
                ],
            }
        )
    stacked = {name: np.stack([m[name] for m in made]) for name in made[0]}
    floats = {
        name: v if v.dtype == np.complex64 else v.astype(np.float32)
        for name, v in stacked.items()
    }
    return Tables(
        limit=grids[0].band_limit(),
        beams=beams,
        seen=pixels,
        sigma=interaction_parameter(energy),
        **floats,
    )
