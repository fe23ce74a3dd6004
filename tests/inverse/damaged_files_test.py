"""Two hundred damaged forms of every kind of structure file."""

import ase.build
import ase.io
import pytest

from inverse.simulator.errors import SimulatorError
from inverse.simulator.specimen import read_structure
from tests.mutations import read_all_damaged


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
