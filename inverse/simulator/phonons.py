"""Thermal motion: frozen phonons and what a displacement is called."""

import math

import jax

from inverse.simulator.errors import check_range


def rms_from_b_factor(b_a2: float) -> float:
    """Displacement along one axis u [A] of B = 8 pi^2 u^2 [A^2]."""
    check_range("b_a2", b_a2, 0.0, 50.0, "A^2")
    return math.sqrt(b_a2 / (8 * math.pi**2))


def displace(
    key: jax.Array, positions_a: jax.Array, rms_a: jax.Array, configuration: int = 0
) -> jax.Array:
    """Independent Gaussian displacements across the beam (Einstein model).

    Args:
      key: the same one displaces alike on every device.
      positions_a: [slices, species, atoms, (x, y)] [A].
      rms_a: along one axis, a number or one per species [species].
      configuration: another one, other displacements.
    """
    shake = jax.random.normal(jax.random.fold_in(key, configuration), positions_a.shape)
    if getattr(rms_a, "ndim", 0):
        rms_a = rms_a.reshape(1, -1, 1, 1)
    return positions_a + rms_a * shake
