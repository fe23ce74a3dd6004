"""Whole data sets as arrays: decoded once, then memory-mapped."""

import dataclasses
import difflib
import pathlib

import numpy as np

from input_pipeline import array_cache, digits, folder, original_files, tfds_source
from input_pipeline.decoded import DecodedSet
from input_pipeline.errors import DataError
from input_pipeline.resize import resized

NAMES = ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "imagenet")
SPLITS = ("train", "test")
FOLDER = "folder:"


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """A data set in memory or memory-mapped.

    Attributes:
      images: uint8 [n, y, x, c].
      labels: int32 [n].
      label_names: one name per label.
      name: of the data set.
      split: "train" or "test".
      digest: SHA-256 of the images' and labels' content.
    """

    images: np.ndarray
    labels: np.ndarray
    label_names: tuple[str, ...]
    name: str
    split: str
    digest: str

    @property
    def num_labels(self) -> int:
        """How many labels there are."""
        return len(self.label_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(y, x, c)."""
        return self.images.shape[1:]


def check_name(name: str) -> None:
    """Raises DataError if no data set is called `name`."""
    if name in NAMES or name.startswith(FOLDER):
        return
    close = difflib.get_close_matches(name, NAMES, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise DataError(
        f"config.dataset.name={name!r}: {hint}choose one of {', '.join(NAMES)} or "
        f"{FOLDER}PATH with one sub-folder per label."
    )


def _decoded(name: str, split: str, data_dir: pathlib.Path) -> DecodedSet:
    if name == "digits":
        return digits.read(split)
    if name.startswith(FOLDER):
        return folder.read(pathlib.Path(name.removeprefix(FOLDER)).expanduser(), split)
    found = original_files.read(name, split, data_dir)
    return tfds_source.read(name, split, data_dir) if found is None else found


def load_arrays(
    name: str,
    split: str,
    *,
    image_size: int,
    resize: str,
    data_dir: str,
    cache_dir: str,
) -> LabelledImages:
    """Loads a data set, decoding it if this is the first time.

    Args:
      name: one of NAMES but "imagenet" (input_pipeline.crops), or "folder:PATH".
      split: "train" or "test".
      image_size: side of the images that are wanted [pixels].
      resize: how they get that size: "pad" (centred in black), "bilinear", "nearest"
        or "none" (they have it).
      data_dir: where prepared sets lie (TFDS layout, or the originals' files).
      cache_dir: where decoded arrays are kept; empty for the user's cache directory.

    Raises:
      DataError: unknown, missing or damaged data.
    """
    check_name(name)
    if split not in SPLITS:
        raise DataError(f"split={split!r}: choose one of {', '.join(SPLITS)}.")
    source = pathlib.Path(data_dir).expanduser()
    where = array_cache.directory(cache_dir) / array_cache.folder_name(
        name, split, image_size, resize, source
    )
    cached = array_cache.read(where)
    if cached is None:
        found = _decoded(name, split, source)
        images = resized(found.images, image_size, resize)
        array_cache.write(where, images, found.labels, found.label_names)
        cached = array_cache.read(where)
    return LabelledImages(
        images=cached.images,
        labels=cached.labels,
        label_names=cached.label_names,
        name=name,
        split=split,
        digest=cached.digest,
    )
