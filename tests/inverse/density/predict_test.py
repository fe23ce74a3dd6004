"""A file's map is the map of its patterns, by the network that was trained."""

import numpy as np
import pytest

from configs import stem_density
from inverse import inference, train
from inverse.density import data
from inverse.density.predict import predict
from inverse.split_examples import take
from tests.inverse.density import phase_objects
from tests.inverse.density.phase_objects import SCAN


@pytest.fixture(autouse=True)
def _phase_objects(monkeypatch):
    monkeypatch.setattr(data, "open_source", phase_objects.open_source)


def _config():
    config = stem_density.get_config("smoke")
    config.num_steps = config.checkpoint_every_steps = 2
    config.per_device_batch_size = config.optimizer.warm_steps = 1
    config.dataset.num_examples = 16
    config.model.image_size, config.model.growth = phase_objects.SIDE, 4
    config.model.channels = phase_objects.POSITIONS**2
    config.evaluation.num_examples = 8
    return config


@pytest.mark.slow
def test_a_file_of_one_field_gives_the_map_that_is_scored(tmp_path):
    config = _config()
    train.train_and_evaluate(config, str(tmp_path))
    trained = inference.open_checkpoint(config, str(tmp_path), "latest")
    source = data.open_source(config)
    patterns = take(trained.setup, source, "materials", 8)["patterns"]
    evaluator = data.make_evaluator(config, trained.setup, source)
    expected = evaluator.predict(trained.state.ema, trained.state.batch_stats, patterns)
    side, positions = phase_objects.SIDE, phase_objects.POSITIONS
    stack = patterns[3].reshape(side, side, positions, positions)
    np.savez(
        tmp_path / "scan.npz",
        patterns=stack.transpose(2, 0, 1, 3),
        axes="y,ky,kx,x",
        energy_ev=SCAN.energy_ev,
        semiangle_mrad=SCAN.semiangle_mrad,
        step_a=SCAN.step_a,
        angle_mrad=SCAN.angle_mrad,
        electrons=side**2,  # of an incident electron there are so many
    )
    path = predict(config, str(tmp_path), "latest", str(tmp_path / "scan.npz"))
    found = np.load(path)
    np.testing.assert_allclose(
        found["density_va"], expected[3], rtol=1e-3, atol=1e-3 * expected.std()
    )
    assert found["pixel_a"] == SCAN.pixel_a and path.with_suffix(".png").exists()
    # The configuration's scan has another step than these objects.
    assert any("thickness_a is not said" in line for line in found["warnings"])
