"""The clock of a start stops at the first step, and no run is left behind."""

import os

import pytest

from benchmarks.start_up import RUNS, arguments_of, seconds_to_first_step


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


def test_a_run_whose_data_is_not_here_is_left_out_in_a_line(tmp_path, capsys):
    told = {run: arguments_of(run, str(tmp_path)) for run in RUNS}
    left_out = [run for run, arguments in told.items() if arguments is None]
    wanted = ["mnist", "fashion_mnist", "cifar10", "cifar100", "imagenet"]
    assert left_out == [f"{name}:smoke" for name in wanted]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(wanted) and "does not hold imagenet" in lines[-1]
    assert told["stem_density:smoke"] == ["--config=configs/stem_density.py:smoke"]
    assert f"--config.dataset.data_dir={tmp_path}" in told["digits:smoke"]
