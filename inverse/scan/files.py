"""Reads 4D-STEM scans: npy, npz, zarr, HDF5 and EMD.

Whatever a file does not say of itself is read from NAME.json beside it, which is also
what its own statements are corrected with.
"""

import json
import pathlib
from typing import Any

import numpy as np

from input_pipeline.npz_sizes import require_honest_sizes
from inverse.errors import ConfigError
from inverse.scan.axes import said_by_axes, text_of
from inverse.scan.measured import MeasuredScan, measured_scan

PATTERNS = "patterns"  # name of the array, where a file holds several
_HDF5 = (".h5", ".hdf5", ".emd", ".hspy", ".nxs")
SUFFIXES = (".npy", ".npz", ".zarr", *_HDF5)


def read_scan(path: str) -> MeasuredScan:
    """Opens a file; arrays of HDF5, zarr and npy are read when they are needed.

    Raises:
      ConfigError: there is no such file, it is of no known kind, or it does not say
        what it holds.
    """
    file = pathlib.Path(path).expanduser()
    if not file.exists():
        raise ConfigError(f"--input={path!r}: there is no such file.")
    if file.suffix not in SUFFIXES:
        raise ConfigError(
            f"--input={path!r}: must end in one of {', '.join(SUFFIXES)}."
        )
    try:
        beside = file.with_name(file.name + ".json")
        stated = json.loads(beside.read_text()) if beside.exists() else {}
        data, said = _open(file, stated)
        return measured_scan(data, said | stated, file.name)
    except (ConfigError, MemoryError):
        raise
    # The libraries below raise whatever they like at damaged bytes.
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ConfigError(f"--input={path!r}: cannot be read ({why}).") from error


def _open(file: pathlib.Path, stated: dict) -> tuple[Any, dict]:
    if file.suffix == ".npy":
        return np.load(file, mmap_mode="r", allow_pickle=False), {}
    if file.suffix == ".npz":
        return _read_npz(file)
    if file.suffix == ".zarr":
        return _read_zarr(file)
    return _read_hdf5(file, stated)


def _read_npz(file: pathlib.Path) -> tuple[Any, dict]:
    require_honest_sizes(file, compressed=True)
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        content = dict(arrays)
    if PATTERNS not in content:
        raise ConfigError(
            f"{file.name}: holds {', '.join(content)}, but no array {PATTERNS!r}."
        )
    return content.pop(PATTERNS), content


class _Sliced:
    """A TensorStore that is read by slices as numpy arrays are."""

    def __init__(self, store: Any):
        self._store, self.shape = store, tuple(store.shape)

    def __getitem__(self, index):
        return self._store[index].read().result()


def _read_zarr(file: pathlib.Path) -> tuple[Any, dict]:
    import tensorstore

    array = file / PATTERNS if (file / PATTERNS).is_dir() else file
    said = {}
    for place in (file, array):
        for name, section in ((".zattrs", None), ("zarr.json", "attributes")):
            if (place / name).exists():
                content = json.loads((place / name).read_text())
                said |= content if section is None else content.get(section, {})
    driver = "zarr3" if (array / "zarr.json").exists() else "zarr"
    kvstore = {"driver": "file", "path": str(array.resolve())}
    try:
        spec = {"driver": driver, "kvstore": kvstore}
        return _Sliced(tensorstore.open(spec, read=True).result()), said
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{file.name}: cannot be read as zarr: {reason}") from error


def _read_hdf5(file: pathlib.Path, stated: dict) -> tuple[Any, dict]:
    try:
        import h5py
    except ImportError as error:
        raise ConfigError(
            f"--input={str(file)!r}: reading HDF5 needs h5py: pip install h5py."
        ) from error
    found = []
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise ConfigError(f"{file.name}: cannot be read as HDF5: {error}") from error
    opened.visititems(
        lambda _, x: found.append(x) if isinstance(x, h5py.Dataset) else None
    )
    stacks = [x for x in found if x.ndim == 4]
    named = [x for x in stacks if x.name.rsplit("/", 1)[-1] == PATTERNS]
    if len(named or stacks) != 1:
        names = ", ".join(x.name for x in stacks) or "none"
        raise ConfigError(
            f"{file.name}: holds {len(stacks)} arrays of four axes ({names}); one must "
            f"be, or be named {PATTERNS!r}."
        )
    (data,) = named or stacks
    said = text_of({**opened.attrs, **data.parent.attrs, **data.attrs})
    return data, said_by_axes(data, said | stated)
