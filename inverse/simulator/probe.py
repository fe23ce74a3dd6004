"""The focused probe and where it is put."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.aberrations import aberration_phase
from inverse.simulator.electron import wavelength_a
from inverse.simulator.errors import SimulatorError, check_range
from inverse.simulator.grid import Grid


def aperture(grid: Grid, energy_ev: float, semiangle_cutoff_mrad: float) -> np.ndarray:
    """Transmission of the probe-forming aperture [y, x], edge one pixel wide.

    Raises:
      SimulatorError: the aperture is larger than what the grid propagates.
    """
    wavelength = wavelength_a(energy_ev)
    largest = 1e3 * wavelength * grid.cutoff
    if not 0 < semiangle_cutoff_mrad < largest:
        raise SimulatorError(
            f"semiangle_cutoff_mrad={semiangle_cutoff_mrad} mrad: this grid propagates "
            f"0 ... {largest:.1f} mrad; sample finer for more."
        )
    ky, kx = grid.frequencies()
    k = np.sqrt(ky**2 + kx**2)
    # One pixel of reciprocal space in the direction of k.
    with np.errstate(invalid="ignore", divide="ignore"):
        pixel = np.hypot(ky / grid.extent_a[0], kx / grid.extent_a[1]) / k
    pixel[0, 0] = 1.0
    edge = (1e-3 * semiangle_cutoff_mrad / wavelength - k) / pixel + 0.5
    edge[0, 0] = 1.0
    return np.clip(edge, 0, 1).astype(np.float32)


def probe_spectrum(
    grid: Grid,
    energy_ev: float,
    semiangle_cutoff_mrad: float,
    coefficients: Mapping[str, jax.Array] | None = None,
) -> jax.Array:
    """Probe in reciprocal space, at the origin, of one electron.

    Args:
      grid: of the wave.
      energy_ev: of the beam.
      semiangle_cutoff_mrad: convergence semi-angle.
      coefficients: see aberration_phase; none: a perfect lens in focus.

    Returns:
      [y, x] complex64 in the order of an FFT; its squares sum to 1.
    """
    opening = jnp.asarray(aperture(grid, energy_ev, semiangle_cutoff_mrad))
    phase = aberration_phase(grid, energy_ev, coefficients or {})
    return (opening * jnp.exp(-1j * phase)) / jnp.linalg.norm(opening)


def shift_phases(grid: Grid, positions_a: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Factors (rows [p, y, 1], columns [p, 1, x]) that shift a spectrum.

    Args:
      grid: of the wave.
      positions_a: [p, (x, y)] [A].
    """
    factors = []
    for axis, column in ((0, 1), (1, 0)):
        n = grid.gpts[axis]
        orders = jnp.asarray(np.fft.fftfreq(n, 1 / n), jnp.float32)[None]
        turns = positions_a[:, column, None] / grid.extent_a[axis] * orders
        factors.append(jnp.exp(-2j * jnp.pi * jnp.mod(turns, 1.0)))
    return factors[0][:, :, None], factors[1][:, None, :]


def place_probes(spectrum: jax.Array, positions_a: jax.Array, grid: Grid) -> jax.Array:
    """Probes [p, y, x] at `positions_a` [p, (x, y)] [A]; each has sum |psi|^2 = 1."""
    rows, columns = shift_phases(grid, positions_a)
    return jnp.fft.ifft2(spectrum[None] * rows * columns, norm="ortho")


def raster(
    start_a: tuple[float, float], end_a: tuple[float, float], gpts: tuple[int, int]
) -> np.ndarray:
    """Positions of a scan, row after row [gpts_y * gpts_x, (x, y)] [A].

    Args:
      start_a: first corner (y, x).
      end_a: last corner (y, x), itself not visited, so that scans of a period tile.
      gpts: positions along (y, x).
    """
    for count in gpts:
        check_range("scan gpts", count, 1, 1e5, "positions")
    y, x = (
        start + (end - start) * np.arange(n) / n
        for start, end, n in zip(start_a, end_a, gpts, strict=True)
    )
    grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
    return np.stack([grid_x.ravel(), grid_y.ravel()], axis=-1).astype(np.float32)
