"""Images of one size to images of another."""

import numpy as np
from PIL import Image

from input_pipeline.errors import DataError

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


def resized(images: np.ndarray, size: int, how: str) -> np.ndarray:
    """Brings square images to `size` x `size` pixels.

    Args:
      images: uint8 [n, y, x, c].
      size: side of the result [pixels].
      how: "pad", "bilinear", "nearest" or "none".

    Returns:
      uint8 [n, size, size, c].

    Raises:
      DataError: the images have another size and `how` does not change it.
    """
    found = images.shape[1:3]
    if found == (size, size):
        return images
    if how == "none" or (how == "pad" and max(found) > size):
        raise DataError(
            f"config.dataset.image_size={size} but images are {found[0]}x{found[1]} "
            f"and config.dataset.resize={how!r}; set it to 'bilinear'."
        )
    if how == "pad":
        before = [(size - side) // 2 for side in found]
        margins = [(b, size - side - b) for b, side in zip(before, found, strict=True)]
        return np.pad(images, [(0, 0), *margins, (0, 0)])
    result = np.empty((len(images), size, size, images.shape[-1]), np.uint8)
    for image, out in zip(images, result, strict=True):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        picture = picture.resize((size, size), _FILTERS[how])
        out[...] = np.asarray(picture).reshape(out.shape)
    return result
