"""Sets too large to hold decoded: labels at hand, images decoded when asked for."""

import hashlib
import io
import json
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from input_pipeline import array_cache, folder, tfds_source
from input_pipeline.arrays import FOLDER, check_name
from input_pipeline.errors import DataError


class EncodedSet(NamedTuple):
    """A split whose images stay encoded.

    Attributes:
      name: of the data set.
      labels: int32 [n].
      label_names: one name per label.
      decode: image number -> RGB picture; safe to call from several threads.
      digest: tells the set apart from others.
    """

    name: str
    labels: np.ndarray
    label_names: tuple[str, ...]
    decode: Callable[[int], Image.Image]
    digest: str


def _of_folder(name: str, split: str) -> EncodedSet:
    root = pathlib.Path(name.removeprefix(FOLDER)).expanduser()
    paths, labels, label_names = folder.list_files(root, split)
    listed = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]
    digest = hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    def decode(number: int) -> Image.Image:
        return folder.open_image(paths[number], channels=3)

    return EncodedSet(name, labels, label_names, decode, digest)


def _labels_of(source, where: pathlib.Path) -> np.ndarray:
    """Reads every record's label once; later runs read them from `where`."""
    if where.exists():
        labels = np.load(where, allow_pickle=False)
        if len(labels) == len(source):
            return labels
    labels = np.empty(len(source), np.int32)
    for i in tqdm(range(len(source)), desc="reading labels", disable=None):
        labels[i] = source[i]["label"]
    where.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=where.parent, delete=False) as file:
        np.save(file, labels)
    os.replace(file.name, where)
    return labels


def _of_tfds(name: str, split: str, data_dir: str, cache_dir: str) -> EncodedSet:
    path = pathlib.Path(data_dir).expanduser()
    source, label_names, _ = tfds_source.open_source(name, split, path, decode=False)
    key = hashlib.sha256(f"{path.resolve()}|{len(source)}".encode()).hexdigest()
    where = array_cache.directory(cache_dir) / f"{name}-{split}-labels-{key[:12]}.npy"
    labels = _labels_of(source, where)

    def decode(number: int) -> Image.Image:
        try:
            with Image.open(io.BytesIO(source[number]["image"])) as image:
                return image.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
            raise DataError(
                f"record {number} of {name} {split} in {data_dir} "
                f"(config.dataset.data_dir) is damaged: {e}; prepare the set anew."
            ) from e

    digest = hashlib.sha256(labels.tobytes()).hexdigest()
    return EncodedSet(name, labels, label_names, decode, digest)


def open_encoded(name: str, split: str, data_dir: str, cache_dir: str) -> EncodedSet:
    """Opens a split of "imagenet" or of "folder:PATH" without decoding it.

    Raises:
      DataError: unknown, missing or damaged data.
    """
    check_name(name)
    if name.startswith(FOLDER):
        return _of_folder(name, split)
    if name != "imagenet":
        raise DataError(
            f"config.dataset.streamed=True reads imagenet or {FOLDER}PATH, not "
            f"{name!r}; set it to False."
        )
    return _of_tfds(name, split, data_dir, cache_dir)
