"""From the patterns of a scan to what a microscope would record."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inverse.scan.plan import ScanPlan
from inverse.simulator import coherence, detector, phase_contrast
from inverse.simulator.electron import wavelength_a


class Recorded(NamedTuple):
    """What is kept of a scan.

    Attributes:
      patterns: [y, x, ky, kx] electrons per incident electron.
      angle_mrad: of the patterns' first pixels (ky, kx).
      pixel_mrad: of the patterns (ky, kx).
      images: name -> [y, x]; electrons per incident electron on each ring, the centre
        of mass [mrad] and iDPC [rad].
    """

    patterns: np.ndarray
    angle_mrad: tuple[float, float]
    pixel_mrad: tuple[float, float]
    images: dict[str, np.ndarray]


def record(plan: ScanPlan, config, mean: np.ndarray) -> Recorded:
    """Adds source size and counting noise, then collects.

    Args:
      plan: of the scan.
      config: the whole configuration.
      mean: see mean_patterns [p, ky, kx]; overwritten.
    """
    seen = mean.reshape(*plan.scan_gpts, *plan.kept)
    if config.beam.source_rms_a:
        _blur(seen, plan.scan_step_a, config.beam.source_rms_a)
    if config.detector.dose:
        _count(seen, jax.random.key(config.seed), config.detector.dose)
    patterns, angles, pixels = _shown(plan, config, seen)
    return Recorded(patterns, angles, pixels, _images(plan, config, seen))


def _blur(seen: np.ndarray, step_a: tuple[float, float], source_rms_a: float) -> None:
    blur = jax.jit(lambda rows: coherence.blur_scan(rows, step_a, source_rms_a))
    for row in range(seen.shape[2]):
        scans = blur(np.moveaxis(seen[:, :, row], -1, 0))
        seen[:, :, row] = np.moveaxis(np.maximum(scans, 0), 0, -1)


def _count(seen: np.ndarray, key: jax.Array, dose: float) -> None:
    # Apart from the keys of the phonons, which fold in small numbers.
    key = jax.random.fold_in(key, 1 << 31)
    count = jax.jit(
        lambda row, patterns: detector.count(
            jax.random.fold_in(key, row), patterns, dose
        )
    )
    for row in range(seen.shape[0]):
        seen[row] = count(row, seen[row])


def _shown(plan: ScanPlan, config, seen: np.ndarray):
    """Crops and bins; also the angles of the first pixels and a pixel's width."""
    asked, binning = config.detector, config.detector.binning
    unit = [1e3 * wavelength_a(config.beam.energy_ev) / a for a in plan.grid.extent_a]
    sizes = plan.kept
    if asked.pattern_angle_mrad:
        wanted = [2 * math.ceil(asked.pattern_angle_mrad / angle) for angle in unit]
        sizes = [min(n, w) for n, w in zip(sizes, wanted, strict=True)]
    shape = tuple(max(binning, n // binning * binning) for n in sizes)
    patterns = detector.bin_pixels(detector.crop(seen, shape), binning)
    first = [
        u * (-(n // 2) + (binning - 1) / 2) for u, n in zip(unit, shape, strict=True)
    ]
    return np.asarray(patterns), tuple(first), tuple(binning * u for u in unit)


def _images(plan: ScanPlan, config, seen: np.ndarray) -> dict[str, np.ndarray]:
    energy_ev, rings = config.beam.energy_ev, config.detector.rings_mrad
    masks = [
        detector.annular_mask(plan.grid, energy_ev, *rings[name]) for name in rings
    ]
    scale = 1e3 * wavelength_a(energy_ev)
    ky, kx = (scale * np.fft.fftshift(k) for k in plan.grid.frequencies())
    one = np.ones(plan.grid.gpts)
    masks = np.stack([*masks, one, kx * one, ky * one]).astype(np.float32)
    masks = jnp.asarray(detector.crop(masks, plan.kept))
    collect = jax.jit(detector.collect)
    caught = np.stack([np.asarray(collect(row, masks)) for row in seen])
    images = {name: caught[..., i] for i, name in enumerate(rings)}
    total = np.maximum(caught[..., -3], 1e-12)
    deflection = caught[..., -2:] / total[..., None]
    images["centre of mass x"] = deflection[..., 0]
    images["centre of mass y"] = deflection[..., 1]
    if not any(config.scan.extent_a):  # periodic
        phase = phase_contrast.integrate(
            jnp.asarray(deflection), plan.scan_step_a, energy_ev
        )
        images["iDPC"] = np.asarray(phase)
    return images
