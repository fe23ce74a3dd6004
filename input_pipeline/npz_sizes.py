"""Sizes that the arrays of an .npz file promise, before memory is taken for them."""

import math
import pathlib
import zipfile

import numpy as np


def require_honest_sizes(path: pathlib.Path, *, compressed: bool) -> None:
    """Refuses arrays whose headers ask for more than their part of the file holds.

    Such a header would be obeyed before anybody notices that there is no more.

    Args:
      path: of an .npz file.
      compressed: whether its parts may be; without it, none is larger than the file.

    Raises:
      ValueError: it names the array. Damaged files raise whatever zipfile raises.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not compressed:
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename} is compressed")
                if member.file_size > path.stat().st_size:
                    raise ValueError(f"{member.filename} is larger than its file")
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                if version != (1, 0):
                    raise ValueError(f"{member.filename} has version {version}")
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                if math.prod(shape) * dtype.itemsize > member.file_size:
                    raise ValueError(f"{member.filename} promises the shape {shape}")
