"""A data set of one's own: a folder with one sub-folder of images per label."""

import pathlib

import numpy as np
from PIL import Image
from tqdm import tqdm

from input_pipeline.decoded import DecodedSet
from input_pipeline.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_TEST_EVERY = 6  # without a folder "test", each sixth image of a label is held out
_MOST_PIXELS = 100_000_000  # a header that asks for more is damaged or hostile


def list_files(root: pathlib.Path, split: str) -> tuple[list, np.ndarray, tuple]:
    """Lists the images of a split.

    If `root` has the sub-folders "train" and "test", these are the splits. Otherwise
    every sixth image of each label, in the order of names, is in "test".

    Returns:
      (paths, labels int32 [n], label names): labels are the sub-folders, by name.

    Raises:
      DataError: no folder, no sub-folders or an empty one.
    """
    field = f"config.dataset.name='folder:{root}'"
    if not root.is_dir():
        raise DataError(f"{field}: no such folder; give the path of an existing one.")
    separate = (root / "train").is_dir() and (root / "test").is_dir()
    base = root / split if separate else root
    folders = sorted(path for path in base.iterdir() if path.is_dir())
    if not folders:
        raise DataError(f"{field}: {base} has no sub-folders; make one for each label.")
    paths, labels = [], []
    for label, folder in enumerate(folders):
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        if not separate:
            files = [
                file
                for i, file in enumerate(files)
                if (i % _TEST_EVERY == _TEST_EVERY - 1) == (split == "test")
            ]
        if not files:
            raise DataError(
                f"{field}: {folder} has no images for {split!r} "
                f"({', '.join(SUFFIXES)}); add some or remove that label."
            )
        paths += files
        labels += [label] * len(files)
    return paths, np.asarray(labels, np.int32), tuple(f.name for f in folders)


def open_image(path: pathlib.Path, channels: int) -> Image.Image:
    """Decodes one image file to grey (1 channel) or RGB (3).

    Raises:
      DataError: it is damaged or absurdly large.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many")
            return image.convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is no readable image ({error}); remove it.") from error


def num_channels(path: pathlib.Path) -> int:
    """1 if the file at `path` is a grey image, 3 otherwise."""
    try:
        with Image.open(path) as image:
            return 1 if image.mode in ("1", "L", "I", "I;16", "F") else 3
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is no readable image ({error}); remove it.") from error


def centre_square(image: Image.Image) -> Image.Image:
    """Cuts the largest centred square out of `image`."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def read(root: pathlib.Path, split: str) -> DecodedSet:
    """Decodes a split, every image cut to its centred square.

    The first file decides: if it is grey all become grey, otherwise all RGB; and its
    square's side is the side that the others are resized to.

    Raises:
      DataError: see `list_files` and `open_image`.
    """
    paths, labels, label_names = list_files(root, split)
    channels = num_channels(paths[0])
    side = min(open_image(paths[0], channels).size)
    images = np.empty((len(paths), side, side, channels), np.uint8)
    for i, path in enumerate(tqdm(paths, desc=f"decoding {root.name}", disable=None)):
        square = centre_square(open_image(path, channels))
        if square.size != (side, side):
            square = square.resize((side, side), Image.Resampling.BILINEAR)
        images[i] = np.asarray(square).reshape(side, side, channels)
    return DecodedSet(images, labels, label_names)
