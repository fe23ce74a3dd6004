"""Faults on order: read in one line, happen when they should, and once."""

import pathlib
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from parallel import fault_injection
from parallel.errors import FaultError
from parallel.fault_injection import (
    Fault,
    FaultInjector,
    check_faults,
    damage,
    parse_faults,
    poisoned,
)
from parallel.manifest import why_not_good

GOLDEN = pathlib.Path(__file__).parent / "golden_checkpoint" / "5"


def test_a_list_of_faults_is_read():
    assert parse_faults("kill@7:process=1,nan@5:label=3,hang@9,flip@ckpt") == (
        Fault("kill@7:process=1", "kill", 7, process=1),
        Fault("nan@5:label=3", "nan", 5, label=3),
        Fault("hang@9", "hang", 9),
        Fault("flip@ckpt", "flip", None),
    )
    assert parse_faults("slow@0:seconds=0.5")[0].seconds == 0.5
    assert parse_faults("") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kill", "'kill' is not written KIND@STEP"),
        ("kil@7", "'kil' is none of kill, stop"),
        ("kill@ckpt", "the step='ckpt' must be a number"),
        ("nan@5:lable=3", "nan takes label, not 'lable'"),
        ("flip@2:process=1", "flip takes no option"),
        ("hang@3:seconds=soon", "seconds='soon' must be a number"),
        ("kill@-1", "is not written"),
        ("kill@7,kill@7", "twice"),
    ],
)
def test_a_mistake_in_it_is_one_line(text, words):
    with pytest.raises(ValueError, match=".*") as raised:
        parse_faults(text)
    assert words in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nan@1:label=99", "labels with parameters of their own: 10"),
        ("kill@3:process=5", "there are 1 processes"),
        ("kill@20", "ends at step 20"),
        ("flip@7", "saved are every 5 steps"),
    ],
)
def test_what_would_never_happen_is_refused(text, words):
    settings = {"num_steps": 20, "save_every": 5, "num_labels": 10}
    with pytest.raises(FaultError) as raised:
        check_faults(parse_faults(text), **settings)
    assert f"--inject={text}" in str(raised.value) and words in str(raised.value)
    possible = "nan@1:label=9,kill@19,flip@ckpt,flip@15,truncate@20,nan@2"
    check_faults(parse_faults(possible), **settings)


def test_signals_come_once_at_their_step_and_not_after_a_restart(tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(fault_injection.os, "kill", lambda _, n: sent.append(n.name))
    faults = parse_faults("kill@7,term@3,kill@5:process=1")
    for _ in range(2):
        injector = FaultInjector(faults, tmp_path)
        for first in range(0, 10, 2):  # dispatches of two steps
            injector.before(first, None, 2)
            said = sent[:]
            assert said == ["SIGTERM"] * (first >= 2) + ["SIGKILL"] * (first >= 6) or (
                len(said) == 2
            )
    assert sent == ["SIGTERM", "SIGKILL"]


def test_nan_comes_into_one_label_and_nothing_else(tmp_path):
    state = {
        "params": {"w": jnp.ones((4, 3)), "v": jnp.ones((4, 2))},
        "step": jnp.zeros(4, jnp.int32),
    }
    injector = FaultInjector(parse_faults("nan@5:label=3"), tmp_path)
    assert injector.before(4, state) is state
    broken = injector.before(5, state)
    bad = {k: np.isnan(v).any(axis=1).tolist() for k, v in broken["params"].items()}
    assert bad == {"v": [False, False, False, True], "w": [False] * 4}
    with pytest.raises(ValueError, match="label=4 is none of the 4"):
        poisoned(state, 4)


def test_an_input_comes_late(tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(fault_injection.time, "sleep", slept.append)
    injector = FaultInjector(parse_faults("hang@2:seconds=3,slow@1"), tmp_path)
    for first, _ in injector.inputs((step, None) for step in range(4)):
        injector.before(first, None)
        slept.append(first)
    assert slept == [0, 0.1, 1, 3, 0.1, 2, 0.1, 3]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("flip", "checksum differs"),
        ("truncate", "bytes instead"),
        ("delete", "missing"),
    ],
)
def test_a_checkpoint_is_damaged_so_that_it_is_noticed(kind, words, tmp_path):
    for step in (5, 6):
        shutil.copytree(GOLDEN, tmp_path / str(step))
    injector = FaultInjector(parse_faults(f"{kind}@ckpt"), tmp_path)
    for step in (5, 6):
        injector.saved(step, tmp_path)
    assert words in why_not_good(tmp_path / "5", 2)
    assert why_not_good(tmp_path / "6", 2) is None
    damage(tmp_path / "6", kind)
    assert words in why_not_good(tmp_path / "6", 2)
