"""Reads the tensors of a PyTorch file, without PyTorch and without running its code.

A PyTorch file holds a pickle beside the tensors' raw bytes. A pickle may name any
function to be called; here the only names that mean something are the ones that
tensors are described with, and each stands for a record of ours. Every other name is
refused before anything is called.
"""

import collections
import io
import math
import pathlib
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

_DTYPES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


class _StorageType(NamedTuple):
    dtype: str


class _Storage(NamedTuple):
    dtype: str
    key: str
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Module:
    """Stands for any class of a compiled module: attributes and no behaviour."""


def _tensor(storage, offset, shape, strides, *unused) -> _Tensor:
    """Records what torch._utils._rebuild_tensor_v2 would have built."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise pickle.UnpicklingError("a tensor without storage")
    if not all(isinstance(x, int) and x >= 0 for x in numbers):
        raise pickle.UnpicklingError(f"a tensor at {numbers}")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _integers(values) -> list:
    """Stands for torch.jit._pickle.build_intlist."""
    return list(values)


class _Unpickler(pickle.Unpickler):
    """Knows tensors, their storages, ordered dictionaries and inert modules."""

    _KNOWN = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch.jit._pickle", "build_intlist"): _integers,
    } | {("torch", name): _StorageType(dtype) for name, dtype in _DTYPES.items()}

    def find_class(self, module: str, name: str) -> Any:
        """Returns our record for a name; no name is ever imported."""
        if (module, name) in self._KNOWN:
            return self._KNOWN[module, name]
        if module.startswith("__torch__."):
            return _Module
        raise pickle.UnpicklingError(f"the name {module}.{name}, which is no tensor's")

    def persistent_load(self, description: Any) -> _Storage:
        """Records a storage: (kind, type, key, device, elements, ...)."""
        kind, storage_type, key, _, size = description[:5]
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise pickle.UnpicklingError(f"the storage {description!r}")
        return _Storage(storage_type.dtype, str(key), int(size))


def _load(file: io.BytesIO) -> Any:
    """Unpickles after a look at where memory is asked for.

    The memo is a table: an index in it of a few bytes asks for as many places.
    """
    start, size = file.tell(), file.getbuffer().nbytes
    for code, argument, _ in pickletools.genops(file):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > size:
            raise pickle.UnpicklingError(f"place {argument} of {size} bytes")
    file.seek(start)
    return _Unpickler(file).load()


def _array(tensor: _Tensor, raw: bytes) -> np.ndarray:
    dtype = np.dtype(tensor.storage.dtype)
    if len(raw) != tensor.storage.size * dtype.itemsize:
        raise ValueError(
            f"storage {tensor.storage.key} has {len(raw)} bytes, "
            f"not {tensor.storage.size} numbers of {dtype.itemsize}"
        )
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((n - 1) * stride for n, stride in steps)
    count = math.prod(tensor.shape)
    if count > tensor.storage.size or (count and last >= tensor.storage.size):
        raise ValueError(f"a tensor leaves storage {tensor.storage.key}")
    view = np.lib.stride_tricks.as_strided(
        np.frombuffer(raw, dtype)[tensor.offset :],
        tensor.shape,
        [stride * dtype.itemsize for stride in tensor.strides],
        writeable=False,
    )
    return np.array(view)


def _collect(
    tree: Any, name: str, read: Callable[[_Storage], bytes], found: dict
) -> None:
    """Puts the tensors of nested dictionaries and modules into `found`."""
    if isinstance(tree, _Tensor):
        found[name] = _array(tree, read(tree.storage))
        return
    tree = vars(tree) if isinstance(tree, _Module) else tree
    if isinstance(tree, dict):
        for key, value in tree.items():
            _collect(value, f"{name}.{key}" if name else str(key), read, found)


def _read_zip(path: pathlib.Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as file:
        pickles = [x for x in file.namelist() if x.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} members are called data.pkl, not one")
        folder = pickles[0].removesuffix("data.pkl") + "data/"
        # PyTorch compresses nothing, so no member is larger than the file.
        size = path.stat().st_size
        for member in file.infolist():
            if member.file_size > size:
                raise ValueError(f"{member.filename} is larger than its file")
        tree = _load(io.BytesIO(file.read(pickles[0])))
        found = {}
        _collect(tree, "", lambda storage: file.read(folder + storage.key), found)
        return found


def _read_legacy(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads what PyTorch wrote before 1.6: five pickles, then the storages."""
    file = io.BytesIO(path.read_bytes())
    magic, protocol, _, tree, keys = (_load(file) for _ in range(5))
    if (magic, protocol) != (_LEGACY_MAGIC, _LEGACY_PROTOCOL):
        raise ValueError("it does not begin like a PyTorch file")
    sizes = {}
    _collect_sizes(tree, sizes)
    storages = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        if key not in sizes:
            raise ValueError(f"no tensor lies in storage {key}")
        storages[key] = file.read(count * np.dtype(sizes[key]).itemsize)
    found = {}
    _collect(tree, "", lambda storage: storages[storage.key], found)
    return found


def _collect_sizes(tree: Any, dtypes: dict[str, str]) -> None:
    if isinstance(tree, _Tensor):
        dtypes[tree.storage.key] = tree.storage.dtype
    elif isinstance(tree, dict):
        for value in tree.values():
            _collect_sizes(value, dtypes)


def read_tensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads all tensors of a saved state dictionary or compiled module.

    Args:
      path: a file of torch.save or torch.jit.save.

    Returns:
      Arrays under their dotted names.

    Raises:
      ValueError: it is no such file, is damaged, or wants more than tensors.
    """
    try:
        return _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    # A damaged pickle may raise anything at all.
    except Exception as error:
        raise ValueError(f"{path} cannot be read as tensors: {error}.") from error
