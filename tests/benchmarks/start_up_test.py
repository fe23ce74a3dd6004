"""The clock of a start stops at the first step, and no run is left behind."""

import os

import pytest

from benchmarks.start_up import seconds_to_first_step


def test_a_start_is_timed_to_its_first_step(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    arguments = ["--config=configs/digits.py:smoke", "--config.evaluation.networks=()"]
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    seen = seconds_to_first_step(arguments, tmp_path / "run", environment)
    assert 0 < seen["first_line"] < seen["first_step"]
    # To import JAX takes more than a core's second, and no more cores than there are.
    assert 1 < seen["core"] < os.cpu_count() * (seen["first_step"] + 5)
    assert not (tmp_path / "run" / "checkpoints" / "4").exists()


def test_a_run_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="did you mean 'tuned'"):
        arguments = ["--config=configs/digits.py:tunned"]
        seconds_to_first_step(arguments, tmp_path / "run", {})
