"""Simulated scans: one answer by every way, in files that others open."""

import dataclasses

import h5py
import jax
import numpy as np
import pytest

from configs import simulate as simulate_config
from inverse.errors import ConfigError
from inverse.scan import images, patterns, simulate
from inverse.scan.hyperspy_file import Axis, Signal, write_signals
from inverse.scan.plan import make_plan
from inverse.simulator.errors import SimulatorError


def small(**changes):
    config = simulate_config.get_config("smoke")
    config.detector.max_angle_mrad = 45.0
    config.detector.pattern_angle_mrad = 0.0
    config.detector.rings_mrad.HAADF = (30.0, 45.0)
    config.specimen.thickness_a = 4.0
    config.update_from_flattened_dict(changes)
    return config


def test_probes_and_plane_waves_give_the_same_patterns():
    """With focal spread, aberrations, tilt and phonons: the S-matrix is exact."""
    config = small(
        **{
            "beam.focal_spread_a": 20.0,
            "beam.aberrations.C10": -40.0,
            "specimen.tilt_mrad": (5.0, 0.0),
            "specimen.frozen_phonons": 2,
        }
    )
    plan = make_plan(config)
    ways = [
        patterns.mean_patterns(dataclasses.replace(plan, by_matrix=way), config)
        for way in (False, True)
    ]
    assert ways[0].shape[0] == 16
    np.testing.assert_allclose(*ways, atol=3e-6 * ways[0].max())
    total = ways[0].sum(axis=(1, 2))
    assert np.all((total > 0.9) & (total < 1.0001))


def test_the_method_with_fewer_waves_is_chosen():
    few, many = small(), small(**{"scan.gpts": (30, 30)})
    assert not make_plan(few).by_matrix
    plan = make_plan(many)
    assert plan.by_matrix and plan.num_waves == len(plan.beams[0]) < 900
    many.method = "probes"
    assert make_plan(many).num_waves == 900


def test_noise_keeps_the_mean_and_a_source_the_electrons():
    config = small(**{"detector.dose": 0.0})
    plan = make_plan(config)
    rng = np.random.default_rng(0)
    mean = rng.uniform(0, 2e-3, (16, *plan.kept)).astype(np.float32)
    blurred = images.record(plan, config, mean.copy()).patterns
    assert blurred.sum() == pytest.approx(mean.sum(), rel=1e-4)
    assert blurred.std(axis=(0, 1)).mean() < 0.9 * mean.std(axis=0).mean()
    config.detector.dose = 1e6
    counted = images.record(plan, config, mean.copy()).patterns
    assert counted.sum() == pytest.approx(mean.sum(), rel=1e-3)
    whole = 1e6 * counted
    np.testing.assert_allclose(whole, np.round(whole), atol=1e-2)


def test_a_pattern_is_laid_out_by_its_angles():
    """One electron at a known angle is found there, binned or not."""
    for binning in (1, 3):
        config = small(**{"beam.source_rms_a": 0.0, "detector.dose": 0.0})
        config.detector.binning = binning
        plan = make_plan(config)
        mean = np.zeros((16, *plan.kept), np.float32)
        mean[:, plan.kept[0] // 2 + 3, plan.kept[1] // 2] = 1.0
        seen = images.record(plan, config, mean)
        row, column = np.argwhere(seen.patterns[0, 0])[0]
        y = seen.angle_mrad[0] + row * seen.pixel_mrad[0]
        x = seen.angle_mrad[1] + column * seen.pixel_mrad[1]
        expected = seen.images["centre of mass y"][0, 0]
        assert y == pytest.approx(expected, abs=0.51 * seen.pixel_mrad[0])
        assert x == pytest.approx(0.0, abs=0.51 * seen.pixel_mrad[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"specimen.structure": "Unobtainium"}, "is no file, and none of"),
        ({"method": "prism"}, "config.method='prism'"),
        ({"scan.extent_a": (3.0, 3.0)}, "whole periods of 3.9050 A"),
        ({"memory_gib": 1e-4}, "more memory"),
        ({"detector.rings_mrad.HAADF": (30.0, 300.0)}, "which this grid propagates"),
        ({"beam.energy_ev": 200.0}, "energy_ev=200"),
        ({"detector.dose": -1.0}, "config.detector.dose=-1"),
    ],
)
def test_what_cannot_be_computed_is_refused_before_it_is(changes, message):
    with pytest.raises((ConfigError, SimulatorError), match=message):
        make_plan(small(**changes))


def test_a_plan_tells_of_a_cell_that_is_too_small():
    lines = simulate.plan_lines(
        make_plan(small(**{"beam.aberrations.C10": -400.0})),
        small(**{"beam.aberrations.C10": -400.0}),
    )
    assert "keeps it from its periodic images" in lines[-1]


def test_signals_are_read_back_with_their_axes(tmp_path):
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    axes = [
        Axis("y", "A", 0.5, navigate=True),
        Axis("ky", "mrad", 1.5, -3.0),
        Axis("kx", "mrad", 2.5, -5.0),
    ]
    path = tmp_path / "a.hspy"
    write_signals(
        path,
        [Signal("patterns", data, axes, "electrons")],
        {"TEM": {"beam_energy": 200.0}},
        {"config": {"beam.energy_ev": 200e3, "scan.gpts": "(2, 2)"}},
    )
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["Experiments/patterns/data"], data)
    reader = pytest.importorskip("rsciio.hspy")
    (signal,) = reader.file_reader(str(path))
    np.testing.assert_array_equal(signal["data"], data)
    found = [
        (a["name"], a["units"], a["scale"], a["offset"], bool(a["navigate"]))
        for a in signal["axes"]
    ]
    assert found == [tuple(axis) for axis in axes]
    assert signal["metadata"]["General"]["title"] == "patterns"
    assert signal["original_metadata"]["config"]["beam.energy_ev"] == 200e3


@pytest.mark.slow
def test_a_run_leaves_files_with_axes_and_pictures_with_bars(tmp_path):
    config = simulate_config.get_config("smoke")
    simulate.simulate(config, str(tmp_path))
    with h5py.File(tmp_path / "patterns.hspy") as file:
        group = file["Experiments/patterns"]
        assert group["data"].shape[:2] == (4, 4)
        assert group["axis-2"].attrs["units"] == "mrad"
        total = np.asarray(group["data"]).sum(axis=(2, 3))
        assert np.all((total > 0.8) & (total < 1.01))
        assert "config" in group["original_metadata"]
    with h5py.File(tmp_path / "images.hspy") as file:
        assert {"HAADF", "iDPC", "potential"} <= set(file["Experiments"])
        haadf = np.asarray(file["Experiments/HAADF/data"])
    # Strontium stands at the origin and titanium in the middle.
    assert haadf.argmax() == 0 and haadf[2, 2] > haadf[0, 2]
    assert {p.name for p in tmp_path.glob("*.png")} >= {"HAADF.png", "patterns.png"}
    assert jax.device_count() > 1  # of the tests: shared among devices
