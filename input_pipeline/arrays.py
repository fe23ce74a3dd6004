"""Whole data sets as arrays: decoded once, then memory-mapped."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from input_pipeline import array_cache, catalogue, decode
from input_pipeline.cache_key import CacheKey
from input_pipeline.errors import DataFieldError
from input_pipeline.image_source import ImageSource
from input_pipeline.picture import coloured, orientation, pixels, upright
from input_pipeline.resize import RESIZES, fitted

_NAMES = ("images", "labels")


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


def _prepared(
    picture: Image.Image, *, channels: int, image_size: int, resize: str
) -> np.ndarray:
    held = orientation(picture)
    square = fitted(coloured(picture, channels), image_size, resize)
    return pixels(upright(square, held))


def _write_arrays(
    into: pathlib.Path, source: ImageSource, image_size: int, resize: str, task: str
) -> None:
    channels = source.count_channels()
    prepare = functools.partial(
        _prepared, channels=channels, image_size=image_size, resize=resize
    )
    labels = []

    def images() -> Iterator[np.ndarray]:
        for block, block_labels in decode.blocks_of(source, prepare, task):
            labels.append(block_labels)
            yield block

    shape = (source.num, image_size, image_size, channels)
    array_cache.write_array(into / "images.npy", shape, np.uint8, images())
    array_cache.write_array(into / "labels.npy", (source.num,), np.int32, labels)


def decoded_once(
    where: pathlib.Path,
    open_source: Callable[[], ImageSource],
    *,
    image_size: int,
    resize: str,
    name: str,
    split: str,
) -> LabelledImages:
    """Opens the decoded images in `where`; makes them if they are not there.

    Args:
      where: a directory of the cache.
      open_source: is called if the images must be decoded.
      image_size: side of the images [pixels].
      resize: how they get that size, see `load_arrays`.
      name: of the data set.
      split: "train" or "test".

    Raises:
      DataError: damaged data.
    """
    facts = {"name": name, "split": split, "image_size": image_size, "resize": resize}

    def fill(into: pathlib.Path) -> dict:
        source = open_source()
        _write_arrays(into, source, image_size, resize, f"decoding {name} {split}")
        return {**facts, "label_names": list(source.label_names)}

    cached = array_cache.read(where, _NAMES)
    if cached is None:
        array_cache.write(where, fill)
        cached = array_cache.read(where, _NAMES)
    return LabelledImages(
        images=cached.arrays["images"],
        labels=np.array(cached.arrays["labels"]),
        label_names=tuple(cached.facts["label_names"]),
        name=name,
        split=split,
        digest=cached.digest,
    )


def load_arrays(
    name: str,
    split: str,
    *,
    image_size: int,
    resize: str,
    data_dir: str,
    cache_dir: str,
    download: bool = True,
) -> LabelledImages:
    """Loads a data set, decoding it if this is the first time.

    The set is decoded again when its files have changed. Where they are gone, what was
    decoded of them is still good. Images of any shape are cut to their centred square.

    Args:
      name: one of catalogue.NAMES, or "folder:PATH".
      split: "train" or "test".
      image_size: side of the images that are wanted [pixels].
      resize: how they get that size: "pad" (centred in black), "bilinear", "nearest"
        or "none" (they have it).
      data_dir: where prepared sets lie (TFDS layout, or the originals' files).
      cache_dir: where decoded arrays are kept; empty for the user's cache directory.
      download: whether to try to download a set that is nowhere.

    Raises:
      DataError: unknown, missing or damaged data.
    """
    if resize not in RESIZES:
        raise DataFieldError(
            f"config.dataset.resize={resize!r}: choose one of {', '.join(RESIZES)}."
        )
    location = catalogue.locate(name, split, data_dir)
    key = CacheKey(name, split, f"{image_size}-{resize}", data_dir)
    fetch = functools.partial(catalogue.fetch, name, split, data_dir, download)
    where = None if location else key.newest(cache_dir)
    if where is None:
        location = location or fetch()
        where = key.directory(cache_dir, location.fingerprint)
    return decoded_once(
        where,
        lambda: (location or fetch()).open(),
        image_size=image_size,
        resize=resize,
        name=name,
        split=split,
    )
