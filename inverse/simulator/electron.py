"""The beam electron: wavelength and strength of its interaction."""

import math

from inverse.simulator.errors import check_range

# CODATA 2018.
HC_EV_A = 12398.419843320026
REST_ENERGY_EV = 510998.9499961642
BOHR_RADIUS_A = 0.529177210903
HARTREE_EV = 27.211386245988

# h^2 / (2 pi m0 e) [V A^2]: a scattering factor [A] times this is the Fourier transform
# of the potential [V A^3].
POTENTIAL_V_A2 = 2 * math.pi * BOHR_RADIUS_A**2 * HARTREE_EV


def wavelength_a(energy_ev: float) -> float:
    """Relativistic wavelength [A] of an electron accelerated to `energy_ev` [eV]."""
    _check(energy_ev)
    return HC_EV_A / math.sqrt(energy_ev * (2 * REST_ENERGY_EV + energy_ev))


def interaction_parameter(energy_ev: float) -> float:
    """Phase per projected potential, sigma = 2 pi m e lambda / h^2 [rad / (V A)].

    m is the relativistic mass (Kirkland, Advanced Computing in Electron Microscopy,
    2nd ed., eq. 5.6).
    """
    gamma = 1 + energy_ev / REST_ENERGY_EV
    return gamma * wavelength_a(energy_ev) / POTENTIAL_V_A2


def _check(energy_ev: float) -> None:
    check_range("energy_ev", energy_ev, 1e3, 3e6, "eV")
