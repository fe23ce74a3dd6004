"""All probes of a scan from the plane waves of the aperture, each propagated once.

PRISM (Ophus 2017) with interpolation 1, hence exact: a probe is a sum of the plane
waves inside the aperture, and multislice is linear. Scans, aberrations and source
positions of the same crystal reuse the matrix.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.detector import crop
from inverse.simulator.grid import Grid
from inverse.simulator.multislice import multislice
from inverse.simulator.probe import aperture, probe_spectrum, shift_phases

# Time of a plane wave's part in a probe over that of a wave's step through a slice:
# 0.4 and 62 microseconds on one core, 84 x 84 frequencies of 128 x 128.
PRODUCT_OVER_STEP = 0.006


def beams(
    grid: Grid, energy_ev: float, semiangle_cutoff_mrad: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the grid's frequencies that the aperture lets through."""
    return np.nonzero(aperture(grid, energy_ev, semiangle_cutoff_mrad))


def is_cheaper(num_beams: int, num_probes: int, num_slices: int) -> bool:
    """Whether the matrix takes less time than propagating every probe.

    Args:
      num_beams: plane waves that the matrix propagates.
      num_probes: of the scan, for every aberration that is asked for.
      num_slices: of the specimen.
    """
    by_matrix = num_beams * (num_slices + PRODUCT_OVER_STEP * num_probes)
    return by_matrix < num_probes * num_slices


def s_matrix(
    grid: Grid,
    chosen: tuple[np.ndarray, np.ndarray],
    transmission_fn: Callable[[jax.Array], jax.Array],
    propagate: jax.Array,
    num_slices: int,
    *,
    shape: tuple[int, int] | None = None,
    batch_size: int = 4,
) -> jax.Array:
    """Sends every plane wave of the aperture through the specimen.

    Args:
      grid: of the waves.
      chosen: see beams.
      transmission_fn: see multislice.
      propagate: see propagator.
      num_slices: of the specimen.
      shape: frequencies (ky, kx) that are kept about the centre; none: all.
      batch_size: waves that travel together.

    Returns:
      [beams, ky, kx] complex64, frequency zero at n // 2.
    """
    norm = np.sqrt(np.prod(grid.gpts)).astype(np.float32)

    def exit_of(place):
        wave = jnp.zeros((1, *grid.gpts), jnp.complex64)
        wave = jnp.fft.ifft2(wave.at[0, place[0], place[1]].set(norm), norm="ortho")
        exit_wave = multislice(wave, transmission_fn, propagate, num_slices)[0]
        far = jnp.fft.fftshift(jnp.fft.fft2(exit_wave, norm="ortho"))
        return crop(far, shape or grid.gpts) / norm

    places = jnp.stack([jnp.asarray(index, jnp.int32) for index in chosen], axis=1)
    return jax.lax.map(exit_of, places, batch_size=batch_size)


def beam_amplitudes(
    grid: Grid,
    chosen: tuple[np.ndarray, np.ndarray],
    energy_ev: float,
    semiangle_cutoff_mrad: float,
    positions_a: jax.Array,
    coefficients: Mapping[str, jax.Array] | None = None,
) -> jax.Array:
    """What each plane wave weighs in each probe [p, beams] complex64.

    Args:
      grid: of the waves.
      chosen: see beams.
      energy_ev: of the beam.
      semiangle_cutoff_mrad: of the probe.
      positions_a: of the probes [p, (x, y)] [A].
      coefficients: aberrations of the probe.
    """
    spectrum = probe_spectrum(grid, energy_ev, semiangle_cutoff_mrad, coefficients)
    rows, columns = shift_phases(grid, positions_a)
    return spectrum[chosen][None] * rows[:, chosen[0], 0] * columns[:, 0, chosen[1]]


def s_matrix_patterns(matrix: jax.Array, amplitudes: jax.Array) -> jax.Array:
    """Patterns [p, ky, kx], electrons per incident electron.

    Args:
      matrix: see s_matrix [beams, ky, kx].
      amplitudes: see beam_amplitudes [p, beams].
    """
    flat = jnp.matmul(
        amplitudes, matrix.reshape(matrix.shape[0], -1), precision="highest"
    )
    return (jnp.abs(flat) ** 2).reshape(-1, *matrix.shape[1:])
