"""Two hundred damaged forms of every kind of structure and scan."""

import json
import pathlib
import struct
import subprocess
import sys
import zipfile

import ase.build
import ase.io
import numpy as np
import pytest
from PIL import Image

from configs import stem_density
from inverse.density.set_description import describe_set, require_same_examples
from inverse.distortion.library import _read as _read_part
from inverse.errors import ConfigError
from inverse.micrograph.files import read_micrograph
from inverse.scan.files import read_scan
from inverse.simulator.errors import SimulatorError
from inverse.simulator.specimen import read_structure
from parallel.errors import RunError
from tests.mutations import harmless, mutations, read_all_damaged

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAID = {
    "axes": "y,x,ky,kx",
    "energy_ev": 100e3,
    "semiangle_mrad": 20.0,
    "step_a": 1.0,
    "angle_mrad": 2.3,
}


@pytest.mark.filterwarnings("ignore")  # of ase, on odd files
@pytest.mark.parametrize(
    ("name", "kind"), [("a.cif", "cif"), ("a.xyz", "extxyz"), ("a.vasp", "vasp")]
)
def test_structures(name, kind, tmp_path):
    path = tmp_path / name
    ase.io.write(path, ase.build.bulk("SrTi", "cesiumchloride", a=3.9), format=kind)

    def read():
        atoms = read_structure(path)
        assert 0 < len(atoms) < 10_000

    assert read_all_damaged(path, path.read_bytes(), read, errors=SimulatorError) > 20


def _stack():
    return np.random.default_rng(0).random((3, 2, 4, 5), np.float32)


def _read(path):
    scan = read_scan(str(path))
    # What a scan says of its size is taken when it is read, a part at a time.
    assert scan.size("ky") * scan.size("kx") <= 1 << 26
    if scan.size("ky") * scan.size("kx") < 1000:
        scan.part(slice(0, 1), slice(0, 1))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_scans_in_npz_files(save, tmp_path):
    path = tmp_path / "a.npz"
    save(path, patterns=_stack(), **SAID)
    refused = read_all_damaged(
        path, path.read_bytes(), lambda: _read(path), errors=ConfigError
    )
    assert refused > 100


def test_scans_in_npy_files_and_what_is_said_beside_them(tmp_path):
    path, beside = tmp_path / "a.npy", tmp_path / "a.npy.json"
    np.save(path, _stack())
    beside.write_text(json.dumps(SAID))
    for each in (path, beside):
        refused = read_all_damaged(
            each, each.read_bytes(), lambda: _read(path), errors=ConfigError
        )
        assert refused > 50


@pytest.mark.parametrize("name", ["patterns", "energy_ev"])
def test_an_array_of_a_scan_with_an_absurd_header_is_refused(name, tmp_path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }"
    member = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    np.savez(tmp_path / "a.npz", patterns=_stack(), **SAID)
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        parts = {n: file.read(n) for n in file.namelist()}
    parts[f"{name}.npy"] = member + header.ljust(117).encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        for each, content in parts.items():
            file.writestr(each, content)
    with (
        harmless(tmp_path, most_mib=8),
        pytest.raises(ConfigError, match="promises the shape"),
    ):
        _read(tmp_path / "a.npz")


def test_scans_in_zarr_folders(tmp_path):
    tensorstore = pytest.importorskip("tensorstore")
    path = tmp_path / "a.zarr"
    spec = {"driver": "zarr", "kvstore": {"driver": "file", "path": str(path)}}
    stack = _stack()
    store = tensorstore.open(spec, create=True, dtype=stack.dtype, shape=stack.shape)
    store.result().write(stack).result()
    (path / ".zattrs").write_text(json.dumps(SAID))
    for name in (".zarray", ".zattrs"):
        each = path / name
        refused = read_all_damaged(
            each, each.read_bytes(), lambda: _read(path), errors=ConfigError
        )
        assert refused > 50


def test_what_a_stored_set_says_of_itself(tmp_path):
    config = stem_density.get_config("smoke")
    describe_set(config, tmp_path, {"train": ["Si"]})
    path = tmp_path / "set.json"

    def read():
        require_same_examples(config, str(tmp_path))

    assert read_all_damaged(path, path.read_bytes(), read, errors=ConfigError) > 100


_READ_HDF5 = """
import pathlib, sys
from inverse.errors import ConfigError
from inverse.scan.files import read_scan
refused = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.h5")):
    try:
        read_scan(str(path)).part(slice(0, 1), slice(0, 1))
    except ConfigError as error:
        refused += 1
        assert "\\n" not in str(error)
print(refused)
"""


@pytest.mark.slow
def test_scans_in_hdf5_files(tmp_path):
    """In a process of its own: the library is written in C."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "whole", "w") as file:
        file["patterns"] = _stack()
        file["patterns"].attrs.update(SAID)
    content = (tmp_path / "whole").read_bytes()
    for number, damaged in mutations(content):
        (tmp_path / f"{number:03d}.h5").write_bytes(damaged)
    done = subprocess.run(
        [sys.executable, "-c", _READ_HDF5, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 20


def _ser(image, pixel_m=2e-11):
    """A .ser file of one image, of 32-bit floats."""
    place = 64
    content = bytearray(200)
    struct.pack_into("<2sHH", content, 0, b"II", 0x0197, 0x0220)
    struct.pack_into("<q", content, 22, place)
    struct.pack_into("<q", content, place, place + 8)
    sizes = (7, image.shape[1], image.shape[0])
    said = (0.0, pixel_m, 0, 0.0, 0.0, 0, *sizes)
    head = struct.pack("<ddiddihii", *said)
    return bytes(content[: place + 8]) + head + image.astype("<f4").tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npy", "ser", "png", "tif", "h5"])
def test_micrographs(kind, tmp_path):
    image = np.random.default_rng(0).random((32, 33), np.float32)
    path = tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(path, image)
    elif kind == "ser":
        path.write_bytes(_ser(image))
    elif kind == "h5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            file["image"] = image
    else:
        Image.fromarray((255 * image).astype(np.uint8)).save(path)
    assert read_micrograph(str(path)).image.shape == (32, 33)

    def read():
        found = read_micrograph(str(path))
        assert found.image.nbytes <= 64 * path.stat().st_size
        assert found.pixel_a >= 0 or found.pixel_a < 0  # a number

    refused = read_all_damaged(path, path.read_bytes(), read, errors=ConfigError)
    assert refused > 50


def test_a_part_of_a_library_is_read_or_named(tmp_path):
    path = tmp_path / "000000000-16.npz"
    np.savez(path, image=np.ones((16, 4, 4), np.float32), truth=np.zeros((16, 3)))

    def read():
        _read_part(path)

    assert read_all_damaged(path, path.read_bytes(), read, errors=RunError) > 100
