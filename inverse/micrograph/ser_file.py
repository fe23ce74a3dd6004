"""Reads one image of a TIA .ser file."""

import math
import pathlib
import struct

import numpy as np

_TYPES = {1: "u1", 2: "u2", 3: "u4", 4: "i1", 5: "i2", 6: "i4", 7: "f4", 8: "f8"}
_IMAGE = "<ddiddihii"  # calibration of x and y, kind of number, size


def read_ser(path: str | pathlib.Path) -> tuple[np.ndarray, float]:
    """Returns (image [y, x], size of a pixel [A]).

    Raises:
      ValueError: it is no such file, not a whole one, or not of real numbers.
    """
    content = pathlib.Path(path).read_bytes()
    try:
        start, pixel_m, kind, nx, ny = _header(content)
    except struct.error as error:
        raise ValueError(f"its {len(content)} bytes end before an image") from error
    if nx < 1 or ny < 1 or not math.isfinite(pixel_m):
        raise ValueError(f"it promises {ny} x {nx} pixels of {pixel_m} m")
    if kind not in _TYPES:
        raise ValueError(f"its numbers are of the kind {kind}, which is not real")
    image = np.frombuffer(content, "<" + _TYPES[kind], nx * ny, start)
    return image.reshape(ny, nx).astype(np.float64), 1e10 * pixel_m


def _header(content: bytes) -> tuple[int, float, int, int, int]:
    """Where the image begins, metres per pixel, kind of number, columns and rows."""
    order, series, version = struct.unpack_from("<2sHH", content)
    if (order, series) != (b"II", 0x0197):
        raise ValueError("it is no .ser file")
    place = "<q" if version >= 0x220 else "<i"
    (offsets,) = struct.unpack_from(place, content, 22)
    (start,) = struct.unpack_from(place, content, offsets)
    _, pixel_m, _, _, _, _, kind, nx, ny = struct.unpack_from(_IMAGE, content, start)
    return start + struct.calcsize(_IMAGE), pixel_m, kind, nx, ny
