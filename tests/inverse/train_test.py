"""A run learns, resumes to the bit, and is scored again from its checkpoint."""

import json

import jax
import numpy as np
import pytest

from configs import stem_density
from inverse import inference, train
from inverse.density import data
from inverse.density.normalisation import Normalisation
from inverse.setup import make_setup
from parallel.best_checkpoint import BestCheckpoint
from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from parallel.fault_injection import parse_faults
from parallel.reduction_plan import ReductionPlan
from parallel.survival import Survival
from tests.inverse.density import phase_objects


@pytest.fixture(autouse=True)
def _phase_objects(monkeypatch):
    monkeypatch.setattr(data, "open_source", phase_objects.open_source)


def _config(num_steps=6):
    config = stem_density.get_config("smoke")
    config.num_steps = num_steps
    config.per_device_batch_size = 1
    config.dataset.num_examples = 16
    config.dataset.density_mean_va, config.dataset.density_scale_va = 40.0, 40.0
    config.model.image_size, config.model.growth = phase_objects.SIDE, 4
    config.model.channels = phase_objects.POSITIONS**2
    config.optimizer.schedule = "published"
    config.log_every_steps = config.checkpoint_every_steps = 3
    config.evaluation.every_steps, config.evaluation.num_examples = 3, 8
    return config


def _saved(workdir, config):
    found = inference.open_checkpoint(config, str(workdir), "latest")
    return found.step, jax.device_get(found.state)


def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    scores = train.train_and_evaluate(_config(6), str(whole))
    train.train_and_evaluate(_config(3), str(parts))
    again = train.train_and_evaluate(_config(6), str(parts))
    assert again == scores
    (step, a), (other, b) = _saved(whole, _config()), _saved(parts, _config())
    assert step == other == 6
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)
    # On one device, from the checkpoint alone: the same scores of the best step.
    lines = (whole / "eval.jsonl").read_text().splitlines()
    rescored = inference.evaluate(_config(), str(whole), "latest")
    for name, value in json.loads(lines[-1]).items():
        if name in rescored and value is not None:  # an error of no columns
            assert rescored[name] == pytest.approx(value, rel=1e-3), name
    assert len(list(whole.glob("panels-*.png"))) == 3
    # What was scored before is not scored again.
    assert len((parts / "eval.jsonl").read_text().splitlines()) == 2
    other = _config()
    other.optimizer.loss = "mse"
    with pytest.raises(RunError, match="optimizer.loss is 'l1' there and 'mse' here"):
        inference.evaluate(other, str(whole), "latest")
    assert train.train_and_evaluate(_config(6), str(whole)) == {}
    # Another number of samples a step would be another run.
    smaller = _config(9)
    smaller.per_device_batch_size = 2
    with pytest.raises(RunError, match="per_device_batch_size"):
        train.train_and_evaluate(smaller, str(whole))


class _Judge:
    """Finds everything alike, at once."""

    def run(self, *averaged):
        return {"materials/network/relative_l2": 1.0}

    def panels(self, *averaged):
        return np.zeros((2, 2, 3), np.uint8)

    def table(self, scores):
        return ""


