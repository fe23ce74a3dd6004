"""Data sets in the files of their authors: idx (MNIST's kin) and CIFAR's binaries."""

import functools
import gzip
import pathlib
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from input_pipeline.errors import DataError
from input_pipeline.image_source import ImageSource, source_of_arrays
from input_pipeline.location import Location, fingerprint_of

_FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_IDX_LABEL_NAMES = {
    "mnist": tuple(str(digit) for digit in range(10)),
    "fashion_mnist": _FASHION,
}
_IDX_PREFIX = {"train": "train", "test": "t10k"}
# Both sets' files have the same names; their sizes [bytes] tell them apart.
_IDX_BYTES = {
    "mnist": (9_912_422, 1_648_877),
    "fashion_mnist": (26_421_880, 4_422_102),
}

_CIFAR_SIDE, _CIFAR_CHANNELS = 32, 3
_CIFAR_FILES = {
    ("cifar10", "train"): tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    ("cifar10", "test"): ("test_batch.bin",),
    ("cifar100", "train"): ("train.bin",),
    ("cifar100", "test"): ("test.bin",),
}
_CIFAR_FOLDER = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}
_CIFAR_NAMES = {"cifar10": "batches.meta.txt", "cifar100": "fine_label_names.txt"}
_CIFAR_LABEL_BYTES = {"cifar10": 1, "cifar100": 2}  # the fine label is the last
_CIFAR_NUM_LABELS = {"cifar10": 10, "cifar100": 100}

_MOST_BYTES = 1 << 30  # a file or header that asks for more is damaged


def placement(name: str) -> str:
    """Says which original files can be placed where; empty if none can."""
    if name in _IDX_LABEL_NAMES:
        return f"{name}/train-images-idx3-ubyte.gz and its three companions"
    if name in _CIFAR_FOLDER:
        return f"{_CIFAR_FOLDER[name]}/*.bin"
    return ""


def _damaged(path: pathlib.Path, why: str) -> DataError:
    return DataError(
        f"{path} (config.dataset.data_dir) is damaged: {why}; fetch that file again."
    )


def _read_idx(path: pathlib.Path, num_dimensions: int) -> np.ndarray:
    try:
        with gzip.open(path, "rb") as file:
            header = file.read(4 + 4 * num_dimensions)
            magic, *shape = struct.unpack(f">{1 + num_dimensions}I", header)
            if magic != 0x800 + num_dimensions:
                raise _damaged(path, f"its magic number is {magic:#x}")
            size = int(np.prod([float(side) for side in shape]))
            if not 0 < size <= _MOST_BYTES:
                raise _damaged(path, f"its header promises {size} bytes")
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise _damaged(path, str(error)) from error
    if len(content) != size:
        raise _damaged(path, f"its header promises {size} bytes, it has not as many")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _idx_paths(split: str, folder: pathlib.Path) -> list[pathlib.Path]:
    prefix = _IDX_PREFIX[split]
    return [
        folder / f"{prefix}-images-idx3-ubyte.gz",
        folder / f"{prefix}-labels-idx1-ubyte.gz",
    ]


def _open_idx(name: str, split: str, paths: list[pathlib.Path]) -> ImageSource:
    pixels, labels = _read_idx(paths[0], 3), _read_idx(paths[1], 1)
    if len(pixels) != len(labels) or labels.max() > 9:
        raise _damaged(paths[1], "its labels do not fit the images")
    return source_of_arrays(
        pixels[..., None], labels, _IDX_LABEL_NAMES[name], f"{name} {split}"
    )


def _read_records(path: pathlib.Path, size: int) -> np.ndarray:
    num_bytes = path.stat().st_size
    if not 0 < num_bytes <= _MOST_BYTES or num_bytes % size:
        raise _damaged(path, f"{num_bytes} bytes are no whole records of {size}")
    return np.fromfile(path, np.uint8).reshape(-1, size)


def _cifar_label_names(name: str, folder: pathlib.Path) -> tuple[str, ...]:
    path, num = folder / _CIFAR_NAMES[name], _CIFAR_NUM_LABELS[name]
    if not path.is_file():
        return tuple(str(label) for label in range(num))
    names = tuple(path.read_text(errors="replace").split())
    if len(names) != num:
        raise _damaged(path, f"it has {len(names)} names, not {num}")
    return names


def _open_cifar(name: str, split: str, paths: list[pathlib.Path]) -> ImageSource:
    label_bytes = _CIFAR_LABEL_BYTES[name]
    label_names = _cifar_label_names(name, paths[0].parent)
    size = label_bytes + _CIFAR_SIDE**2 * _CIFAR_CHANNELS
    parts = [_read_records(path, size) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        highest = part[:, label_bytes - 1].max()
        if highest >= len(label_names):
            raise _damaged(path, f"there is no label {highest}")
    records = np.concatenate(parts)
    planes = records[:, label_bytes:].reshape(
        -1, _CIFAR_CHANNELS, _CIFAR_SIDE, _CIFAR_SIDE
    )
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    labels = records[:, label_bytes - 1]
    return source_of_arrays(images, labels, label_names, f"{name} {split}")


def _candidates(
    name: str, split: str, data_dir: pathlib.Path
) -> Iterator[list[pathlib.Path]]:
    """Yields the files that a split may lie in, likely places first."""
    if name in _IDX_LABEL_NAMES:
        yield _idx_paths(split, data_dir / name)
        direct = _idx_paths(split, data_dir)
        others = {n for s, sizes in _IDX_BYTES.items() if s != name for n in sizes}
        if direct[0].is_file() and direct[0].stat().st_size not in others:
            yield direct
    elif name in _CIFAR_FOLDER:
        for base in (data_dir, data_dir / name):
            for folder in (base / _CIFAR_FOLDER[name], base):
                yield [folder / file for file in _CIFAR_FILES[name, split]]


def locate(name: str, split: str, data_dir: pathlib.Path) -> Location | None:
    """Finds a split in `data_dir` or its sub-folder called after the set.

    Returns:
      Where it is, or None if the files are not there. Opening it raises DataError
      where a file is damaged.
    """
    open_set = _open_idx if name in _IDX_LABEL_NAMES else _open_cifar
    for paths in _candidates(name, split, data_dir):
        if all(path.is_file() for path in paths):
            return Location(
                fingerprint_of(paths), functools.partial(open_set, name, split, paths)
            )
    return None
