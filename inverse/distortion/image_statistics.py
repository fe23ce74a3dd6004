"""What tells at a glance whether an image resembles those of the training."""

import numpy as np
from scipy import ndimage

# Of the training's images, this share lies outside at each end.
_TAIL = 0.01


def image_statistics(
    image: np.ndarray, pixels_per_cell: int, cells: int = 2
) -> dict[str, float]:
    """Numbers of an image [y, x] on whole cells, A in the corners, of unit spread.

    Medians over crops of `cells` x `cells`, the training's size: noise averages out in
    larger ones.

    Noise: root mean square of what differs from the mean over neighbours. Sharpness:
    share of the mean cell's power above two periods per cell. B over A: height of the
    middle of the mean cell above its lowest place, over that of the corner.
    """
    side = cells * pixels_per_cell
    starts = [range(0, n - side + 1, side) for n in image.shape]
    crops = [image[y : y + side, x : x + side] for y in starts[0] for x in starts[1]]
    found = [_of_crop(crop, pixels_per_cell) for crop in crops]
    return {name: float(np.median([f[name] for f in found])) for name in found[0]}


def _of_crop(image: np.ndarray, pixels_per_cell: int) -> dict[str, float]:
    image = (image - image.mean()) / image.std()
    cells = image.reshape(
        *(image.shape[0] // pixels_per_cell, pixels_per_cell),
        *(image.shape[1] // pixels_per_cell, pixels_per_cell),
    )
    cell = cells.mean(axis=(0, 2))
    power = np.abs(np.fft.fft2(cell - cell.mean())) ** 2
    index = np.abs(np.fft.fftfreq(pixels_per_cell, 1 / pixels_per_cell))
    fine = np.maximum(index[:, None], index[None]) > 2
    smooth = ndimage.gaussian_filter(cell, 1, mode="wrap")
    half = pixels_per_cell // 2
    extreme = smooth.min() if smooth[0, 0] > smooth[half, half] else smooth.max()
    around = ndimage.uniform_filter(image, 3, mode="wrap")
    return {
        "noise": float((image - around).std()),
        "sharpness": float(power[fine].sum() / power.sum()),
        "B over A": float(
            (smooth[half, half] - extreme) / (smooth[0, 0] - extreme + 1e-9)
        ),
    }


def outside(here: dict[str, float], there: list[dict[str, float]]) -> list[str]:
    """Which of an image's numbers lie outside those of many others, in words."""
    found = []
    for name, value in here.items():
        low, high = np.quantile([other[name] for other in there], [_TAIL, 1 - _TAIL])
        if not low <= value <= high:
            found.append(f"{name} {value:.3g}, in training {low:.3g} to {high:.3g}")
    return found
