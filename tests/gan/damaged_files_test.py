"""Two hundred damaged forms of weights and cached arrays; nothing in them is run."""

import collections
import hashlib
import io
import pickle
import zipfile

import numpy as np
import pytest

from gan import npz_cache
from gan.errors import ConfigError
from gan.torch_file import read_tensors
from gan.weights import read_weights
from tests.gan.weights_test import (
    _pickled,
    _Saved,
    _Stored,
    _write_legacy,
    _write_zip,
    torch_names,
)
from tests.mutations import harmless, read_all_damaged

__all__ = ["torch_names"]  # a fixture
WRITERS = pytest.mark.parametrize("write", [_write_zip, _write_legacy])


def _weights(path, write):
    values = np.arange(12, dtype=np.float32)
    first, second = _Stored("0", values), _Stored("1", [1, 2, 3])
    tree = collections.OrderedDict(
        kernel=_Saved(first, 0, (3, 4), (4, 1)),
        inner={"turned": _Saved(first, 0, (4, 3), (1, 4)), "number": 5},
        part=_Saved(second, 1, (2,), (1,)),
    )
    write(path, _pickled(tree), [first, second])


@WRITERS
def test_weights(write, tmp_path, torch_names):
    path = tmp_path / "weights.pt"
    _weights(path, write)

    def read():
        # Somebody who means harm states the checksum of his own file.
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found = read_weights("inception", str(path), digest)
        # Tensors may share a storage; each is no larger than its own.
        assert all(x.nbytes <= path.stat().st_size for x in found.values())

    refused = read_all_damaged(path, path.read_bytes(), read, errors=ConfigError)
    assert refused > 100


def test_weights_whose_pickle_alone_is_damaged(tmp_path, torch_names):
    """The checksums of the zip file are right."""
    path, inner = tmp_path / "weights.pt", tmp_path / "data.pkl"
    _weights(path, _write_zip)
    with zipfile.ZipFile(path) as file:
        storages = {n: file.read(n) for n in file.namelist() if "/data/" in n}
        pickled = file.read("archive/data.pkl")

    def read():
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", inner.read_bytes())
            for name, content in storages.items():
                file.writestr(name, content)
        read_tensors(path)

    assert read_all_damaged(inner, pickled, read, errors=ValueError) > 50


@WRITERS
@pytest.mark.parametrize(
    "asks",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",  # LONG_BINPUT: place 2147483647 of the memo
        b"\x80\x02]p9999999999\n.",  # PUT, in words
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",  # BINBYTES8 of 8 EiB
        b"\x80\x02" + b"(" * 100_000,
    ],
)
def test_a_pickle_that_asks_for_memory_gets_none(write, asks, tmp_path):
    path = write(tmp_path / "weights.pt", asks)
    with harmless(tmp_path, most_mib=32), pytest.raises(ValueError, match="as tensors"):
        read_tensors(path)


def test_a_tensor_with_an_absurd_shape_is_refused_before_it_is_made(
    tmp_path, torch_names
):
    storage = _Stored("0", [1, 2, 3])
    for shape, strides in [((2**40,), (0,)), ((2**20, 2**20), (0, 0))]:
        pickled = _pickled({"w": _Saved(storage, 0, shape, strides)})
        path = _write_zip(tmp_path / "weights.pt", pickled, [storage])
        with (
            harmless(tmp_path, most_mib=4),
            pytest.raises(ValueError, match="leaves storage"),
        ):
            read_tensors(path)


def test_a_compressed_file_does_not_grow_in_memory(tmp_path):
    path = tmp_path / "bomb"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(200 << 20))
    assert path.stat().st_size < 1 << 20
    with harmless(tmp_path, most_mib=8), pytest.raises(ValueError, match="larger than"):
        read_tensors(path)


ARRAYS = {"mean": np.arange(6.0), "covariance": np.ones((2, 3), np.float32)}


def _load(path):
    said = []
    found = npz_cache.load_or_make(path, tuple(ARRAYS), lambda: ARRAYS, said.append)
    return found, said


def test_cached_arrays(tmp_path):
    path = tmp_path / "arrays.npz"
    _load(path)
    told = []

    def read():
        size = path.stat().st_size
        found, said = _load(path)
        told.extend(said)
        assert found.keys() == ARRAYS.keys()
        assert all(x.nbytes <= max(size, 100) for x in found.values())

    read_all_damaged(path, path.read_bytes(), read, errors=())
    assert len(told) > 100 and all("is made again" in line for line in told)


def _npz(member):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in ARRAYS:
            file.writestr(f"{name}.npy", member)
    return buffer.getvalue()


def test_cached_arrays_whose_headers_alone_are_damaged(tmp_path):
    """The checksums of the zip file are right."""
    path, inner = tmp_path / "arrays.npz", tmp_path / "inner.npy"
    np.save(inner, np.arange(6.0))

    def read():
        path.write_bytes(_npz(inner.read_bytes()))
        found, _ = _load(path)
        assert all(x.nbytes <= 1 << 20 for x in found.values())

    read_all_damaged(inner, inner.read_bytes(), read, errors=())


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }",
        "{'descr': '|V999999999', 'fortran_order': False, 'shape': (1000,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    ],
)
def test_an_array_with_an_absurd_header_is_made_again(header, tmp_path):
    padded = header.ljust(117) + "\n"
    member = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode()
    (tmp_path / "arrays.npz").write_bytes(_npz(member + pickle.dumps(print)))
    with harmless(tmp_path, most_mib=8):
        found, said = _load(tmp_path / "arrays.npz")
    assert found is ARRAYS and "is damaged" in said[0]
