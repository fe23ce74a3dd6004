import ase.io
import numpy as np
import pytest

from configs import stem_distortion
from inverse.distortion.predict import predict
from inverse.distortion.structure import mean_atoms, odd_size
from inverse.errors import ConfigError
from inverse.simulator.oxides import load_oxides

NAMES = (
    "tilt_repeating_z_P0_deg",
    *(f"tilt_alternating_{axis}_P0_deg" for axis in "xyz"),
    *(f"shift_{atom}_{axis}_P0_pm" for atom in "ABO" for axis in "xyz"),
)


def atoms(**values):
    mean = dict.fromkeys(NAMES, 0.0) | values
    return mean_atoms(mean, load_oxides(("SrTiO3",))[0], 3.9)


def distances(found, one, other):
    every = found.get_all_distances(mic=True)
    chosen = every[found.numbers == one][:, found.numbers == other]
    return np.sort(chosen, axis=1)


def test_without_distortion_it_is_the_cubic_crystal():
    found = atoms()
    assert found.get_chemical_formula() == "O24Sr8Ti8"
    np.testing.assert_allclose(found.cell.lengths(), 7.8, rtol=1e-6)
    np.testing.assert_allclose(distances(found, 22, 8)[:, :6], 1.95, rtol=1e-5)


@pytest.mark.parametrize("tilt", NAMES[:4])
def test_a_tilt_keeps_bonds_and_bends_them_by_twice_itself(tilt):
    found = atoms(**{tilt: 8.0})
    # Seen is the cell that the tilt has drawn together, along both sides or one.
    cosine = np.cos(np.deg2rad(8.0))
    drawn = cosine if "_z_" in tilt else (1 + cosine) / 2
    np.testing.assert_allclose(distances(found, 22, 8)[:, :6], 1.95 / drawn, rtol=1e-3)
    bridges = [n for n in range(len(found)) if found.numbers[n] == 8]
    titanium = np.flatnonzero(found.numbers == 22)
    angles = []
    for oxygen in bridges:
        near = np.argsort(found.get_distances(oxygen, titanium, mic=True))[:2]
        pair = titanium[near]
        angles.append(found.get_angle(pair[0], oxygen, pair[1], mic=True))
    assert min(angles) == pytest.approx(180 - 16, abs=0.3)


def test_a_shift_moves_its_atoms_and_cif_tells_the_same(tmp_path):
    still, moved = atoms(), atoms(shift_B_x_P0_pm=12.0)
    difference = moved.positions - still.positions
    np.testing.assert_allclose(difference[still.numbers == 22, 0], 0.12, atol=1e-5)
    assert not difference[still.numbers != 22].any()
    ase.io.write(tmp_path / "mean.cif", moved)
    read = ase.io.read(tmp_path / "mean.cif")
    np.testing.assert_allclose(
        distances(read, 22, 8), distances(moved, 22, 8), atol=1e-4
    )


def test_antipolar_displacements_stand_in_the_structure():
    """Of 2 x 2 cells [(j, i)], along x and y as rows and columns go."""
    still = atoms()
    moved = atoms(shift_A_x_P0_pm=np.array([[10.0, -10.0], [20.0, -20.0]]))
    difference = (moved.positions - still.positions)[still.numbers == 38]
    corner = np.round(still.positions[still.numbers == 38] / 3.9).astype(int) % 2
    along_x, along_y = corner[:, 0], corner[:, 1]
    expected = 0.1 * (1 + along_y) * (-1.0) ** along_x
    np.testing.assert_allclose(difference[:, 0], expected, atol=1e-5)


def test_atoms_of_an_image_without_a_size_are_refused(tmp_path):
    config = stem_distortion.get_config("smoke")
    config.prediction.oxide = "SrTiO3"
    file = tmp_path / "image.npy"
    np.save(file, np.random.default_rng(0).random((64, 64)))
    with pytest.raises(ConfigError, match=r"SrTiO3.*config\.prediction\.pixel_a"):
        predict(config, str(tmp_path), "latest", str(file))


def test_a_cell_that_is_hardly_one_of_its_oxide_is_said():
    (oxide,) = load_oxides(("SrTiO3",))
    assert odd_size(oxide, 3.905) == odd_size(oxide, 3.86) == []
    (said,) = odd_size(oxide, 4.043)
    assert "4.043 A, that of SrTiO3 3.905 A (+3.5%)" in said
    assert "config.prediction.pixel_a" in said
