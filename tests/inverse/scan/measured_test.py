"""Files say what they hold, in any order of axes, or are refused in their words."""

import json
import re

import numpy as np
import pytest

from configs import stem_density
from inverse.errors import ConfigError
from inverse.lengths import inverse_length_a
from inverse.scan.files import read_scan
from inverse.scan.hyperspy_file import Axis, Signal, write_signals
from inverse.scan.measured import AXES, measured_scan, outside_training
from inverse.simulator.electron import wavelength_a

SAID = {
    "axes": "y,x,ky,kx",
    "energy_ev": 100e3,
    "semiangle_mrad": 20.0,
    "step_a": 1.0,
    "angle_mrad": 2.3,
}


def _stack(shape=(3, 4, 6, 8)):
    return np.random.default_rng(0).random(shape, np.float32)


def _parts(scan):
    return scan.part(slice(1, 3), slice(0, 4))


def test_npz_npy_and_zarr_read_alike_in_any_order_of_axes(tmp_path):
    tensorstore = pytest.importorskip("tensorstore")
    stack, order = _stack(), (2, 0, 3, 1)
    turned = np.ascontiguousarray(stack.transpose(order))
    said = SAID | {"axes": ",".join(AXES[i] for i in order)}
    np.savez(tmp_path / "a.npz", patterns=turned, **said)
    np.save(tmp_path / "a.npy", turned)
    (tmp_path / "a.npy.json").write_text(json.dumps(said))
    kvstore = {"driver": "file", "path": str(tmp_path / "a.zarr")}
    spec = {"driver": "zarr", "kvstore": kvstore}
    store = tensorstore.open(
        spec, create=True, dtype=turned.dtype, shape=turned.shape
    ).result()
    store.write(turned).result()
    (tmp_path / "a.zarr" / ".zattrs").write_text(json.dumps(said))
    for suffix in ("npz", "npy", "zarr"):
        found = read_scan(str(tmp_path / f"a.{suffix}"))
        np.testing.assert_array_equal(_parts(found), stack[1:3])
        assert (found.size("x"), found.angle_mrad) == (4, 2.3)


def test_emd_of_py4dstem_gives_axes_and_their_units(tmp_path):
    h5py = pytest.importorskip("h5py")
    axes = (
        ("Rx", "nm", 0.05),
        ("Ry", "nm", 0.05),
        ("Qx", "A^-1", 0.02),
        ("Qy", "A^-1", 0.02),
    )
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("root/datacube")
        group["data"] = _stack()
        group.attrs["energy_ev"] = 200e3
        group.attrs["semiangle_mrad"] = 20.0
        for number, (name, unit, step) in enumerate(axes):
            group[f"dim{number}"] = np.array([0, step])
            group[f"dim{number}"].attrs.update(name=name, units=unit)
    found = read_scan(str(tmp_path / "a.emd"))
    assert found.axes == AXES and found.step_a == pytest.approx(0.5)
    expected = 1e3 * wavelength_a(200e3) * 0.02
    assert found.angle_mrad == pytest.approx(expected)
    np.testing.assert_array_equal(_parts(found), _stack()[1:3])


def _write_hyperspy(path, first_mrad=(-2.0, -2.0)):
    scan = [Axis(name, "nm", 0.05, navigate=True) for name in "yx"]
    stack = _stack()
    angles = [
        Axis(name, "mrad", 2.3, 2.3 * first)
        for name, first in zip(("ky", "kx"), first_mrad, strict=True)
    ]
    signal = Signal("patterns", stack, [*scan, *angles], "electrons")
    microscope = {"TEM": {"beam_energy": 200.0, "convergence_angle": 20.0}}
    write_signals(path, [signal], microscope, {})


