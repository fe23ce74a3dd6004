"""The only door to TensorFlow Datasets; reading never loads TensorFlow itself."""

import importlib.util
import pathlib
import re

import numpy as np
from tqdm import tqdm

from input_pipeline.decoded import DecodedSet
from input_pipeline.errors import DataError

_TFDS_NAMES = {"imagenet": "imagenet2012"}
_TFDS_SPLITS = {("imagenet", "test"): "validation"}


def _newest_version(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest prepared version in `folder`, e.g. mnist/3.0.1."""
    versions = [
        (tuple(map(int, path.parent.name.split("."))), path.parent)
        for path in folder.glob("*/dataset_info.json")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)
    ]
    return max(versions)[1] if versions else None


def _missing(name: str, data_dir: pathlib.Path, why: str) -> DataError:
    tfds_name = _TFDS_NAMES.get(name, name)
    return DataError(
        f"config.dataset.data_dir={str(data_dir)!r} does not hold {name} and it could "
        f"not be downloaded ({why}); place a set prepared by TensorFlow Datasets as "
        f"ArrayRecord in {data_dir / tfds_name}/VERSION/, or the original files in "
        f"{data_dir / name}/."
    )


def _prepare(name: str, data_dir: pathlib.Path) -> None:
    """Downloads and prepares a set; needs a network and the package tensorflow-cpu."""
    # Asked first: without it the download succeeds or times out in vain.
    if importlib.util.find_spec("tensorflow") is None:
        raise _missing(name, data_dir, "preparing needs the package tensorflow-cpu")
    import tensorflow_datasets as tfds

    tfds_name = _TFDS_NAMES.get(name, name)
    try:
        builder = tfds.builder(
            tfds_name, data_dir=str(data_dir), file_format="array_record"
        )
        builder.download_and_prepare()
    # Whatever stops a download is the user's to know in one line, by any name.
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        raise _missing(name, data_dir, why) from error


def open_source(name: str, split: str, data_dir: pathlib.Path, *, decode: bool = True):
    """Opens a prepared set, preparing it first if it is missing.

    Args:
      name: of the data set, in our spelling.
      split: "train" or "test".
      data_dir: where TensorFlow Datasets keeps prepared sets.
      decode: False leaves images as the bytes of their files.

    Returns:
      (random-access source of records, label names, features).

    Raises:
      DataError: it is missing and cannot be had, or its files are damaged.
    """
    import tensorflow_datasets as tfds

    folder = data_dir / _TFDS_NAMES.get(name, name)
    if _newest_version(folder) is None:
        _prepare(name, data_dir)
    version = _newest_version(folder)
    if version is None:
        raise _missing(name, data_dir, "preparing left no files")
    try:
        builder = tfds.builder_from_directory(str(version))
        skip = {} if decode else {"image": tfds.decode.SkipDecoding()}
        source = builder.as_data_source(
            split=_TFDS_SPLITS.get((name, split), split), decoders=skip or None
        )
    except Exception as error:
        why = str(error).splitlines()[0][:160]
        raise DataError(
            f"{version} (config.dataset.data_dir) cannot be opened: {why}; prepare it "
            "anew as ArrayRecord."
        ) from error
    return source, tuple(builder.info.features["label"].names), builder.info.features


def read(name: str, split: str, data_dir: pathlib.Path) -> DecodedSet:
    """Decodes a whole split of a set of small images.

    Raises:
      DataError: missing set or damaged record.
    """
    source, label_names, features = open_source(name, split, data_dir)
    images = np.empty((len(source), *features["image"].shape), np.uint8)
    labels = np.empty(len(source), np.int32)
    for i in tqdm(range(len(source)), desc=f"decoding {name} {split}", disable=None):
        try:
            record = source[i]
            images[i], labels[i] = record["image"], record["label"]
        except Exception as error:
            why = str(error).splitlines()[0][:160]
            raise DataError(
                f"record {i} of {name} {split} in {data_dir} (config.dataset.data_dir) "
                f"is damaged: {why}; prepare the set anew."
            ) from error
    return DecodedSet(images, labels, label_names)
