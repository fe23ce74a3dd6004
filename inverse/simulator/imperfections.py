"""What an instrument adds: a detector that blurs and a scan that trembles."""

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.errors import check_range


def blur_detector(patterns: jax.Array, mtf_at_nyquist: float) -> jax.Array:
    """Patterns [..., ky, kx] behind a detector with a Gaussian transfer function.

    Args:
      patterns: as they fall on the detector; its edges are joined.
      mtf_at_nyquist: what is left of the finest contrast, 0 < ... <= 1.
    """
    check_range("mtf_at_nyquist", mtf_at_nyquist, 1e-6, 1.0, "")
    ny, nx = patterns.shape[-2:]
    q2 = np.fft.fftfreq(ny)[:, None] ** 2 + np.fft.rfftfreq(nx)[None] ** 2
    transfer = mtf_at_nyquist ** (q2 / 0.25)
    transfer = transfer.reshape((1,) * (patterns.ndim - 2) + transfer.shape)
    spectrum = jnp.fft.rfft2(patterns) * transfer.astype(np.float32)
    return jnp.fft.irfft2(spectrum, s=(ny, nx))


def tremble(
    key: jax.Array,
    positions_a: jax.Array,
    gpts: tuple[int, int],
    *,
    jitter_a: float,
    line_a: float,
    drift_a: tuple[float, float],
) -> jax.Array:
    """Where the probe really is.

    Args:
      key: of the scan.
      positions_a: wanted [gpts_y * gpts_x, (x, y)] [A], row after row.
      gpts: positions along (y, x).
      jitter_a: of every position, standard deviation.
      line_a: of every row as a whole, standard deviation.
      drift_a: from the first position to the last (x, y).
    """
    of_position, of_line = jax.random.split(key)
    count = gpts[0] * gpts[1]
    moved = jitter_a * jax.random.normal(of_position, (count, 2))
    lines = line_a * jax.random.normal(of_line, (gpts[0], 2))
    when = jnp.linspace(0.0, 1.0, count)[:, None]
    drift = when * jnp.asarray(drift_a, jnp.float32)[None]
    return positions_a + moved + jnp.repeat(lines, gpts[1], axis=0) + drift
