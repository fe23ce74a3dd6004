"""Images from where the beam goes: centre of mass, segments (DPC) and iDPC."""

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.detector import annular_mask
from inverse.simulator.electron import wavelength_a
from inverse.simulator.grid import Grid


def centre_of_mass(patterns: jax.Array, grid: Grid, energy_ev: float) -> jax.Array:
    """Mean deflection of the electrons [..., (x, y)] [mrad].

    Args:
      patterns: all frequencies of the grid [..., ky, kx], centred.
      grid: of the waves.
      energy_ev: of the beam.
    """
    scale = 1e3 * wavelength_a(energy_ev)
    ky, kx = (scale * np.fft.fftshift(k).ravel() for k in grid.frequencies())
    total = patterns.sum(axis=(-2, -1))
    x = jnp.einsum("...yx,x->...", patterns, kx.astype(np.float32)) / total
    y = jnp.einsum("...yx,y->...", patterns, ky.astype(np.float32)) / total
    return jnp.stack([x, y], axis=-1)


def segment_masks(
    grid: Grid, energy_ev: float, inner_mrad: float, outer_mrad: float, count: int = 4
) -> np.ndarray:
    """`count` equal sectors of a ring [count, ky, kx]; the first is about +x."""
    step = 2 * np.pi / count
    return np.stack(
        [
            annular_mask(
                grid,
                energy_ev,
                inner_mrad,
                outer_mrad,
                ((i - 0.5) * step, (i + 0.5) * step),
            )
            for i in range(count)
        ]
    )


def integrate(
    deflection: jax.Array, sampling_a: tuple[float, float], energy_ev: float
) -> jax.Array:
    """iDPC: the phase [rad] whose gradient is the deflection, least squares.

    In a thin object the mean deflection is lambda / (2 pi) times the gradient of the
    phase, blurred by the probe (Lazic et al., Ultramicroscopy 160, 265).

    Args:
      deflection: of a periodic scan [y, x, (x, y)] [mrad].
      sampling_a: distance of positions (y, x) [A].
      energy_ev: of the beam.

    Returns:
      [y, x], of mean 0.
    """
    ny, nx = deflection.shape[:2]
    ky = np.fft.fftfreq(ny, sampling_a[0])[:, None].astype(np.float32)
    kx = np.fft.fftfreq(nx, sampling_a[1])[None].astype(np.float32)
    k2 = ky**2 + kx**2
    k2[0, 0] = 1.0
    slope = deflection * (2e-3 * np.pi / wavelength_a(energy_ev))
    x, y = (jnp.fft.fft2(slope[..., i]) for i in (0, 1))
    spectrum = (kx * x + ky * y) / (2j * np.pi * k2)
    return jnp.fft.ifft2(spectrum.at[0, 0].set(0.0)).real
