"""Data sets that stay encoded, because decoded they are too large to keep."""

import dataclasses
import hashlib
import pathlib

import numpy as np

from input_pipeline import array_cache, catalogue, decode
from input_pipeline.cache_key import CacheKey
from input_pipeline.image_source import ImageSource


@dataclasses.dataclass(frozen=True)
class EncodedSet:
    """A data set whose images are decoded when they are needed.

    Attributes:
      source: reads single images.
      labels: int32 [n].
      label_names: one name per label.
      channels: 1 if all images are grey, else 3.
      name: of the data set.
      split: "train" or "test".
      digest: SHA-256 of the files' names, sizes and dates, and of the labels.
    """

    source: ImageSource
    labels: np.ndarray
    label_names: tuple[str, ...]
    channels: int
    name: str
    split: str
    digest: str

    @property
    def num_labels(self) -> int:
        """How many labels there are."""
        return len(self.label_names)


def _fill(folder: pathlib.Path, source: ImageSource, task: str) -> dict:
    """Writes the labels of `source`; returns what to record with them."""
    if source.labels is not None:
        labels = [source.labels]
    else:
        blocks = decode.blocks_of(source, lambda picture: np.empty(0), task)
        labels = [found for _, found in blocks]
    array_cache.write_array(folder / "labels.npy", (source.num,), np.int32, labels)
    return {"channels": source.count_channels()}


def open_encoded(
    name: str,
    split: str,
    data_dir: str,
    cache_dir: str,
    *,
    download: bool = True,
) -> EncodedSet:
    """Opens a data set; the first time, all its labels are read and kept.

    Args:
      name: one of catalogue.NAMES, or "folder:PATH".
      split: "train" or "test".
      data_dir: where prepared sets lie.
      cache_dir: where the labels are kept; empty for the user's cache directory.
      download: whether to try to download a set that is nowhere.

    Raises:
      DataError: unknown, missing or damaged data.
    """
    location = catalogue.locate(name, split, data_dir)
    if location is None:
        location = catalogue.fetch(name, split, data_dir, download)
    source = location.open()
    key = CacheKey(name, split, "labels", data_dir)
    where = key.directory(cache_dir, location.fingerprint)
    cached = array_cache.read(where, ("labels",))
    if cached is None:
        task = f"reading the labels of {name} {split}"
        array_cache.write(where, lambda folder: _fill(folder, source, task))
        cached = array_cache.read(where, ("labels",))
    both = f"{location.fingerprint}{cached.digest}"
    return EncodedSet(
        source=source,
        labels=np.array(cached.arrays["labels"]),
        label_names=source.label_names,
        channels=cached.facts["channels"],
        name=name,
        split=split,
        digest=hashlib.sha256(both.encode()).hexdigest(),
    )
