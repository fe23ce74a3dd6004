"""Training on a stored set is training on what would be simulated, to the bit."""

import json

import jax
import numpy as np
import pytest

from configs import stem_density
from inverse import inference, train
from inverse.density import data
from inverse.density.write_set import write_set
from inverse.errors import ConfigError
from inverse.setup import make_setup
from inverse.split_examples import take
from tests.inverse.density import phase_objects


def _open_source(config):
    return data.with_stored(config, phase_objects.open_source(config))


@pytest.fixture(autouse=True)
def _phase_objects(monkeypatch):
    monkeypatch.setattr(data, "open_source", _open_source)


def _config(stored="", num_steps=4):
    config = stem_density.get_config("smoke")
    config.num_steps = num_steps
    config.per_device_batch_size = 1
    config.dataset.num_examples = 16
    config.dataset.shard_examples = 6  # shards that end within a batch
    config.dataset.stored = str(stored)
    config.model.image_size, config.model.growth = phase_objects.SIDE, 4
    config.model.channels = phase_objects.POSITIONS**2
    config.optimizer.schedule = "published"
    config.log_every_steps = config.checkpoint_every_steps = 2
    config.evaluation.every_steps, config.evaluation.num_examples = 4, 8
    return config


def _parameters(workdir, config):
    state = inference.open_checkpoint(config, str(workdir), "latest").state
    return jax.tree.leaves(jax.device_get(state))


def _assert_same(these, those):
    for this, that in zip(these, those, strict=True):
        np.testing.assert_array_equal(this, that)


def _batch(config, step):
    setup = make_setup(config)
    batches = data.make_batches(config, setup, data.open_source(config))
    return jax.device_get(batches.batch_at(step))


def test_batches_are_the_simulated_ones_to_the_bit(tmp_path):
    write_set(_config(), str(tmp_path))
    stored, simulated = _batch(_config(tmp_path), 3), _batch(_config(), 3)
    assert stored["input"].any()
    _assert_same(jax.tree.leaves(stored), jax.tree.leaves(simulated))


def test_any_example_can_be_made_again_from_its_key(tmp_path):
    write_set(_config(), str(tmp_path))
    said = json.loads((tmp_path / "train-00001.json").read_text())
    bits = np.frombuffer(bytes.fromhex(said["keys"][3]), np.uint32)
    example = phase_objects.example(jax.random.wrap_key_data(bits))
    found = data.open_source(_config(tmp_path)).stored["train"]
    kept = found.read(np.array([[0, 6 + 3]], np.uint32))
    np.testing.assert_allclose(kept["density"][0], example["density"], rtol=1e-5)


def test_a_set_goes_on_where_it_was_ended_and_suits_its_configuration(tmp_path):
    write_set(_config(), str(tmp_path))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    for suffix in ("json", "array_record"):
        (tmp_path / f"train-00001.{suffix}").unlink()
    write_set(_config(), str(tmp_path))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    other = _config(tmp_path)
    other.dataset.energy_ev = 60e3
    with pytest.raises(ConfigError, match="dataset.energy_ev=100000.0"):
        data.open_source(other)
    more = _config(tmp_path)
    more.dataset.num_examples = 24
    with pytest.raises(ConfigError, match="num_examples=24: must be 1 to 16"):
        data.open_source(more)
    enlarged = _config()
    enlarged.dataset.num_examples = 24
    write_set(enlarged, str(tmp_path))
    _assert_same(_batch(more, 2), _batch(enlarged, 2))


def test_sets_with_other_examples_have_another_digest(tmp_path):
    """Two processes that read unlike files must notice before the first step."""
    config = _config(tmp_path)
    config.dataset.corrupt_shards = "skip"
    write_set(_config(), str(tmp_path))
    whole = data.open_source(config).digest
    assert whole == data.open_source(config).digest
    with (tmp_path / "train-00001.array_record").open("r+b") as file:
        file.truncate(100)
    assert data.open_source(config).digest != whole


def test_as_many_are_held_out_as_there_are_whatever_the_batch(tmp_path):
    config = _config()
    config.evaluation.num_examples = 3
    write_set(config, str(tmp_path))
    config = _config(tmp_path)
    setup, source = make_setup(config), data.open_source(config)
    found = take(setup, source, "materials", 3)  # of batches of eight
    simulated = take(setup, data.open_source(_config()), "materials", 3)
    assert len(found["density"]) == 3
    _assert_same(jax.tree.leaves(found), jax.tree.leaves(simulated))


@pytest.mark.slow
def test_a_resumed_run_on_stored_data_is_the_simulated_one_to_the_bit(tmp_path):
    folder, parts, whole = (tmp_path / name for name in ("set", "parts", "whole"))
    write_set(_config(), str(folder))
    train.train_and_evaluate(_config(num_steps=4), str(whole))
    train.train_and_evaluate(_config(folder, num_steps=2), str(parts))
    train.train_and_evaluate(_config(folder, num_steps=4), str(parts))
    _assert_same(_parameters(whole, _config()), _parameters(parts, _config(folder)))
