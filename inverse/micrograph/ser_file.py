"""Reads one image of a TIA .ser file."""

import math
import pathlib
import struct

import numpy as np

_TYPES = {1: "u1", 2: "u2", 3: "u4", 4: "i1", 5: "i2", 6: "i4", 7: "f4", 8: "f8"}


def read_ser(path: str | pathlib.Path) -> tuple[np.ndarray, float]:
    """Returns (image [y, x], size of a pixel [A])."""
    content = pathlib.Path(path).read_bytes()
    order, series, version = struct.unpack_from("<2sHH", content)
    if (order, series) != (b"II", 0x0197):
        raise ValueError(f"{path}: is no .ser file.")
    place = "<q" if version >= 0x220 else "<i"
    (offsets,) = struct.unpack_from(place, content, 22)
    (start,) = struct.unpack_from(place, content, offsets)
    _, pixel_m, _, _, _, _, kind, nx, ny = struct.unpack_from(
        "<ddiddihii", content, start
    )
    start += struct.calcsize("<ddiddihii")
    if nx < 1 or ny < 1 or not math.isfinite(pixel_m):
        raise ValueError(f"{path}: promises {ny} x {nx} pixels of {pixel_m} m.")
    image = np.frombuffer(content, "<" + _TYPES[kind], nx * ny, start)
    return image.reshape(ny, nx).astype(np.float64), 1e10 * pixel_m
