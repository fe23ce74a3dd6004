"""The lens: phase errors of the probe-forming optics."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from inverse.simulator.electron import wavelength_a
from inverse.simulator.errors import SimulatorError
from inverse.simulator.grid import Grid

# (n, m) of C_nm [A], each with an angle phi_nm [rad] where m > 0.
ORDERS = (
    *((1, 0), (1, 2), (2, 1), (2, 3), (3, 0), (3, 2), (3, 4)),
    *((4, 1), (4, 3), (4, 5), (5, 0), (5, 2), (5, 4), (5, 6)),
)
SYMBOLS = (
    *(f"C{n}{m}" for n, m in ORDERS),
    *(f"phi{n}{m}" for n, m in ORDERS if m),
)


def aberration_phase(
    grid: Grid, energy_ev: float, coefficients: Mapping[str, jax.Array]
) -> jax.Array:
    """Phase chi(k) [rad] of the lens, [y, x] in the order of an FFT.

    chi = 2 pi / lambda sum_nm C_nm alpha^(n+1) / (n+1) cos(m (phi - phi_nm)), the polar
    expansion (Kirkland, 2nd ed., eq. 2.22); a defocus is -C10, and Cs is C30.

    Args:
      grid: of the wave.
      energy_ev: of the beam.
      coefficients: any of C10, C12, phi12, ... C56, phi56 [A, rad], numbers or arrays
        without axes.
    """
    unknown = [name for name in coefficients if name not in SYMBOLS]
    if unknown:
        raise SimulatorError(
            f"aberration {unknown[0]!r}: known are {', '.join(SYMBOLS)}."
        )
    wavelength = wavelength_a(energy_ev)
    ky, kx = (jnp.asarray(k, jnp.float32) for k in grid.frequencies())
    alpha2 = wavelength**2 * (ky**2 + kx**2)
    angle = jnp.arctan2(ky, kx)
    path = jnp.zeros(grid.gpts, jnp.float32)
    for n, m in ORDERS:
        if (symbol := f"C{n}{m}") not in coefficients:
            continue
        # An even power has a derivative at the origin, a root has none.
        power = alpha2 ** ((n + 1) // 2) * (jnp.sqrt(alpha2) if n % 2 == 0 else 1.0)
        turn = coefficients.get(f"phi{n}{m}", 0.0)
        wave = jnp.cos(m * (angle - turn)) if m else 1.0
        path = path + coefficients[symbol] / (n + 1) * power * wave
    return 2 * jnp.pi / wavelength * path
