"""Fisher information of images, and the Cramer-Rao bounds that it sets."""

import numpy as np


def fisher(
    signals: np.ndarray,
    slopes: np.ndarray,
    chosen: tuple[int, ...],
    electrons: float,
    spread_mrad: float,
) -> np.ndarray:
    """Information [p, p] of one record; p ends with gain and offset of each detector.

    Args:
      signals: noise-free [y, x, signal]: two that are counted, two deflections [mrad].
      slopes: of them by parameter [parameter, y, x, signal].
      chosen: signals that are seen.
      electrons: per pixel.
      spread_mrad: of one electron's deflection, standard deviation.
    """
    information, slopes = 0.0, slopes.astype(np.float64)
    extra = 2 * len(chosen)
    for number, channel in enumerate(chosen):
        image = signals[..., channel].astype(np.float64)
        own = np.zeros((extra, *image.shape))
        own[2 * number] = image
        own[2 * number + 1] = 1.0
        all_slopes = np.concatenate([slopes[..., channel], own])
        if channel < 2:
            weight = electrons / np.maximum(image, 1e-9)
        else:
            weight = np.full(image.shape, electrons / spread_mrad**2)
        flat = all_slopes.reshape(len(all_slopes), -1)
        information = information + (flat * weight.ravel()) @ flat.T
    return information


def standard_deviations(
    information: np.ndarray, num_params: int, prior: np.ndarray | None
) -> np.ndarray:
    """Cramer-Rao bounds [parameter]; of what is not seen at all, beyond 1e6.

    Args:
      information: [p, p].
      num_params: of the first so many, the others being unknown too.
      prior: standard deviations [parameter] of a Gaussian prior, or none.
    """
    information = information.copy()
    if prior is not None:
        index = np.arange(num_params)
        information[index, index] += 1 / prior**2
    scale = 1 / np.sqrt(np.maximum(np.diag(information), 1e-30))
    scaled = information * scale[:, None] * scale[None]
    values, vectors = np.linalg.eigh(scaled)
    # Below, differences of float32 images are noise.
    kept = np.maximum(values, 1e-9)
    variance = np.einsum("pe,e,pe->p", vectors, 1 / kept, vectors) * scale**2
    return np.sqrt(variance[:num_params])
