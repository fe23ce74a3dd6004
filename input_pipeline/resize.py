"""Pictures of any size to squares of one."""

from PIL import Image

from input_pipeline.errors import DataFieldError

RESIZES = ("pad", "bilinear", "nearest", "none")
_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


def centre_square(picture: Image.Image) -> Image.Image:
    """Cuts the largest centred square out of a picture."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    if picture.size == (side, side):
        return picture
    return picture.crop((left, top, left + side, top + side))


def fitted(picture: Image.Image, size: int, how: str) -> Image.Image:
    """Cuts out the centred square and brings it to `size` x `size` pixels.

    Args:
      picture: grey or RGB.
      size: side of the result [pixels].
      how: "pad" (centred in black), "bilinear" (antialiased where it shrinks),
        "nearest" or "none" (it has that size).

    Raises:
      DataFieldError: the square has another size and `how` cannot change it.
    """
    square = centre_square(picture)
    side = square.width
    if side == size:
        return square
    if how in _FILTERS:
        return square.resize((size, size), _FILTERS[how])
    if how == "pad" and side < size:
        result = Image.new(square.mode, (size, size))
        result.paste(square, ((size - side) // 2, (size - side) // 2))
        return result
    raise DataFieldError(
        f"config.dataset.image_size={size} but there are images of {side} x {side} "
        f"pixels and config.dataset.resize={how!r}; set it to 'bilinear'."
    )
