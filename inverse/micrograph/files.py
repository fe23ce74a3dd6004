"""Reads measured images: npy, tif, png, ser, HDF5; others by rosettasciio."""

import importlib
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from inverse.errors import ConfigError
from inverse.lengths import LENGTHS_A
from inverse.micrograph.ser_file import read_ser

_HDF5 = (".h5", ".hdf5", ".hspy")
_PICTURES = (".tif", ".tiff", ".png")
_OWN = (".npy", ".ser", *_PICTURES, *_HDF5)
_LARGEST = 1e15
_MOST_PIXELS = 1 << 28  # what a header may promise


class Micrograph(NamedTuple):
    """A measured image.

    Attributes:
      image: [y, x], float32.
      pixel_a: size of a pixel [A]; 0 where the file does not say.
      name: of the file, without its ending.
    """

    image: np.ndarray
    pixel_a: float
    name: str


def read_micrograph(path: str, detector: str = "") -> Micrograph:
    """Reads one image.

    Args:
      path: of the file.
      detector: such as "HAADF": of several images in HDF5, that whose title it is.

    Raises:
      ConfigError: there is no such file, or it does not hold one image.
    """
    file = pathlib.Path(path).expanduser()
    if not file.exists():
        raise ConfigError(f"--input={path!r}: there is no such file.")
    if file.is_dir():
        raise ConfigError(f"--input={path!r}: is a directory; name a file in it.")
    kind = file.suffix.lower()
    try:
        if kind == ".npy":
            # Mapped: a header that asks for more than the file holds is refused.
            image = np.array(np.load(file, mmap_mode="r", allow_pickle=False))
            pixel_a = 0.0
        elif kind == ".ser":
            image, pixel_a = read_ser(file)
        elif kind in _PICTURES:
            image, pixel_a = _read_picture(file)
        elif kind in _HDF5:
            image, pixel_a = _read_hdf5(file, detector)
        else:
            image, pixel_a = _read_other(file)
        if np.asarray(image).dtype.kind not in "buif":
            raise ValueError(f"it holds {np.asarray(image).dtype}, not real numbers")
        # At once: half precision overflows in a mean.
        image = np.asarray(image, np.float32)
    except (ConfigError, MemoryError):
        raise
    # The libraries below raise whatever they like at damaged bytes.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(
            f"--input={path!r}: cannot be read: {reason}; is the file whole, and what "
            "its ending says?"
        ) from error
    if image.ndim == 3 and 1 in image.shape:
        image = image.reshape([n for n in image.shape if n > 1])
    if image.ndim != 2 or min(image.shape) < 32:
        raise ConfigError(
            f"--input={path!r}: holds {image.shape}; must be one image, 32 pixels or "
            "more along each side."
        )
    # Squares of larger numbers are none in float32.
    if not (np.isfinite(image).all() and np.abs(image).max() < _LARGEST):
        bad = image.size - int((np.abs(image) < _LARGEST).sum())
        raise ConfigError(
            f"--input={path!r}: {bad:,} of its pixels are no numbers, infinite or "
            f"beyond {_LARGEST:g}; give an image of finite numbers."
        )
    if image.min() == image.max():
        raise ConfigError(
            f"--input={path!r}: all pixels are the same; give an image of a crystal."
        )
    return Micrograph(image, float(pixel_a), file.stem)


def _read_picture(file: pathlib.Path) -> tuple[np.ndarray, float]:
    # Whatever its name is: another kind of file may start a program to be drawn (EPS).
    with Image.open(file, formats=("TIFF", "PNG")) as picture:
        image = np.asarray(picture, np.float32)
    return (image.mean(axis=-1) if image.ndim == 3 else image), 0.0


def _read_hdf5(file: pathlib.Path, detector: str) -> tuple[np.ndarray, float]:
    try:
        import h5py
    except ImportError as error:
        raise ConfigError(
            f"--input={str(file)!r}: reading HDF5 needs h5py: pip install h5py."
        ) from error
    with h5py.File(file, "r") as opened:
        found = []
        opened.visititems(
            lambda _, x: found.append(x) if isinstance(x, h5py.Dataset) else None
        )
        images = [x for x in found if sum(n > 1 for n in x.shape) == 2]
        titled = [x for x in images if detector in x.parent.name.split("/")]
        images = titled if len(images) > 1 and titled else images
        if len(images) != 1:
            names = ", ".join(x.name for x in images) or "none"
            raise ValueError(
                f"holds {len(images)} images ({names}), must be one, or one in a group "
                f"named as its detector (config.prediction.detectors={detector!r})"
            )
        if images[0].size > _MOST_PIXELS:
            raise ValueError(f"an image of {images[0].shape} pixels is too large")
        # HyperSpy writes axes as groups with a scale and units.
        groups = [
            x.attrs
            for name, x in images[0].parent.items()
            if name.startswith("axis-") and "scale" in x.attrs
        ]
        scales = [_scale_a(a["scale"], a.get("units", "")) for a in groups]
        return np.squeeze(images[0][()]), scales[0] if scales else 0.0


def _read_other(file: pathlib.Path) -> tuple[np.ndarray, float]:
    try:
        from rsciio import IO_PLUGINS
    except ImportError as error:
        raise ConfigError(
            f"--input={str(file)!r}: must end in one of {', '.join(_OWN)}; files of "
            "microscopes (.dm3, .dm4, .emd, .emi, .mrc) need rosettasciio: pip install "
            "rosettasciio."
        ) from error
    ending = file.suffix.lower().removeprefix(".")
    for plugin in IO_PLUGINS:
        if ending in plugin["file_extensions"]:
            reader = importlib.import_module(plugin["api"])
            (signal,) = reader.file_reader(str(file))[:1]
            axis = signal["axes"][-1]
            return signal["data"], _scale_a(axis["scale"], axis.get("units") or "")
    raise ConfigError(
        f"--input={str(file)!r}: must end in one of {', '.join(_OWN)}, or as what "
        f"rosettasciio reads; it reads no .{ending}."
    )


def _scale_a(scale: float, units: object) -> float:
    """A per pixel, 0 where the unit is no length."""
    text = units.decode() if isinstance(units, bytes) else str(units)
    return float(scale) * LENGTHS_A.get(text.strip().lower(), 0.0)
