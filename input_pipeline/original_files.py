"""Data sets in the files of their authors: idx (MNIST's kin) and CIFAR's binaries."""

import gzip
import pathlib
import struct

import numpy as np

from input_pipeline.decoded import DecodedSet
from input_pipeline.errors import DataError

_FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_IDX_LABEL_NAMES = {
    "mnist": tuple(str(digit) for digit in range(10)),
    "fashion_mnist": _FASHION,
}
_IDX_PREFIX = {"train": "train", "test": "t10k"}
_IDX_MOST_BYTES = 1 << 30  # a header that asks for more is damaged

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
            if size > _IDX_MOST_BYTES:
                raise _damaged(path, f"its header promises {size} bytes")
            content = file.read(size + 1)
    except (OSError, EOFError, struct.error) as error:
        raise _damaged(path, str(error)) from error
    if len(content) != size:
        raise _damaged(path, f"its header promises {size} bytes, it has not as many")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _idx_set(name: str, split: str, folder: pathlib.Path) -> DecodedSet | None:
    prefix = _IDX_PREFIX[split]
    images = folder / f"{prefix}-images-idx3-ubyte.gz"
    labels = folder / f"{prefix}-labels-idx1-ubyte.gz"
    if not (images.exists() and labels.exists()):
        return None
    pixels, classes = _read_idx(images, 3), _read_idx(labels, 1)
    if len(pixels) != len(classes) or classes.max(initial=0) > 9:
        raise _damaged(labels, "its labels do not fit the images")
    return DecodedSet(
        pixels[..., None], classes.astype(np.int32), _IDX_LABEL_NAMES[name]
    )


def _cifar_set(name: str, split: str, folder: pathlib.Path) -> DecodedSet | None:
    paths = [folder / file for file in _CIFAR_FILES[name, split]]
    names = folder / _CIFAR_NAMES[name]
    if not all(path.exists() for path in [*paths, names]):
        return None
    label_bytes = _CIFAR_LABEL_BYTES[name]
    record = label_bytes + _CIFAR_SIDE**2 * _CIFAR_CHANNELS
    parts = []
    for path in paths:
        content = np.fromfile(path, np.uint8)
        if content.size == 0 or content.size % record:
            raise _damaged(path, f"{content.size} bytes are no whole records")
        parts.append(content.reshape(-1, record))
    records = np.concatenate(parts)
    label_names = tuple(names.read_text().split())
    labels = records[:, label_bytes - 1].astype(np.int32)
    if labels.max() >= len(label_names):
        raise _damaged(paths[0], f"label {labels.max()} has no name in {names.name}")
    planes = records[:, label_bytes:].reshape(
        -1, _CIFAR_CHANNELS, _CIFAR_SIDE, _CIFAR_SIDE
    )
    return DecodedSet(planes.transpose(0, 2, 3, 1), labels, label_names)


def read(name: str, split: str, data_dir: pathlib.Path) -> DecodedSet | None:
    """Reads a set from `data_dir` or its sub-folder, if its files lie there.

    Returns:
      The split, or None if the files are not there.

    Raises:
      DataError: a file is damaged.
    """
    if name in _IDX_LABEL_NAMES:
        folders = [data_dir, data_dir / name]
        # Both sets have the same file names: only the folder tells them apart.
        folders = folders[1:] if data_dir.name != name else folders
        reader = _idx_set
    elif name in _CIFAR_FOLDER:
        folders = [data_dir, data_dir / name, data_dir / _CIFAR_FOLDER[name]]
        reader = _cifar_set
    else:
        return None
    for folder in folders:
        found = reader(name, split, folder)
        if found is not None:
            return found
    return None
