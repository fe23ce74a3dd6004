"""All data sets by name."""

import difflib
import pathlib

from input_pipeline import digits, folder, original_files, tfds_source
from input_pipeline.errors import DataError, DataFieldError
from input_pipeline.location import Location
from input_pipeline.one_at_a_time import one_at_a_time

NAMES = ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "imagenet")
SPLITS = ("train", "test")


def check_name(name: str, split: str) -> None:
    """Raises DataFieldError if no data set is called `name`, or no split `split`."""
    if split not in SPLITS:
        raise DataFieldError(f"split={split!r}: choose one of {', '.join(SPLITS)}.")
    if name in NAMES or name.removeprefix(folder.PREFIX) not in ("", name):
        return
    close = difflib.get_close_matches(name, NAMES, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise DataFieldError(
        f"config.dataset.name={name!r}: {hint}choose one of {', '.join(NAMES)} or "
        f"{folder.PREFIX}PATH with one sub-folder per label."
    )


def locate(name: str, split: str, data_dir: str) -> Location | None:
    """Finds a split without reading it; None if it is not at hand.

    Args:
      name: one of NAMES, or "folder:PATH".
      split: one of SPLITS; "test" is ImageNet's validation split.
      data_dir: where prepared sets lie (TFDS layout, or the originals' files).

    Raises:
      DataError: no such name, or a folder that is not as it must be.
    """
    check_name(name, split)
    if name == "digits":
        return Location(digits.fingerprint(), lambda: digits.open_digits(split))
    if name.startswith(folder.PREFIX):
        path = pathlib.Path(name.removeprefix(folder.PREFIX)).expanduser()
        return folder.locate(path, split)
    path = pathlib.Path(data_dir).expanduser()
    found = tfds_source.locate(name, split, path)
    return original_files.locate(name, split, path) if found is None else found


def fetch(name: str, split: str, data_dir: str, download: bool) -> Location:
    """Downloads and prepares a set that is not at hand.

    Raises:
      DataError: it cannot be had; says what to place where.
    """
    path = pathlib.Path(data_dir).expanduser()
    try:
        if not download:
            raise DataError("downloading was not asked for")
        tfds_source.require_tensorflow()
        # Processes that share the directory would all download into it.
        with one_at_a_time(path / name):
            found = locate(name, split, data_dir)
            if found is None:
                tfds_source.prepare(name, path)
                found = locate(name, split, data_dir)
        if found is None:
            raise DataError("preparing it left no files")
        return found
    except (DataError, OSError) as error:
        below = next(path.glob(f"*/{tfds_source.tfds_name(name)}"), None)
        hint = f"did you mean {str(below.parent)!r}? " if below else ""
        originals = original_files.placement(name)
        instead = f", or the original files {originals}" if originals else ""
        raise DataError(
            f"config.dataset.data_dir={data_dir!r} does not hold {name} and it could "
            f"not be downloaded ({error}); {hint}place it there as TFDS prepares it: "
            f"{tfds_source.tfds_name(name)}/VERSION/*.array_record* with its two .json "
            f"files{instead}."
        ) from error
