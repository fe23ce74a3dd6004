"""The only door to TensorFlow Datasets; only preparing a set loads TensorFlow."""

import functools
import importlib.util
import io
import pathlib
import re

from PIL import Image

from input_pipeline.errors import DataError
from input_pipeline.image_source import ImageSource
from input_pipeline.location import Location, fingerprint_of

_TFDS_NAMES = {"imagenet": "imagenet2012"}
_TFDS_SPLITS = {("imagenet", "test"): "validation"}


def tfds_name(name: str) -> str:
    """What TFDS calls the set `name`."""
    return _TFDS_NAMES.get(name, name)


def _newest_version(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest prepared version in `folder`, e.g. mnist/3.0.1."""
    versions = [
        (tuple(map(int, path.parent.name.split("."))), path.parent)
        for path in folder.glob("*/dataset_info.json")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)
    ]
    return max(versions)[1] if versions else None


def _open(name: str, split: str, version: pathlib.Path) -> ImageSource:
    import tensorflow_datasets as tfds

    what = f"{name} {split} in {version} (config.dataset.data_dir)"
    try:
        builder = tfds.builder_from_directory(str(version))
        # Ours decodes: it is the same for all sources, and threads can share it.
        source = builder.as_data_source(
            split=_TFDS_SPLITS.get((name, split), split),
            decoders={"image": tfds.decode.SkipDecoding()},
        )
        num, features = len(source), builder.info.features
        label_names = tuple(features["label"].names)
        channels = features["image"].shape[-1]
        if not num:
            raise ValueError("it has no records")
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(
            f"{what} cannot be opened ({why}); prepare it anew as ArrayRecord."
        ) from error

    def read(number: int) -> tuple[Image.Image, int]:
        record = source[number]
        # Of other formats, some start a program to be drawn (EPS).
        content = io.BytesIO(record["image"])
        return Image.open(content, formats=("PNG", "JPEG")), int(record["label"])

    return ImageSource(
        num=num,
        label_names=label_names,
        read=read,
        name_of=lambda number: f"record {number} of {what}",
        remedy="prepare the set anew",
        count_channels=lambda: channels,
    )


def locate(name: str, split: str, data_dir: pathlib.Path) -> Location | None:
    """Finds a prepared split; imports nothing.

    Returns:
      Where it is, or None if no version of the set is prepared in `data_dir`.
      Opening it raises DataError where its files are damaged.
    """
    version = _newest_version(data_dir / tfds_name(name))
    if version is None:
        return None
    files = sorted(path for path in version.iterdir() if path.is_file())
    return Location(
        fingerprint_of(files), functools.partial(_open, name, split, version)
    )


def require_tensorflow() -> None:
    """Raises DataError where nothing can be prepared, before anything is tried."""
    if importlib.util.find_spec("tensorflow") is None:
        raise DataError(
            "that needs the package tensorflow-cpu: pip install it, and try again"
        )


def prepare(name: str, data_dir: pathlib.Path) -> None:
    """Downloads and prepares a set; needs a network and the package tensorflow-cpu.

    Raises:
      DataError: why that is impossible, in a few words.
    """
    # Asked first: without it the download succeeds or times out in vain.
    require_tensorflow()
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(
            tfds_name(name), data_dir=str(data_dir), file_format="array_record"
        )
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )
    # Whatever stops a download is the user's to know in one line, by any name.
    except (Exception, SystemExit) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise DataError(f"downloading failed: {why}") from error
