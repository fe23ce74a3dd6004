"""Projected potentials of atoms, from their exact structure factors.

V(k) = kappa / area * sum_Z f_Z(|k|) sum_j exp(-2 pi i k.r_j): atoms stand anywhere, the
cell is periodic, and the sum over atoms is a product of two dense matrices, which
accelerators do well and which differentiates.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from inverse.simulator.electron import POTENTIAL_V_A2
from inverse.simulator.grid import Grid
from inverse.simulator.scattering_factors import scattering_factor


def form_factors(
    grid: Grid,
    numbers: Sequence[int],
    rms_a: float | Sequence[float] = 0.0,
    table: str = "lobato",
) -> np.ndarray:
    """Fourier coefficients of one atom of each element in the cell [V A].

    The Nyquist row and column are zero, since they stand for two frequencies at once.

    Args:
      grid: of the cell.
      numbers: atomic numbers, one per species.
      rms_a: thermal displacement along one axis [A], of all species or of each; the
        Debye-Waller factor exp(-2 pi^2 u^2 k^2) blurs the atoms by it.
      table: see scattering_factor.

    Returns:
      [species, y, x // 2 + 1] float32, in the order of rfft2.
    """
    ny, nx = grid.gpts
    k2 = grid.squared_frequency()[:, : nx // 2 + 1]
    rms = np.broadcast_to(np.asarray(rms_a, np.float64), len(numbers))
    factors = np.stack(
        [
            scattering_factor(z, np.sqrt(k2), table)
            * np.exp(-2 * (np.pi * u) ** 2 * k2)
            for z, u in zip(numbers, rms, strict=True)
        ]
    )
    factors[:, ny // 2] = 0
    factors[:, :, nx // 2] = 0
    return (POTENTIAL_V_A2 / grid.area_a2 * factors).astype(np.float32)


def structure_factors(
    positions_a: jax.Array, weights: jax.Array, grid: Grid
) -> jax.Array:
    """sum_j w_j exp(-2 pi i k.r_j) for every species.

    Args:
      positions_a: [species, atoms, (x, y)] [A]; padding has weight 0.
      weights: [species, atoms], 1 of an atom.
      grid: of the cell.

    Returns:
      [species, y, x // 2 + 1] complex64, in the order of rfft2.
    """
    ny, nx = grid.gpts
    rows = _phases(positions_a[..., 1] / grid.extent_a[0], np.fft.fftfreq(ny, 1 / ny))
    columns = _phases(positions_a[..., 0] / grid.extent_a[1], np.arange(nx // 2 + 1))
    return jnp.einsum(
        "sjy,sjx->syx",
        rows * weights[..., None],
        columns,
        precision=lax.Precision.HIGHEST,
    )


def projected_potential(
    positions_a: jax.Array, weights: jax.Array, factors: jax.Array, grid: Grid
) -> jax.Array:
    """Potential projected along the beam [V A], [y, x] float32.

    Args:
      positions_a: [species, atoms, (x, y)] [A].
      weights: [species, atoms], 1 of an atom and 0 of padding.
      factors: form_factors of these species.
      grid: of the cell.
    """
    return to_real(projected_coefficients(positions_a, weights, factors, grid), grid)


def projected_coefficients(
    positions_a: jax.Array, weights: jax.Array, factors: jax.Array, grid: Grid
) -> jax.Array:
    """Fourier coefficients of projected_potential [y, x // 2 + 1]."""
    return jnp.sum(factors * structure_factors(positions_a, weights, grid), axis=0)


def first_structure_factors(
    positions_a: jax.Array, count: jax.Array, grid: Grid, block: int
) -> jax.Array:
    """sum_j exp(-2 pi i k.r_j) over the first `count` atoms of one species.

    Takes time for `count` atoms, not for the padding, but has no reverse derivative.

    Args:
      positions_a: [atoms, (x, y)] [A].
      count: of atoms that are there, an integer without axes.
      grid: of the cell.
      block: atoms that are summed at once.

    Returns:
      [y, x // 2 + 1] complex64, in the order of rfft2.
    """
    spare = -len(positions_a) % block
    padded = jnp.pad(positions_a, [(0, spare), (0, 0)])

    def summed(number):
        places = jax.lax.dynamic_slice_in_dim(padded, number * block, block)
        here = number * block + jnp.arange(block) < count
        weights = here[None].astype(jnp.float32)
        return structure_factors(places[None], weights, grid)[0]

    # From a block, not from zeros: a loop's values must vary over the same devices.
    return jax.lax.fori_loop(
        1, -(-count // block), lambda i, total: total + summed(i), summed(0)
    )


def to_real(coefficients: jax.Array, grid: Grid) -> jax.Array:
    """Sums a Fourier series given in the order of rfft2; returns [y, x]."""
    return jnp.fft.irfft2(coefficients, s=grid.gpts, norm="forward")


def slice_potentials(
    positions_a: jax.Array, weights: jax.Array, factors: jax.Array, grid: Grid
) -> jax.Array:
    """Projected potential of every slice [slices, y, x] [V A].

    One slice after the other, so that memory holds the phases of one.

    Args:
      positions_a: [slices, species, atoms, (x, y)] [A].
      weights: [slices, species, atoms].
      factors: form_factors of the species.
      grid: of the cell.
    """
    return lax.map(
        lambda layer: projected_potential(*layer, factors, grid), (positions_a, weights)
    )


def _phases(fractions: jax.Array, orders: np.ndarray) -> jax.Array:
    """exp(-2 pi i h u) for integers h; the turns are taken off before the sine."""
    turns = fractions[..., None] * jnp.asarray(orders, jnp.float32).reshape(
        (1,) * fractions.ndim + (-1,)
    )
    return jnp.exp(-2j * jnp.pi * jnp.mod(turns, 1.0))
