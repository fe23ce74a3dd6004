"""Decoded data sets on disk: checksummed, memory-mapped, never seen half-written."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import tempfile
from typing import NamedTuple

import numpy as np

from input_pipeline.errors import DataError

FORMAT_VERSION = 1
_BLOCK = 1 << 24  # bytes hashed at a time


class CachedArrays(NamedTuple):
    """A decoded data set.

    Attributes:
      images: memory-mapped uint8 [n, y, x, c].
      labels: int32 [n].
      label_names: one name per label.
      digest: SHA-256 over both files' checksums.
    """

    images: np.ndarray
    labels: np.ndarray
    label_names: tuple[str, ...]
    digest: str


def directory(cache_dir: str) -> pathlib.Path:
    """The directory of all caches: `cache_dir`, or the user's if that is empty."""
    if cache_dir:
        return pathlib.Path(cache_dir).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(home).expanduser() / "label-sharded-gans"


def folder_name(
    name: str, split: str, size: int, resize: str, source: pathlib.Path
) -> str:
    """A name that is as readable as it can be and different for different sources."""
    key = hashlib.sha256(f"{name}|{source.resolve()}".encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[-40:]
    return f"{readable}-{split}-{size}-{resize}-{key}"


def checksum(path: pathlib.Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write(
    where: pathlib.Path,
    images: np.ndarray,
    labels: np.ndarray,
    label_names: tuple[str, ...],
) -> None:
    """Writes a set beside `where` and moves it there when it is complete."""
    where.parent.mkdir(parents=True, exist_ok=True)
    building = pathlib.Path(tempfile.mkdtemp(prefix=".building-", dir=where.parent))
    try:
        np.save(building / "images.npy", np.ascontiguousarray(images, np.uint8))
        np.save(building / "labels.npy", np.asarray(labels, np.int32))
        manifest = {
            "format_version": FORMAT_VERSION,
            "shape": list(images.shape),
            "label_names": list(label_names),
            "images_sha256": checksum(building / "images.npy"),
            "labels_sha256": checksum(building / "labels.npy"),
        }
        (building / "manifest.json").write_text(json.dumps(manifest, indent=1))
        try:
            building.rename(where)
        except OSError:
            if not where.exists():  # else another process was faster: same content
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def read(where: pathlib.Path) -> CachedArrays | None:
    """Opens a set, verifying both checksums; None if there is none.

    Raises:
      DataError: it is damaged.
    """
    if not where.exists():
        return None
    try:
        manifest = json.loads((where / "manifest.json").read_text())
        if manifest["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format version {manifest['format_version']}")
        for kind in ("images", "labels"):
            if checksum(where / f"{kind}.npy") != manifest[f"{kind}_sha256"]:
                raise ValueError(f"{kind}.npy does not have the recorded checksum")
        images = np.load(where / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(where / "labels.npy", allow_pickle=False)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"the decoded data set {where} is damaged ({error}); remove that directory "
            "and it is made anew (config.dataset.cache_dir)."
        ) from error
    both = manifest["images_sha256"] + manifest["labels_sha256"]
    digest = hashlib.sha256(both.encode()).hexdigest()
    return CachedArrays(images, labels, tuple(manifest["label_names"]), digest)
