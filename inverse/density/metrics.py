"""How far a predicted map is from the true one; numpy, one number per example."""

import numpy as np
from scipy import ndimage

_SSIM_SIGMA = 1.5  # pixels, of Wang et al. (2004), doi:10.1109/TIP.2003.819861
_SSIM_K1, _SSIM_K2 = 0.01, 0.03


def relative_l2(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """|prediction - truth| / |truth| of every example [n], maps [n, y, x]."""
    error = np.sqrt(((prediction - truth) ** 2).sum((1, 2), dtype=np.float64))
    return error / np.sqrt((truth**2).sum((1, 2), dtype=np.float64))


def correlation(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pearson's correlation over the pixels of every example [n]; 0 of a flat map."""
    a = prediction - prediction.mean((1, 2), keepdims=True, dtype=np.float64)
    b = truth - truth.mean((1, 2), keepdims=True, dtype=np.float64)
    norms = np.sqrt((a**2).sum((1, 2)) * (b**2).sum((1, 2)))
    return (a * b).sum((1, 2)) / np.maximum(norms, np.finfo(np.float64).tiny)


def structural_similarity(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean SSIM of every example [n]; the truth's own range is the dynamic range."""

    def blurred(x):
        return ndimage.gaussian_filter(x, (0, _SSIM_SIGMA, _SSIM_SIGMA), truncate=3.5)

    p, t = prediction.astype(np.float64), truth.astype(np.float64)
    span = np.ptp(t, axis=(1, 2))[:, None, None]
    c1, c2 = (_SSIM_K1 * span) ** 2, (_SSIM_K2 * span) ** 2
    mean_p, mean_t = blurred(p), blurred(t)
    var_p = blurred(p**2) - mean_p**2
    var_t = blurred(t**2) - mean_t**2
    shared = blurred(p * t) - mean_p * mean_t
    similarity = (2 * mean_p * mean_t + c1) * (2 * shared + c2)
    similarity /= (mean_p**2 + mean_t**2 + c1) * (var_p + var_t + c2)
    return similarity.mean((1, 2))