def test_hyperspy_says_axes_and_microscope(tmp_path):
    middle = [-(n // 2) for n in _stack().shape[2:]]
    _write_hyperspy(tmp_path / "a.hspy", middle)
    found = read_scan(str(tmp_path / "a.hspy"))
    assert found.axes == AXES and found.step_a == pytest.approx(0.5)
    assert (found.energy_ev, found.semiangle_mrad) == (200e3, 20.0)
    assert found.angle_mrad == pytest.approx(2.3)
    np.testing.assert_array_equal(_parts(found), _stack()[1:3])


def test_what_stands_beside_a_file_corrects_its_axes(tmp_path):
    file = tmp_path / "a.hspy"
    _write_hyperspy(file, (-(_stack().shape[2] // 2), -0.7))
    said = {"centred": True, "step_a": 0.7, "angle_mrad": 1.1}
    (tmp_path / "a.hspy.json").write_text(json.dumps(said))
    found = read_scan(str(file))
    assert (found.step_a, found.angle_mrad, found.energy_ev) == (0.7, 1.1, 200e3)


@pytest.mark.parametrize(
    ("axis", "changed", "message"),
    [
        (0, {"scale": "wide"}, "axis-0: scale='wide' is not one number"),
        (2, {"scale": np.nan}, "axis-2: scale=nan is not a finite number"),
        (2, {"units": "nm"}, "does not say angle_mrad"),  # not an inverse length
        (1, {"scale": 0.06}, "step_a is 0.5 along one axis and 0.6 along another"),
    ],
)
def test_an_axis_that_makes_no_sense_is_named(tmp_path, axis, changed, message):
    h5py = pytest.importorskip("h5py")
    middle = [-(n // 2) for n in _stack().shape[2:]]
    _write_hyperspy(tmp_path / "a.hspy", middle)
    with h5py.File(tmp_path / "a.hspy", "r+") as file:
        group = file["Experiments/patterns"]
        group[f"axis-{axis}"].attrs.update(changed)
        if "units" in changed:
            group["axis-3"].attrs.update(changed)
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_scan(str(tmp_path / "a.hspy"))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("a^-1", 1.0), ("1/nm", 10.0), ("nm⁻¹", 10.0), ("a^{-1}", 1.0), ("nm", None)],
)
def test_a_unit_of_reciprocal_space_says_so(unit, expected):
    assert inverse_length_a(unit) == expected


def test_a_beam_beside_the_middle_is_refused(tmp_path):
    _write_hyperspy(tmp_path / "a.hspy", (-(_stack().shape[2] // 2), -0.7))
    with pytest.raises(ConfigError, match=r"along kx the beam goes through pixel 0\.7"):
        read_scan(str(tmp_path / "a.hspy"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"axes": None}, "does not say axes"),
        ({"energy_ev": None, "step_a": None}, "does not say energy_ev, step_a"),
        ({"axes": "y,x,kx"}, "must name y, x"),
        ({"energy_ev": 100.0}, "is it in the unit that its name says"),  # keV
        ({"step_a": "wide"}, "is not one number"),
        ({"rotation_deg": 12.0}, "turn the patterns"),
    ],
)
def test_what_is_not_stated_is_refused(changed, message):
    said = {k: v for k, v in (SAID | changed).items() if v is not None}
    with pytest.raises(ConfigError, match=message):
        measured_scan(_stack(), said, "a.npz")


def test_files_of_no_known_kind_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        read_scan(str(tmp_path / "a.npz"))
    (tmp_path / "a.tif").write_bytes(b"")
    with pytest.raises(ConfigError, match="must end in one of .npy"):
        read_scan(str(tmp_path / "a.tif"))
    np.savez(tmp_path / "a.npz", images=_stack())
    with pytest.raises(ConfigError, match="holds images, but no array 'patterns'"):
        read_scan(str(tmp_path / "a.npz"))


def test_what_training_never_saw_is_said():
    config = stem_density.get_config("tuned")
    same = SAID | {"thickness_a": 20.0}
    fits = measured_scan(_stack((8, 8, 32, 32)), same, "")
    assert outside_training(config, fits, 2.3) == []
    other = same | {
        "energy_ev": 60e3,
        "semiangle_mrad": 25.0,
        "step_a": 0.7,
        "thickness_a": 400.0,
    }
    found = outside_training(
        config, measured_scan(_stack((8, 8, 16, 16)), other, ""), 2.3
    )
    for word in ("energy_ev is 60000", "semiangle_mrad is 25", "step_a is 0.7"):
        assert any(word in line for line in found), word
    assert any("detector reaches 18.4 mrad" in line for line in found)
    assert any("thickness_a is 400" in line for line in found)
