"""A run of the distortion task learns, resumes to the bit, is scored and predicts."""

import csv
import json

import ase.io
import jax
import numpy as np
import pytest

from configs import stem_distortion
from inverse import inference, train
from inverse.distortion import data, predict
from inverse.setup import make_setup
from inverse.simulator.coherence import blur_scan

# Simulating and compiling take a minute.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return tmp_path_factory.mktemp("library")


def _config(library, num_steps=6):
    config = stem_distortion.get_config("smoke")
    config.num_steps = num_steps
    config.per_device_batch_size = 1
    config.dataset.library = str(library)
    config.dataset.num_examples = 16
    config.dataset.layers = config.dataset.thinnest = 4
    config.dataset.gpts_per_cell = 24
    config.dataset.bright_mrad = 28.0
    config.dataset.semiangle_mrad = 20.0
    config.model.features = 8
    config.optimizer.schedule = "published"
    config.optimizer.ema_decay = 0.0
    config.log_every_steps = config.checkpoint_every_steps = 3
    config.evaluation.every_steps, config.evaluation.num_examples = 3, 8
    config.evaluation.num_panels = 2
    return config


def test_a_resumed_run_is_the_uninterrupted_one_and_is_scored_alike(tmp_path, library):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    scores = train.train_and_evaluate(_config(library), str(whole))
    train.train_and_evaluate(_config(library, 3), str(parts))
    assert train.train_and_evaluate(_config(library), str(parts)) == scores
    states = [
        jax.device_get(
            inference.open_checkpoint(_config(library), str(p), "latest").state
        )
        for p in (whole, parts)
    ]
    for x, y in zip(*map(jax.tree.leaves, states), strict=True):
        np.testing.assert_array_equal(x, y)
    rescored = inference.evaluate(_config(library), str(whole), "latest")
    for name, value in scores.items():
        assert rescored[name] == pytest.approx(value, rel=1e-2, abs=1e-2), name
    assert len(list(whole.glob("panels-*.png"))) >= 2


def test_a_measured_image_becomes_a_map_with_errors_and_warnings(tmp_path, library):
    config = _config(library, 3)
    train.train_and_evaluate(config, str(tmp_path / "run"))
    # A simulated crystal, repeated, 12 x 12 cells of 20 pixels.
    source = data.open_source(config)
    found = data.crystals(
        *(config, make_setup(config), source, "materials", 8, tmp_path)
    )
    haadf = np.asarray(blur_scan(found["signals"][0, 0, ..., 0], (0.2, 0.2), 0.4))
    np.save(tmp_path / "image.npy", np.tile(haadf, (6, 6)))
    with config.unlocked():
        config.prediction.pixel_a = float(found["side_a"][0] / 40)
        config.prediction.oxide = "SrTiO3"
    target = predict.predict(
        config, str(tmp_path / "run"), "latest", str(tmp_path / "image.npy")
    )
    summary = json.loads(target.read_text())
    assert summary["cell_a"] == pytest.approx(found["side_a"][0] / 2, rel=5e-3)
    assert any("noise" in text for text in summary["warnings"])
    # One image is taken for HAADF where nothing is said, and that is said.
    assert any("prediction.detectors" in text for text in summary["warnings"])
    assert summary["pixel_from"] == "config.prediction.pixel_a"
    rows = list(csv.DictReader(target.with_suffix(".csv").read_text().splitlines()))
    # What two blocks and a patch see of the opposite rim is not told.
    assert len(rows) == np.prod(np.array(summary["cells"]) - 2 * 3)
    # Three steps teach nothing, and the heads say so.
    assert all(float(r["shift_B_x_P0_pm_not_seen_error_95"]) > 0 for r in rows)
    assert target.with_suffix(".png").stat().st_size > 10_000
    structure = ase.io.read(target.with_suffix(".cif"))
    assert structure.get_chemical_formula() == "O24Sr8Ti8"
    # Nothing was seen: the crystal without distortions, and the file says so.
    np.testing.assert_allclose(structure.get_scaled_positions() * 4 % 1, 0, atol=1e-4)
    told = target.with_suffix(".cif").read_text()
    assert "# not seen, here undistorted" in told
    assert "# with care: " in told
    inner = [n - 2 * 3 for n in summary["cells"]]
    assert f"mean over {inner[0]} x {inner[1]} cells of image" in told
    with config.unlocked():
        config.prediction.oxide = ""
    predict.predict(
        config, str(tmp_path / "run"), "latest", str(tmp_path / "image.npy")
    )
    assert not target.with_suffix(".cif").exists()
    tilt = summary["mean"]["tilt_repeating_z_P0_deg"]
    assert 0 < tilt["error_68"] < tilt["error_95"]
    # Three steps teach nothing, and the table says so.
    assert not any(values["seen"] for values in summary["mean"].values())


def test_devices_see_the_same_batches_as_one(tmp_path, library):
    config = _config(library)
    batches = []
    for devices in (jax.devices(), jax.devices()[:2]):
        config.per_device_batch_size = 8 // len(devices)
        setup = make_setup(config, devices)
        source = data.open_source(config)
        made = data.make_batches(config, setup, source, tmp_path)
        batches.append(jax.device_get(made.batch_at(3)))
    for name in ("input", "target"):
        np.testing.assert_allclose(*(b[name] for b in batches), atol=1e-4)
