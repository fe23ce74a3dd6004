"""What is recorded behind the specimen."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.electron import wavelength_a
from inverse.simulator.errors import SimulatorError
from inverse.simulator.grid import Grid
from inverse.simulator.poisson import poisson

SCALINGS = ("none", "sqrt", "log")


def cbed(
    waves: jax.Array, shape: tuple[int, int] | None = None, binning: int = 1
) -> jax.Array:
    """Convergent-beam diffraction patterns.

    Args:
      waves: exit waves [..., y, x].
      shape: pixels (ky, kx) kept around the centre, before binning; none: all.
      binning: pixels along each axis that are added up; odd, so that the undiffracted
        beam stays in the middle of its pixel, or anything that divides the shape.

    Returns:
      Electrons per incident electron [..., ky, kx], frequency zero at n // 2.
    """
    far = jnp.fft.fftshift(jnp.fft.fft2(waves, norm="ortho"), axes=(-2, -1))
    return bin_pixels(crop(jnp.abs(far) ** 2, shape or waves.shape[-2:]), binning)


def crop(images: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """The middle [..., *shape] of `images`; element n // 2 stays in the middle."""
    for axis, n in zip((-2, -1), shape, strict=True):
        size = images.shape[axis]
        if n > size:
            raise SimulatorError(
                f"detector shape {tuple(shape)}: the grid has {images.shape[-2:]} "
                "frequencies; use more gpts or fewer pixels."
            )
        start = size // 2 - n // 2
        images = jax.lax.slice_in_dim(images, start, start + n, axis=axis)
    return images


def bin_pixels(images: jax.Array, binning: int) -> jax.Array:
    """Adds up squares of `binning` pixels of [..., y, x]."""
    *lead, ny, nx = images.shape
    if binning < 1 or ny % binning or nx % binning:
        raise SimulatorError(f"binning={binning}: must divide the shape {(ny, nx)}.")
    parts = (*lead, ny // binning, binning, nx // binning, binning)
    return images.reshape(parts).sum(axis=(-3, -1))


def annular_mask(
    grid: Grid,
    energy_ev: float,
    inner_mrad: float,
    outer_mrad: float,
    segment: tuple[float, float] | None = None,
) -> np.ndarray:
    """Detector pixels [ky, kx] from `inner_mrad` to `outer_mrad`, centred.

    Args:
      grid: of the waves.
      energy_ev: of the beam.
      inner_mrad: included; 0 for a disc (BF).
      outer_mrad: not included.
      segment: from and to, azimuth [rad] counted from x towards y; none: all of it.

    Raises:
      SimulatorError: the ring is empty or reaches beyond what the grid propagates.
    """
    wavelength = wavelength_a(energy_ev)
    largest = 1e3 * wavelength * grid.cutoff
    if not 0 <= inner_mrad < outer_mrad <= largest * (1 + 1e-6):
        raise SimulatorError(
            f"detector {inner_mrad} ... {outer_mrad} mrad: must be a ring within "
            f"0 ... {largest:.1f} mrad, which this grid propagates; sample finer."
        )
    ky, kx = (np.fft.fftshift(k) for k in grid.frequencies())
    angle = 1e3 * wavelength * np.sqrt(ky**2 + kx**2)
    mask = (angle >= inner_mrad) & (angle < outer_mrad)
    if segment is not None:
        turn = np.mod(np.arctan2(ky, kx) - segment[0], 2 * np.pi)
        mask &= turn < segment[1] - segment[0]
    return mask.astype(np.float32)


def collect(patterns: jax.Array, masks: jax.Array | Sequence[jax.Array]) -> jax.Array:
    """Electrons on each detector, per incident electron.

    Args:
      patterns: [..., ky, kx].
      masks: [detectors, ky, kx].

    Returns:
      [..., detectors].
    """
    return jnp.einsum(
        "...yx,dyx->...d", patterns, jnp.asarray(masks), precision="highest"
    )


def count(key: jax.Array, patterns: jax.Array, dose: jax.Array) -> jax.Array:
    """Patterns as counted with `dose` electrons each, still per incident electron."""
    return poisson(key, patterns * dose) / dose


def scale_intensity(intensity: jax.Array, scaling: str, gain: float = 1.0) -> jax.Array:
    """Compresses the range of `intensity`: gain I, sqrt(gain I) or log(1 + gain I)."""
    if scaling not in SCALINGS:
        raise SimulatorError(f"scaling={scaling!r}: choose {', '.join(SCALINGS)}.")
    scaled = gain * intensity
    if scaling == "sqrt":
        return jnp.sqrt(scaled)
    return jnp.log1p(scaled) if scaling == "log" else scaled
