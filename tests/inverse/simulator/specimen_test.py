import ase
import ase.io
import numpy as np
import pytest

from inverse.simulator import slices, specimen
from inverse.simulator.errors import SimulatorError
from tests.inverse.simulator.crystals_at_hand import silicon, strontium_titanate


@pytest.mark.parametrize("axis", [(0, 0, 1), (1, 1, 0), (1, 1, 1), (1, 1, 2)])
def test_an_oriented_cell_is_the_same_crystal(axis):
    cell = strontium_titanate()
    oriented = specimen.orient(cell, axis)
    density = [len(c) / c.get_volume() for c in (cell, oriented)]
    assert density[0] == pytest.approx(density[1])
    along = oriented.cell.lengths()[2]
    assert along == pytest.approx(3.905 * np.linalg.norm(axis), rel=1e-6)
    bonds = [
        np.sort(c.get_distances(i, range(len(c)), mic=True))
        for c, i in ((oriented, int(np.flatnonzero(oriented.numbers == 22)[0])),)
    ][0]
    if len(oriented) > 5 * 2:
        assert np.all(bonds[bonds > 1e-6] > 1.95)


def test_axes_without_an_orthogonal_cell_are_refused():
    triclinic = ase.Atoms(
        "H", cell=[[4.0, 0, 0], [1.234, 5, 0], [0.777, 1.357, 6]], pbc=True
    )
    with pytest.raises(SimulatorError, match="no orthogonal cell of lattice vectors"):
        specimen.orient(triclinic, (0, 0, 1), tolerance=1e-3)


def test_partial_occupancy_is_refused():
    cell = strontium_titanate()
    cell.info["occupancy"] = {"0": {"Sr": 0.5, "Ba": 0.5}}
    with pytest.raises(SimulatorError, match="partially occupied"):
        specimen.orient(cell)


def test_files_are_read_or_refused_in_one_line(tmp_path):
    ase.io.write(tmp_path / "a.xyz", strontium_titanate())
    assert len(specimen.read_structure(tmp_path / "a.xyz")) == 5
    (tmp_path / "b.cif").write_text("no crystal")
    with pytest.raises(SimulatorError, match="cannot be read as a structure"):
        specimen.read_structure(tmp_path / "b.cif")


def test_supercells_cover_what_was_asked_for():
    large = specimen.supercell(specimen.orient(silicon()), (20.0, 11.0), 30.0)
    np.testing.assert_allclose(large.cell.lengths(), 5.43 * np.array([3, 4, 6]))
    moved = specimen.centre(large, 14)
    middle = large.cell.lengths()[:2] / 2
    nearest = np.linalg.norm(moved.positions[:, :2] - middle, axis=1).min()
    assert nearest < 1e-6


def test_strain_stretches_the_cell_and_its_atoms():
    cell = strontium_titanate()
    stretched = specimen.strain(cell, xx=0.02)
    assert stretched.cell.lengths()[0] == pytest.approx(3.905 * 1.02)
    np.testing.assert_allclose(
        stretched.get_scaled_positions(), cell.get_scaled_positions(), atol=1e-9
    )


def test_slices_hold_every_atom_once():
    cell = silicon().repeat((2, 2, 1))
    layers = slices.slice_atoms(cell, 1.4, repeats=3)
    assert layers.num_atoms == 3 * len(cell)
    assert layers.positions_a.shape[0] == 4
    assert layers.thickness_a == pytest.approx(3 * 5.43)
    np.testing.assert_array_equal(layers.weights.sum(axis=(1, 2)), 8)


def test_every_real_structure_is_read_or_refused(shared_data):
    files = sorted((shared_data / "structures" / "cif").rglob("*.cif"))[:60]
    refused = 0
    for path in files:
        try:
            assert len(specimen.read_structure(path)) > 0
        except SimulatorError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
    assert files and refused < len(files) / 2
