"""A data set of one's own: a folder with one sub-folder of images per label."""

import functools
import io
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from input_pipeline.errors import DataError, DataFieldError
from input_pipeline.image_source import ImageSource, damaged
from input_pipeline.location import Location, fingerprint_of
from input_pipeline.picture import GREY_MODES

PREFIX = "folder:"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
# Whatever its name is: another kind of file may start a program to be drawn (EPS).
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
_TEST_EVERY = 6  # without a folder "test", each sixth image of a label is held out
_REMEDY = "remove or replace that file"


class Listing(NamedTuple):
    """The files of one split.

    Attributes:
      paths: of the images.
      labels: int32 [n].
      label_names: the sub-folders' names, sorted.
    """

    paths: list[pathlib.Path]
    labels: np.ndarray
    label_names: tuple[str, ...]


def _label_folders(base: pathlib.Path, field: str) -> list[pathlib.Path]:
    folders = sorted(
        path
        for path in base.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )
    if not folders:
        raise DataFieldError(
            f"{field}: {base} has no sub-folders; make one for each label."
        )
    return folders


def _is_held_out(place: int, num: int) -> bool:
    # The last of fewer than six, but never the only one.
    return num > 1 and place % _TEST_EVERY == min(_TEST_EVERY, num) - 1


def _files(folder: pathlib.Path, split: str, separate: bool) -> list[pathlib.Path]:
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if separate:
        return files
    wanted, num = split == "test", len(files)
    return [p for place, p in enumerate(files) if _is_held_out(place, num) == wanted]


def list_files(root: pathlib.Path, split: str) -> Listing:
    """Lists the images of a split.

    If `root` has the sub-folders "train" and "test", these are the splits. Otherwise
    "test" is every sixth image of each label in the order of names (the last one where
    there are fewer than six), and "train" is the others.

    Raises:
      DataError: no folder, no sub-folders or an empty one.
    """
    field = f"config.dataset.name='{PREFIX}{root}'"
    if not root.is_dir():
        raise DataFieldError(
            f"{field}: no such folder; give the path of an existing one."
        )
    separate = (root / "train").is_dir() and (root / "test").is_dir()
    folders = _label_folders(root / split if separate else root, field)
    names = tuple(folder.name for folder in folders)
    if separate and split == "test":
        known = tuple(f.name for f in _label_folders(root / "train", field))
        if names != known:
            odd = ", ".join(sorted(set(names) ^ set(known)))
            raise DataError(
                f"{field}: train and test must have the same sub-folders, they differ "
                f"in {odd}; add or remove these."
            )
    paths, labels = [], []
    for label, folder in enumerate(folders):
        files = _files(folder, split, separate)
        if not files:
            raise DataError(
                f"{field}: {folder} has no images for {split!r} "
                f"({', '.join(SUFFIXES)}); add some or remove that label."
            )
        paths += files
        labels += [label] * len(files)
    return Listing(paths, np.asarray(labels, np.int32), names)


def _mode(path: pathlib.Path) -> str:
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            return picture.mode
    except Exception as error:
        raise damaged(str(path), error, _REMEDY) from error


def _of_both_splits(root: pathlib.Path) -> list[pathlib.Path]:
    paths = set()
    for split in ("train", "test"):
        try:
            paths |= {*list_files(root, split).paths}
        except DataError:
            continue  # that split is of no concern until it is asked for
    return sorted(paths)


def _count_channels(root: pathlib.Path) -> int:
    """1 if the images of both splits are grey: one in colour makes the set RGB."""
    bar = tqdm(_of_both_splits(root), desc=f"headers in {root.name}", disable=None)
    return 1 if all(_mode(path) in GREY_MODES for path in bar) else 3


def _open(root: pathlib.Path, listing: Listing) -> ImageSource:
    def read(number: int) -> tuple[Image.Image, int]:
        # The bytes, not the path: an image that is not decoded keeps its file open.
        content = io.BytesIO(listing.paths[number].read_bytes())
        picture = Image.open(content, formats=_FORMATS)
        return picture, int(listing.labels[number])

    return ImageSource(
        num=len(listing.paths),
        label_names=listing.label_names,
        read=read,
        name_of=lambda number: str(listing.paths[number]),
        remedy=_REMEDY,
        count_channels=functools.partial(_count_channels, root),
        labels=listing.labels,
    )


def locate(root: pathlib.Path, split: str) -> Location:
    """Finds a split in a folder; reads names, sizes and dates only.

    Raises:
      DataError: see `list_files`.
    """
    listing = list_files(root, split)
    # Of both: a first image in colour among the others changes this split as well.
    fingerprint = fingerprint_of(_of_both_splits(root))
    return Location(fingerprint, functools.partial(_open, root, listing))
