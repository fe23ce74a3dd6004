"""What a scan tells without training: the numbers that a network must beat."""

import numpy as np
from scipy import ndimage

from inverse.scan.geometry import Scan
from inverse.simulator.electron import interaction_parameter, wavelength_a


def mean_map(density_mean_va: float, num: int, shape: tuple[int, int]) -> np.ndarray:
    """The mean density of the training set [V Å] everywhere: maps [num, y, x]."""
    return np.full((num, *shape), density_mean_va, np.float32)


def centre_of_mass(patterns: np.ndarray, scan: Scan) -> np.ndarray:
    """Mean transferred wave vector [n, row, column, (y, x)] in 1/Å.

    Args:
      patterns: intensities [n, ky, kx, position].
      scan: their geometry.
    """
    n, *sides, _ = patterns.shape
    total = np.maximum(patterns.sum((1, 2), dtype=np.float64), np.finfo(float).tiny)
    step = 1e-3 * scan.angle_mrad / wavelength_a(scan.energy_ev)
    moments = []
    for axis, side in enumerate(sides):
        k = step * (np.arange(side) - side // 2)
        profile = patterns.sum(2 - axis, dtype=np.float64)  # [n, side, position]
        moments.append(np.einsum("nkp,k->np", profile, k) / total)
    return np.stack(moments, -1).reshape(n, *scan.positions, 2)


def _integrate(gradient: np.ndarray, step: float) -> np.ndarray:
    """Map [n, r, c] of mean 0 whose gradient [n, r, c, 2] is nearest to the given."""
    gy, gx = gradient[..., 0], gradient[..., 1]

    def mirrored(field, sign_y, sign_x):
        tall = np.concatenate([field, sign_y * field[:, ::-1]], axis=1)
        return np.concatenate([tall, sign_x * tall[:, :, ::-1]], axis=2)

    # An even extension of the map has no jump at the rim; its slopes change sign.
    fy = np.fft.fft2(mirrored(gy, -1, 1), axes=(1, 2))
    fx = np.fft.fft2(mirrored(gx, 1, -1), axes=(1, 2))
    ky = np.fft.fftfreq(fy.shape[1], step)[None, :, None]
    kx = np.fft.fftfreq(fy.shape[2], step)[None, None, :]
    square = ky**2 + kx**2
    square[0, 0, 0] = 1
    spectrum = (ky * fy + kx * fx) / (2j * np.pi * square)
    spectrum[:, 0, 0] = 0
    whole = np.fft.ifft2(spectrum, axes=(1, 2)).real
    return whole[:, : gy.shape[1], : gy.shape[2]]


def on_map(values: np.ndarray, scan: Scan, shape: tuple[int, int]) -> np.ndarray:
    """Interpolates values at probe positions [n, r, c] to pixels of maps [n, y, x]."""
    ratio = scan.pixel_a / scan.step_a
    where = np.meshgrid(*(ratio * np.arange(s) for s in shape), indexing="ij")
    return np.stack(
        [ndimage.map_coordinates(v, where, order=3, mode="nearest") for v in values]
    ).astype(np.float32)


def integrated_centre_of_mass(
    patterns: np.ndarray, scan: Scan, density_mean_va: float, shape: tuple[int, int]
) -> np.ndarray:
    """Integrated differential phase contrast (iDPC), as a potential.

    Of a thin specimen the centre of mass is the gradient of the phase, blurred by the
    probe: <k> = grad(sigma V) / (2 pi) (Lazic et al. 2016,
    doi:10.1016/j.ultramic.2015.10.011). The mean cannot be measured and is given.

    Args:
      patterns: intensities [n, ky, kx, position].
      scan: their geometry.
      density_mean_va: mean of the training set [V Å].
      shape: of the map.

    Returns:
      Projected potential [n, y, x] in V Å.
    """
    gradient = 2 * np.pi * centre_of_mass(patterns, scan)
    potential = _integrate(
        gradient / interaction_parameter(scan.energy_ev), scan.step_a
    )
    return on_map(potential, scan, shape) + np.float32(density_mean_va)
