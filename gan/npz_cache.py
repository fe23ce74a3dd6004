"""Arrays that are expensive to make, kept on disk under a key of what made them."""

import hashlib
import json
import os
import pathlib
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from input_pipeline.npz_sizes import require_honest_sizes
from input_pipeline.one_at_a_time import one_at_a_time

_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    SyntaxError,  # of a header, which is a Python literal
    NotImplementedError,  # an encryption or compression that nobody writes
    RuntimeError,
    OverflowError,
    MemoryError,
    tokenize.TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def digest_of(*parts: Any) -> str:
    """SHA-256 of JSON-able `parts`, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read(path: pathlib.Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    require_honest_sizes(path, compressed=False)
    # np.load leaves a damaged file open if it has to open it itself.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        if set(arrays.files) != set(names):
            raise ValueError(f"holds {sorted(arrays.files)}, not {sorted(names)}")
        return {name: arrays[name] for name in names}


def _write(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            np.savez(file, **arrays)
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)


def _kept(path, names, report) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    try:
        return _read(path, names)
    except _DAMAGE as error:
        report(f"{path} is damaged ({error}); it is made again.")
        return None


def load_or_make(
    path: pathlib.Path,
    names: tuple[str, ...],
    make: Callable[[], dict[str, np.ndarray]],
    report: Callable[[str], None],
) -> dict[str, np.ndarray]:
    """Reads arrays from `path`; where that is impossible, makes and writes them.

    Of several processes that want them, one makes them and the others wait.

    Args:
      path: an .npz file; its name must change when what is made changes.
      names: of the arrays.
      make: makes all of them.
      report: is told about a damaged file, which is then replaced.
    """
    kept = _kept(path, names, report)
    if kept is not None:
        return kept
    with one_at_a_time(path):
        kept = _kept(path, names, lambda damage: None)  # made while this one waited
        if kept is None:
            kept = make()
            _write(path, kept)
        return kept
