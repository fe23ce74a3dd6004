"""Laws of whole runs: exact resume, recovery of one label."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from configs import digits
from gan.check_config import Facts
from gan.recovery import Recovery
from gan.setup import make_setup, make_step
from gan.train import train_and_evaluate
from gan.training_run import TrainingRun
from input_pipeline.errors import DataError
from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from parallel.fault_injection import parse_faults
from parallel.preemption import Stopped
from parallel.survival import Survival
from parallel.workdir_lock import WorkdirLock
from tests.gan.small_run import saved_arrays, small_run_config

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _losses(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    names = ("step", "generator_loss_median", "discriminator_loss_median")
    return [[json.loads(line)[name] for name in names] for line in lines]


def _assert_equal(left, right):
    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def test_a_run_that_was_stopped_ends_bit_for_bit_like_one_that_was_not(
    uninterrupted, tmp_path
):
    train_and_evaluate(small_run_config(4), str(tmp_path))
    train_and_evaluate(small_run_config(6), str(tmp_path))
    _assert_equal(saved_arrays(tmp_path, 6), saved_arrays(uninterrupted, 6))
    assert _losses(tmp_path) == _losses(uninterrupted)


def test_a_complete_run_says_so_and_changes_nothing(uninterrupted, tmp_path, caplog):
    shutil.copytree(uninterrupted, tmp_path / "run")
    before = _losses(tmp_path / "run")
    with caplog.at_level("INFO"):
        assert train_and_evaluate(small_run_config(6), str(tmp_path / "run")) == {}
    assert "complete: step 6, config.num_steps=6" in caplog.text
    assert _losses(tmp_path / "run") == before


def test_a_checkpoint_is_continued_on_another_number_of_devices(
    uninterrupted, tmp_path, monkeypatch
):
    one = jax.devices()[:1]
    with monkeypatch.context() as patch:
        patch.setattr(jax, "devices", lambda *args: one)
        train_and_evaluate(small_run_config(4), str(tmp_path))
    train_and_evaluate(small_run_config(6), str(tmp_path))
    found, expected = saved_arrays(tmp_path, 6), saved_arrays(uninterrupted, 6)
    for left, right in zip(
        jax.tree.leaves(found.generator.params),
        jax.tree.leaves(expected.generator.params),
        strict=True,
    ):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)


_PROGRAM = """
import sys
from tests.gan.small_run import small_run_config
from gan.train import train_and_evaluate
train_and_evaluate(small_run_config(int(sys.argv[2])), sys.argv[1])
"""


def _in_a_process(workdir, num_steps):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=1"
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(workdir), str(num_steps)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_a_killed_process_goes_on_and_ends_bit_for_bit_alike(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = _in_a_process(killed, 40)
    deadline = time.monotonic() + 120
    while not (killed / "checkpoints" / "4").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    steps = [
        int(p.name) for p in (killed / "checkpoints").iterdir() if p.name.isdigit()
    ]
    assert max(steps) < 40, "it was killed too late to prove anything"
    for workdir in (killed, whole):
        assert _in_a_process(workdir, 40).wait() == 0
    _assert_equal(saved_arrays(killed, 40), saved_arrays(whole, 40))
    assert _losses(killed) == _losses(whole)


def test_who_stops_a_run_does_not_wait_for_its_scores(tmp_path, monkeypatch):
    done = []
    for name in ("save", "score"):
        real = getattr(TrainingRun, name)

        def noted(run, step, name=name, real=real):
            done.append((name, step))
            return real(run, step)

        monkeypatch.setattr(TrainingRun, name, noted)
    config = small_run_config(6, evaluation__every_steps=2)
    config.checkpoint_every_steps = 2
    with pytest.raises(Stopped):
        train_and_evaluate(
            config, str(tmp_path), Survival(faults=parse_faults("term@1"))
        )
    assert done == [("save", 2), ("score", 2)]


def test_a_run_is_watched_and_locked_before_it_looks_for_its_data(
    tmp_path, monkeypatch
):
    """That is where a file system hangs first."""
    seen = {}

    def load(config):
        seen["lock"] = (tmp_path / "run.lock").exists()
        seen["watch"] = "watchdog" in [t.name for t in threading.enumerate()]
        raise DataError("gone")

    monkeypatch.setattr("gan.data.load_training_set", load)
    with pytest.raises(DataError, match="gone"):
        train_and_evaluate(small_run_config(), str(tmp_path), Survival(stuck_after=60))
    assert seen == {"lock": True, "watch": True}


def test_a_workdir_of_another_configuration_is_refused_and_left_alone(uninterrupted):
    before = (uninterrupted / "config.json").read_text()
    with pytest.raises(RunError, match="config.seed is 0 there and 7 here"):
        train_and_evaluate(small_run_config(6, seed=7), str(uninterrupted))
    assert (uninterrupted / "config.json").read_text() == before


def test_a_stuck_label_goes_back_alone_to_its_last_good_state(uninterrupted):
    setup = make_setup(small_run_config(), Facts(10, 1), jax.devices()[:1])
    checkpointer = Checkpointer(uninterrupted / "checkpoints", keep=None)
    good = checkpointer.restore(6, setup.abstract_state(setup.state_layout))
    expected = jax.device_get(good)
    poisoned = jax.tree.map(
        lambda x: x.at[3].set(np.nan) if x.dtype == np.float32 else x, good
    )
    poisoned = poisoned.replace(
        skipped_in_a_row=poisoned.skipped_in_a_row.at[3].set(10)
    )
    _assert_equal(Recovery(setup, checkpointer).mend(poisoned), expected)


def test_a_label_that_only_skipped_a_step_keeps_what_it_learnt(uninterrupted):
    setup = make_setup(small_run_config(), Facts(10, 1), jax.devices()[:1])
    checkpointer = Checkpointer(uninterrupted / "checkpoints", keep=None)
    good = checkpointer.restore(6, setup.abstract_state(setup.state_layout))
    learnt = jax.tree.map(
        lambda x: x.at[3].add(1) if x.dtype == np.float32 else x, good
    ).replace(skipped_in_a_row=good.skipped_in_a_row.at[3].set(1))
    expected = jax.device_get(learnt)
    recovery = Recovery(setup, checkpointer)
    kept = recovery.mend(learnt, is_kept=True)
    _assert_equal(kept, expected)
    broken = kept.replace(ema=jax.tree.map(lambda x: x.at[3].set(np.inf), kept.ema))
    mended = recovery.mend(broken, is_kept=True)
    _assert_equal(mended.ema, jax.device_get(good.ema))


def test_who_is_refused_by_another_run_leaves_no_word_in_its_workdir(tmp_path):
    with WorkdirLock(tmp_path), pytest.raises(RunError, match="is in use"):
        train_and_evaluate(small_run_config(6), str(tmp_path))
    assert not (tmp_path / "config.json").exists()


def _poison(state, where, value):
    """Puts `value` into label 3, in parameters, moments or averages."""
    leaves = {
        "parameters": lambda s: s.discriminator.params,
        "moments": lambda s: s.generator.opt_state,
        "averages": lambda s: s.ema,
    }[where](state)
    broken = [x for x in jax.tree.leaves(leaves) if x.dtype == np.float32]

    def change(leaf):
        return leaf.at[3].set(value) if any(leaf is x for x in broken) else leaf

    return jax.tree.map(change, state)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("parameters", np.nan),
        pytest.param("moments", np.nan, marks=pytest.mark.slow),
        pytest.param("moments", np.inf, marks=pytest.mark.slow),
        pytest.param("averages", np.nan, marks=pytest.mark.slow),
    ],
)
def test_a_label_that_breaks_anywhere_is_named_and_mended_and_no_other_changes(
    where, value, uninterrupted, tmp_path, monkeypatch, caplog
):
    def make_poisoned_step(config, setup):
        step, calls = make_step(config, setup), []

        def poisoned_step(state, batches, key):
            calls.append(None)
            # Right before the step whose result is saved.
            return step(
                _poison(state, where, value) if len(calls) == 4 else state, batches, key
            )

        return poisoned_step

    monkeypatch.setattr("gan.train.make_step", make_poisoned_step)
    with caplog.at_level("WARNING"):
        train_and_evaluate(small_run_config(6), str(tmp_path))
    assert "label 3" in caplog.text
    assert "back to step 2" in caplog.text
    found, expected = saved_arrays(tmp_path, 6), saved_arrays(uninterrupted, 6)
    others = [label for label in range(10) if label != 3]
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a[others], b[others])
        assert np.isfinite(a).all()
    assert found.skipped[3] == 1


def test_what_is_kept_as_the_best_is_healthy_in_every_label(tmp_path, monkeypatch):
    """The label breaks in the step before a score, where nothing else is due."""

    def make_poisoned_step(config, setup):
        step, calls = make_step(config, setup), []

        def poisoned_step(state, batches, key):
            calls.append(None)
            state = _poison(state, "averages", np.nan) if len(calls) == 3 else state
            return step(state, batches, key)

        return poisoned_step

    monkeypatch.setattr("gan.train.make_step", make_poisoned_step)
    config = digits.get_config("smoke")
    config.num_steps = config.evaluation.every_steps = 3
    train_and_evaluate(config, str(tmp_path))
    setup = make_setup(config, Facts(10, 1), jax.devices()[:1])
    best = Checkpointer(tmp_path / "best", keep=None)
    state = best.restore(3, setup.abstract_state(setup.state_layout))
    for leaf in jax.tree.leaves(jax.device_get(state)):
        assert np.isfinite(leaf).all()


def test_a_run_that_stopped_between_dispatches_is_not_passed_over(tmp_path):
    """Dispatches of 4 steps from step 2 on would meet no cadence and not the end."""
    train_and_evaluate(small_run_config(2), str(tmp_path))
    changes = {"parallel__steps_per_dispatch": 4, "checkpoint_every_steps": 4}
    changes |= {"log_every_steps": 4, "sample_every_steps": 4}
    changes |= {"evaluation__every_steps": 4}
    with pytest.raises(
        ValueError, match="steps_per_dispatch=4: does not divide step 2"
    ):
        train_and_evaluate(small_run_config(8, **changes), str(tmp_path))


def test_a_run_leaves_pictures_numbers_and_its_configuration(uninterrupted):
    names = {path.name for path in uninterrupted.iterdir()}
    assert {"fakes-000004.png", "fakes-000006.png", "reals.png"} <= names
    assert {"config.json", "versions.json", "metrics.jsonl", "events"} <= names