def test_a_step_that_a_stop_left_without_scores_is_scored_before_the_next_one(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(data, "make_evaluator", lambda *_: _Judge())

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BestCheckpoint, "offer", killed)
        with pytest.raises(KeyboardInterrupt):
            train.train_and_evaluate(_config(6), str(tmp_path), _with("term@2"))
    train.train_and_evaluate(_config(6), str(tmp_path))
    lines = (tmp_path / "eval.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [3, 6]
    # The same score again beats nothing.
    assert Checkpointer(tmp_path / "best", keep=None).all_steps() == [3]


@pytest.mark.slow
def test_the_tuner_compiles_every_way_and_keeps_the_shortest(tmp_path, monkeypatch):
    """Over a link that takes a second each time, one reduction at the end."""
    heard = []
    monkeypatch.setattr(
        "inverse.setup.log.info", lambda text, *a: heard.append(text % a)
    )
    config = _config(2)
    config.parallel.policy = "tuned"
    config.machine.latency_us = 1e6
    train.train_and_evaluate(config, str(tmp_path / "tuned"))
    (table,) = [text for text in heard if "every way" in text]
    lines = table.splitlines()[2:]
    ways = [line[:22].strip() for line in lines]
    assert {"compiler's own", "per leaf", "one group"} <= set(ways)
    assert ways[0] in ("compiler's own", "one group")
    (kept,) = [text for text in heard if text.startswith("kept: ")]
    assert kept == f"kept: {ways[0]}"
    steps = [float(line[40:].split()[0]) for line in lines]
    assert steps == sorted(steps)
    # Whatever is kept, the steps are the same.
    plain = _config(2)
    train.train_and_evaluate(plain, str(tmp_path / "plain"))
    (_, a), (_, b) = (
        _saved(tmp_path / "tuned", config),
        _saved(tmp_path / "plain", plain),
    )
    for x, y in zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_run_goes_on_on_another_number_of_devices(tmp_path, monkeypatch, caplog):
    """Half the devices take twice the samples each: the same step, other roundings."""
    monkeypatch.setattr("inverse.training_run.log.propagate", True)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train.train_and_evaluate(_config(6), str(whole))
    train.train_and_evaluate(_config(3), str(parts))
    halved = _config(6)
    halved.per_device_batch_size = 2
    with monkeypatch.context() as patch:
        four = jax.devices()[:4]
        patch.setattr(jax, "devices", lambda *args: four)
        patch.setattr(ReductionPlan, "digest", lambda plan: "another plan")
        train.train_and_evaluate(halved, str(parts))
    assert "grouped in another way than before step 3" in caplog.text
    (step, a), (other, b) = _saved(whole, _config()), _saved(parts, halved)
    assert step == other == 6
    for x, y in zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)


def test_positions_are_laid_out_where_they_were_scanned():
    patterns = np.zeros((1, 8, 8, 4), np.float32)
    patterns[0, 0:4, 4:8, 2] = 1.0  # row 1, column 0; bin (0, 1)
    scaled = Normalisation("positions", (2, 2), 2, "linear", 3.0, 0.0, 1.0)
    found = np.asarray(scaled.patterns(patterns))
    expected = np.zeros((1, 8, 8, 4))
    expected[0, 4:8, 0:4, 1] = 3.0
    np.testing.assert_array_equal(found, expected)


def test_densities_keep_their_scale():
    scaled = Normalisation("patterns", (2, 2), 1, "sqrt", 1.0, 40.0, 8.0)
    density = np.array([0.0, 40.0, 56.0])
    np.testing.assert_allclose(scaled.density(density), [-5, 0, 2])
    np.testing.assert_allclose(scaled.to_density(scaled.density(density)), density)


@pytest.fixture
def heard(monkeypatch, caplog):
    for module in ("parallel.first_bad", "inverse.recovery"):
        monkeypatch.setattr(f"{module}.log.propagate", True)
    return caplog


def _with(faults):
    return Survival(faults=parse_faults(faults))


def test_a_state_that_breaks_is_named_and_goes_back_to_the_last_checkpoint(
    tmp_path, heard
):
    config = _config(9)
    config.log_every_steps = 1
    config.evaluation.every_steps = 9
    train.train_and_evaluate(config, str(tmp_path), _with("nan@4"))
    assert "step 4: loss is not finite, the step is not applied; params/" in heard.text
    assert "the last 1 steps were not finite; back to step 3" in heard.text
    record = json.loads((tmp_path / "bad_numbers" / "step-000004.json").read_text())
    assert record["first_bad"] == "loss" and record["replay_from_checkpoint"] == 3
    assert record["first_bad_in_state"].startswith("params/")
    for step in (6, 9):
        found = Checkpointer(tmp_path / "checkpoints", keep=None)
        setup = make_setup(config)
        state = found.restore(step, setup.abstract_state(setup.state_layout))
        found.close()
        assert int(state.step) == step
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(jax.device_get(state)))


@pytest.mark.slow
def test_a_state_that_breaks_again_ends_the_run_in_one_line(tmp_path, heard):
    config = _config(9)
    config.log_every_steps = 1
    with pytest.raises(RunError, match="not finite, again, after going back to step 3"):
        train.train_and_evaluate(config, str(tmp_path), _with("nan@4,nan@5"))
    # Nothing of that was saved.
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} == {"3"}
