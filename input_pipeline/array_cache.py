"""Arrays of data sets on disk: checksummed, memory-mapped, never seen half-written."""

import hashlib
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from input_pipeline.errors import DataError
from input_pipeline.one_at_a_time import one_at_a_time

FORMAT_VERSION = 2
_BLOCK = 1 << 24  # bytes that have a checksum of their own
_MOST_VERIFIED = 1 << 32  # of larger files, blocks spread over so many bytes


class CachedArrays(NamedTuple):
    """A set of arrays and what was recorded with them.

    Attributes:
      arrays: memory-mapped, by name.
      facts: what was recorded, JSON-able.
      digest: SHA-256 over the arrays' checksums.
    """

    arrays: dict[str, np.ndarray]
    facts: dict
    digest: str


def directory(cache_dir: str) -> pathlib.Path:
    """The directory of all caches: `cache_dir`, or the user's if that is empty."""
    if cache_dir:
        return pathlib.Path(cache_dir).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(home).expanduser() / "label-sharded-gans"


def checksum(path: pathlib.Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_array(
    path: pathlib.Path, shape: tuple[int, ...], dtype: type, rows: Iterable[np.ndarray]
) -> None:
    """Writes an .npy file piece by piece, so that it never is in memory.

    Args:
      path: of the file.
      shape: of the whole array.
      dtype: of the whole array.
      rows: pieces of it along the first axis, in order.
    """
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": tuple(shape),
    }
    num = 0
    # Not through a memory map: on a full disk that kills the process without a word.
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in rows:
            if piece.shape[1:] != tuple(shape[1:]) or piece.dtype != np.dtype(dtype):
                raise ValueError(f"{piece.dtype} {piece.shape} is no part of {shape}")
            file.write(np.ascontiguousarray(piece).data)
            num += len(piece)
    if num != shape[0]:
        raise ValueError(f"{num} rows came instead of {shape[0]}")


def _record(path: pathlib.Path) -> dict:
    """What a manifest says of a file."""
    with path.open("rb") as file:
        blocks = []
        while block := file.read(_BLOCK):
            blocks.append(hashlib.sha256(block).hexdigest())
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.str,
        "bytes": path.stat().st_size,
        "sha256": checksum(path),
        "sha256_of_blocks": blocks,
    }


def write(where: pathlib.Path, fill: Callable[[pathlib.Path], dict]) -> None:
    """Makes a set of arrays beside `where` and moves it there when it is complete.

    Where another process does the same, this one waits for what that one makes.

    Args:
      where: a directory that does not exist.
      fill: writes .npy files into an empty directory; returns facts to record.

    Raises:
      DataError: the disk refuses.
    """
    try:
        with one_at_a_time(where):
            if not where.exists():
                _build(where, fill)
    except OSError as error:
        raise DataError(
            f"config.dataset.cache_dir={str(where.parent)!r} cannot be written "
            f"({error}); name a directory with room and permission."
        ) from error


def _build(where: pathlib.Path, fill: Callable[[pathlib.Path], dict]) -> None:
    building = where.parent / f".building-{where.name}-{secrets.token_hex(4)}"
    try:
        building.mkdir()
        facts = fill(building)
        files = {path.stem: _record(path) for path in sorted(building.glob("*.npy"))}
        manifest = {"format_version": FORMAT_VERSION, "facts": facts, "files": files}
        (building / "manifest.json").write_text(json.dumps(manifest, indent=1))
        try:
            building.rename(where)
        except OSError:
            if not where.exists():  # else another process was faster: same content
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _verify(path: pathlib.Path, recorded: dict) -> None:
    """Raises ValueError if a file is not what its record says.

    A large file is judged by its size and by blocks spread evenly over it.
    """
    size, blocks = path.stat().st_size, recorded["sha256_of_blocks"]
    if size != recorded["bytes"] or len(blocks) != -(-size // _BLOCK):
        raise ValueError(f"{path.name} has {size} bytes instead of {recorded['bytes']}")
    most = max(_MOST_VERIFIED // _BLOCK, 2)
    chosen = np.linspace(0, len(blocks) - 1, min(len(blocks), most)).astype(int)
    with path.open("rb") as file:
        for number in chosen:
            file.seek(int(number) * _BLOCK)
            if hashlib.sha256(file.read(_BLOCK)).hexdigest() != blocks[number]:
                raise ValueError(f"{path.name} does not have the recorded checksum")


def read(where: pathlib.Path, names: tuple[str, ...]) -> CachedArrays | None:
    """Opens the arrays `names` and verifies their checksums; None if there are none.

    Raises:
      DataError: they are damaged.
    """
    if not where.exists():
        return None
    try:
        manifest = json.loads((where / "manifest.json").read_text())
        arrays = {}
        for name in names:
            recorded = manifest["files"][name]
            _verify(where / f"{name}.npy", recorded)
            array = np.load(where / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if [*array.shape] != recorded["shape"]:
                raise ValueError(f"{name}.npy has the shape {array.shape}")
            arrays[name] = array
        sums = "".join(manifest["files"][name]["sha256"] for name in names)
        facts = dict(manifest["facts"])
    # A damaged header may raise anything at all.
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(
            f"the cached data set {where} is damaged ({why}); remove that directory "
            "and it is made anew (config.dataset.cache_dir)."
        ) from error
    return CachedArrays(arrays, facts, hashlib.sha256(sums.encode()).hexdigest())
