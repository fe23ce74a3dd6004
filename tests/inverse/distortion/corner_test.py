"""A stands in the corners, whatever is brighter and whichever file is first."""

import numpy as np
import pytest

from configs import stem_distortion
from inverse.distortion.corner import Ring, clearest, on_a
from inverse.distortion.predict import images_on_cells
from inverse.micrograph.files import Micrograph
from inverse.micrograph.lattice_fit import fit_lattice
from inverse.simulator.oxides import load_oxides
from tests.inverse.micrograph.lattice_fit_test import PIXEL_A, measured

RING = Ring(300e3, 60.0, 100.0)
B_OUTSHINES = ("CaTiO3", "KNbO3", "SrRuO3")


def _oxide(formula):
    return load_oxides((formula,))[0]


def test_what_outshines_is_what_is_heavier():
    brighter = {o.formula for o in load_oxides() if RING.b_over_a(o) > 1}
    assert brighter == set(B_OUTSHINES)
    # Niobium and oxygen beside potassium, with a power of Z between 1.6 and 2.
    low, high = ((41**power + 8**power) / 19**power for power in (1.6, 2.0))
    assert low < RING.b_over_a(_oxide("KNbO3")) < high


@pytest.mark.parametrize(("formula", "half"), [("SrTiO3", 0.0), ("KNbO3", 0.5)])
def test_with_its_oxide_known_a_is_found(formula, half):
    image, vectors, origin = measured()  # brightest where its lattice says
    lattice = fit_lattice(image, PIXEL_A)
    found, notes = on_a(lattice, "HAADF", _oxide(formula), RING)
    offset = (found.places(np.zeros(2)) - origin) @ np.linalg.inv(vectors)
    apart = offset - half
    np.testing.assert_allclose(apart, np.round(apart), atol=0.02)
    assert notes == []
    # Its last cell is still one of those that were fitted.
    np.testing.assert_allclose(
        found.places(np.array(found.counts, float)),
        lattice.places(np.array(lattice.counts) - half),
    )


def test_what_is_not_certain_is_said():
    image, _, _ = measured()
    lattice = fit_lattice(image, PIXEL_A)
    same, (note,) = on_a(lattice, "HAADF", None, RING)
    assert same is lattice
    assert all(formula in note for formula in B_OUTSHINES)
    assert "config.prediction.oxide" in note
    for detector, which in (("ABF", "darkest"), ("iDPC", "brightest")):
        _, (note,) = on_a(lattice, detector, _oxide("SrTiO3"), RING)
        assert f"the {which} of {detector}" in note


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_order_of_files_changes_nothing(order):
    """In this ABF it is B that is darkest, as at some foci."""
    haadf = measured(angle_deg=0.0, shear=0.0)[0]
    abf = -measured(angle_deg=0.0, shear=0.0, b_height=2.0)[0]
    config = stem_distortion.get_config("smoke")
    names = ["HAADF", "ABF"]
    images = [Micrograph(haadf, PIXEL_A, "haadf"), Micrograph(abf, PIXEL_A, "abf")]
    stack, lattice, _ = images_on_cells(
        config, [images[n] for n in order], [names[n] for n in order], PIXEL_A
    )
    expected, plain, _ = images_on_cells(config, images, names, PIXEL_A)
    np.testing.assert_array_equal(stack, expected)
    np.testing.assert_array_equal(lattice.origin, plain.origin)
    assert clearest([names[n] for n in order]) == "HAADF"
