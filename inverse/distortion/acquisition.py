"""From noise-free signals to recorded images as a network sees them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.crystal_images import IMAGES
from inverse.simulator.phase_contrast import integrate
from inverse.simulator.poisson import poisson

INPUTS = 2 * len(IMAGES) + 4


@dataclasses.dataclass(frozen=True)
class Acquisition:
    """What each record draws, uniformly between two values.

    Attributes:
      source_rms_a: size of the source [A].
      log10_dose: electrons per A^2.
      line_jitter_a: by which rows of the scan are displaced, standard deviation [A].
      origin_a: by which the origin of the crystal is missed, standard deviation [A].
      phonon_rms_a: thermal motion, which blurs HAADF besides.
      semiangle_mrad: of the probe: electrons scatter that much about their mean.
      detector_sets: which detectors are there, names joined by "+".
      detector_weights: how often.
    """

    source_rms_a: tuple[float, float]
    log10_dose: tuple[float, float]
    line_jitter_a: float
    origin_a: float
    phonon_rms_a: float
    semiangle_mrad: float
    detector_sets: tuple[str, ...]
    detector_weights: tuple[float, ...]


def presence(names: str) -> np.ndarray:
    """1 of each of IMAGES that `names` has, such as "HAADF+ABF", else 0."""
    return np.array([image in names.split("+") for image in IMAGES], np.float32)


def _uniform(key: jax.Array, span: tuple[float, float]) -> jax.Array:
    return jax.random.uniform(key, (), minval=span[0], maxval=span[1])


def _seen_from(signals, side_a, rms_a, shift_a) -> jax.Array:
    """Periodic signals [y, x, signal], blurred [signal] and shifted [(x, y)]."""
    ny, nx = signals.shape[:2]
    ky = (jnp.fft.fftfreq(ny) * ny / side_a)[:, None, None]
    kx = (jnp.arange(nx // 2 + 1) / side_a)[None, :, None]
    blur = jnp.exp(-2 * (jnp.pi * rms_a[None, None]) ** 2 * (ky**2 + kx**2))
    turn = jnp.exp(-2j * jnp.pi * (kx * shift_a[0] + ky * shift_a[1]))
    spectrum = jnp.fft.rfft2(signals, axes=(0, 1)) * blur * turn
    return jnp.fft.irfft2(spectrum, s=(ny, nx), axes=(0, 1))


def record(
    key: jax.Array, signals: jax.Array, side_a: jax.Array, settings: Acquisition
) -> jax.Array:
    """Images [y, x, 3] in the order of IMAGES.

    Shares of the beam for both rings; for iDPC what is integrated of the mean
    deflection, in a unit of its own: `as_input` takes mean and spread off.

    Args:
      key: of all that is drawn.
      signals: noise-free, see channelling_images [y, x, signal].
      side_a: of the image [] [A].
      settings: of the instrument.
    """
    source, dose, shift, lines, rings, deflected = jax.random.split(key, 6)
    rms = _uniform(source, settings.source_rms_a)
    # In a model of unmoved nuclei only the potentials are blurred by thermal motion.
    shaken = jnp.array([settings.phonon_rms_a, 0.0, 0.0, 0.0])
    seen = _seen_from(
        signals,
        side_a,
        jnp.sqrt(rms**2 + shaken**2),
        settings.origin_a * jax.random.normal(shift, (2,)),
    )
    pixel_a = side_a / signals.shape[1]
    # Small displacements of whole rows, to first order.
    offset = settings.line_jitter_a / pixel_a
    offset = offset * jax.random.normal(lines, (signals.shape[0], 1, 1))
    slope = (jnp.roll(seen, -1, 1) - jnp.roll(seen, 1, 1)) / 2
    seen = seen + offset * slope
    electrons = 10 ** _uniform(dose, settings.log10_dose) * pixel_a**2
    counted = poisson(rings, electrons * jnp.maximum(seen[..., :2], 0))
    # Of a uniform disc of directions, along one axis.
    spread = settings.semiangle_mrad / 2 / jnp.sqrt(electrons)
    noise = spread * jax.random.normal(deflected, (*signals.shape[:2], 2))
    phase = integrate(seen[..., 2:] + noise, (1.0, 1.0), 300e3)
    return jnp.concatenate([counted / electrons, phase[..., None]], axis=-1)


def as_input(images: jax.Array, present: jax.Array, pixels_per_cell: int) -> jax.Array:
    """What a network sees [..., y, x, INPUTS].

    Standardised images, which of them are there, and where in its cell a pixel lies
    (sine and cosine along x and y): images are laid out on whole cells, so that a
    column's place in the picture is its displacement. A measured image has a gain and
    an offset of its own: mean and spread of each are taken off, here as there.

    Args:
      images: [..., y, x, 3], A in the corners of cells.
      present: [..., 3], 1 or 0.
      pixels_per_cell: along x and y.
    """
    mean = images.mean(axis=(-3, -2), keepdims=True)
    spread = images.std(axis=(-3, -2), keepdims=True)
    shown = present[..., None, None, :] * (images - mean) / jnp.maximum(spread, 1e-12)
    there = jnp.broadcast_to(present[..., None, None, :], images.shape)
    y, x = np.indices(images.shape[-3:-1]) + 0.5
    turns = 2 * np.pi / pixels_per_cell * np.stack([x, y], axis=-1)
    place = np.concatenate([np.sin(turns), np.cos(turns)], axis=-1).astype(np.float32)
    place = jnp.broadcast_to(place, (*images.shape[:-1], place.shape[-1]))
    return jnp.concatenate([shown, there, place], axis=-1)
