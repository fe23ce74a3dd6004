"""Pictures of any kind of file to upright grey or RGB."""

import numpy as np
from PIL import Image

_ORIENTATION = 0x0112  # the EXIF tag that cameras leave
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")


def coloured(picture: Image.Image, channels: int) -> Image.Image:
    """Decodes `picture` to grey (1 channel) or RGB (3), 8 bits each.

    16-bit grey keeps its upper bits; what is transparent shows black behind it.
    """
    # PIL's own conversion clips 16 bits to 8: all but the darkest become white.
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, picture)
    return picture.convert("L" if channels == 1 else "RGB")


def orientation(picture: Image.Image) -> int:
    """How the camera was held, 1..8 as EXIF counts; 1 if nothing is known."""
    try:
        return picture.getexif().get(_ORIENTATION, 1)
    # Notes of a camera that nobody can read leave the picture as good as it was.
    except Exception:
        return 1


def upright(picture: Image.Image, held: int) -> Image.Image:
    """Turns a picture that was taken with `orientation` `held`."""
    turn = _UPRIGHT.get(held)
    return picture if turn is None else picture.transpose(turn)


def pixels(picture: Image.Image) -> np.ndarray:
    """Returns uint8 [y, x, c] of a grey or RGB picture."""
    found = np.asarray(picture)
    return found[..., None] if found.ndim == 2 else found
