"""Partial coherence: finite source and focal spread, as sums of intensities."""

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.errors import check_range


def focal_spread(spread_a: float, num_nodes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Defoci [A] and weights that integrate a Gaussian distribution of foci.

    Args:
      spread_a: standard deviation, Cc times the relative spread of energy.
      num_nodes: Gauss-Hermite nodes; exact for polynomials of degree 2 num_nodes - 1.
    """
    check_range("spread_a", spread_a, 0.0, 1e4, "A")
    nodes, weights = np.polynomial.hermite_e.hermegauss(num_nodes)
    return spread_a * nodes, weights / weights.sum()


def blur_scan(
    images: jax.Array, sampling_a: tuple[float, float], source_rms_a: jax.Array
) -> jax.Array:
    """Images [..., y, x] of a periodic scan, seen with a Gaussian source.

    Intensities of source points add up, and a shifted source is a shifted scan.

    Args:
      images: one value per probe position.
      sampling_a: distance of positions (y, x) [A].
      source_rms_a: standard deviation of the source on the specimen [A].
    """
    ny, nx = images.shape[-2:]
    k2 = (
        np.fft.fftfreq(ny, sampling_a[0])[:, None] ** 2
        + np.fft.rfftfreq(nx, sampling_a[1])[None] ** 2
    ).reshape((1,) * (images.ndim - 2) + (ny, nx // 2 + 1))
    kept = jnp.exp(-2 * (jnp.pi * source_rms_a) ** 2 * k2.astype(np.float32))
    return jnp.fft.irfft2(kept * jnp.fft.rfft2(images), s=(ny, nx))
