"""The door, as people use it: commands, exit codes and one line per error."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from parallel.fault_injection import damage
from tests.gan.small_run import saved_arrays

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIGITS = "--config=configs/digits.py:smoke"
DISTORTION = "--config=configs/stem_distortion.py:smoke"


def _run(*arguments):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [sys.executable, "main.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


MISTAKES = {
    "no configuration": ((), 2, "--config is missing"),
    "no such file": (
        ("--config=configs/digit.py",),
        2,
        "did you mean 'configs/digits.py'",
    ),
    "unknown variant": (
        ("--config=configs/digits.py:tunned",),
        2,
        "did you mean 'tuned'",
    ),
    "unknown flag": ((DIGITS, "--mood=train"), 2, "did you mean --mode?"),
    "field without config": ((DIGITS, "--num_steps=3"), 2, "mean --config.num_steps?"),
    "field of a section": (
        (DISTORTION, "--dataset.num_examples=3"),
        2,
        "mean --config.dataset.num_examples?",
    ),
    "field of several sections": (
        (DISTORTION, "--num_examples=3"),
        2,
        "--config.dataset.num_examples or --config.evaluation.num_examples?",
    ),
    "an oxide misspelt": (
        (DISTORTION, "--config.prediction.oxide=SrTi03", "--dry_run"),
        2,
        "did you mean 'SrTiO3'",
    ),
    "a negative pixel": (
        (DISTORTION, "--config.prediction.pixel_a=-1.0", "--dry_run"),
        2,
        "config.prediction.pixel_a=-1.0: must be",
    ),
    "unknown mode": ((DIGITS, "--mode=trian"), 2, "did you mean 'train'"),
    "unknown field": (
        (DIGITS, "--config.model.latentsize=3", "--dry_run"),
        2,
        "=3: config.model has no field 'latentsize'; did you mean 'latent_size'",
    ),
    "a field like none": (
        (DIGITS, "--config.optimizer.learning_rat=3"),
        2,
        "=3: config.optimizer has no field 'learning_rat'; --dry_run prints all",
    ),
    "wrong type": ((DIGITS, "--config.num_steps=many", "--dry_run"), 2, "num_steps"),
    "wrong value": (
        (DIGITS, "--config.optimizer.loss=hing", "--dry_run"),
        2,
        "did you mean 'hinge'",
    ),
    "nothing to describe": (
        (DIGITS, "--workdir={tmp}", "--mode=sample", "--dry_run"),
        2,
        "with --mode=sample leave it out",
    ),
    "no workdir": ((DIGITS,), 2, "--workdir is missing"),
    "unknown fault": (
        (DIGITS, "--workdir={tmp}", "--inject=kil@3"),
        2,
        "--inject: 'kil@3': 'kil' is none of kill",
    ),
    "too large to simulate": (
        (
            "--config=configs/simulate.py",
            "--mode=simulate",
            "--dry_run",
            "--config.memory_gib=0.001",
        ),
        2,
        "a coarser scan, fewer gpts or more memory",
    ),
    "extra words": ((DIGITS, "now"), 2, "now"),
    "nothing trained": (
        (DIGITS, "--workdir={tmp}", "--mode=sample"),
        1,
        "no complete checkpoint",
    ),
    "no data": (
        (
            "--config=configs/mnist.py:smoke",
            "--config.dataset.data_dir={tmp}",
            "--workdir={tmp}/run",
        ),
        1,
        "config.dataset.data_dir",
    ),
    "unknown data set": (
        (DIGITS, "--config.dataset.name=digitz", "--workdir={tmp}"),
        2,
        "did you mean 'digits'",
    ),
    "unknown data set, nothing done": (
        (DIGITS, "--config.dataset.name=digitz", "--dry_run"),
        2,
        "did you mean 'digits'",
    ),
    "a folder that is not there": (
        (DIGITS, "--config.dataset.name=folder:{tmp}/pictures", "--dry_run"),
        2,
        "no such folder",
    ),
    "a way to resize that is none": (
        (DIGITS, "--config.dataset.resize=bicubic", "--workdir={tmp}"),
        2,
        "config.dataset.resize='bicubic'",
    ),
    "weights that are not there, nothing done": (
        (DIGITS, "--config.evaluation.networks=('inception_2015',)", "--dry_run"),
        2,
        "config.evaluation.inception_path",
    ),
    "wrong number of labels": (
        (DIGITS, "--config.dataset.num_labels=12", "--workdir={tmp}"),
        2,
        "config.dataset.num_labels=12",
    ),
    "weights that are not there": (
        (
            DIGITS,
            "--config.evaluation.networks=('inception_2015',)",
            "--workdir={tmp}/weights",
        ),
        2,
        "config.evaluation.inception_path",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_an_exit_code(mistake, tmp_path):
    arguments, code, words = MISTAKES[mistake]
    done = _run(*[a.format(tmp=tmp_path) for a in arguments])
    said = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == code, done.stderr
    assert len(said) == 1 and words in said[0], done.stderr
    assert "Traceback" not in done.stderr


def test_dry_run_tells_sizes_and_trains_nothing(tmp_path):
    arguments = ("--config=configs/cifar100.py", f"--workdir={tmp_path}", "--dry_run")
    done = _run(*arguments)
    assert done.returncode == 0, done.stderr
    for words in ("3,576,704", "2,765,568", "pairs 0..99 -> cpu:0", "steps: 2,000"):
        assert words in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_train_evaluate_and_sample(tmp_path):
    workdir = f"--workdir={tmp_path / 'run'}"
    trained = _run(DIGITS, workdir)
    assert trained.returncode == 0, trained.stderr
    assert "fakes-000004.png" in trained.stdout
    lines = (tmp_path / "run" / "eval.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 4
    assert any("own_label_accuracy" in name for name in json.loads(lines[-1]))
    evaluated = _run(DIGITS, workdir, "--mode=evaluate")
    assert evaluated.returncode == 0, evaluated.stderr
    again = (tmp_path / "run" / "eval.jsonl").read_text().splitlines()
    assert len(again) == len(lines) + 1
    names = [name for name in json.loads(lines[-1]) if name.startswith("fid")]
    for name in names:  # the same checkpoint, the same fakes, the same score
        assert json.loads(again[-1])[name] == json.loads(lines[-1])[name]
    report = _run("--mode=report", workdir)
    assert report.returncode == 0, report.stderr
    assert re.search(r"^goodput \d+\.\d %: 4 steps, 1 starts$", report.stdout, re.M)
    sampled = _run(DIGITS, workdir, "--mode=sample", "--labels=3,5", "--num=4")
    assert sampled.returncode == 0, sampled.stderr
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 2
    damage(tmp_path / "run" / "best" / "4", "flip")
    refused = _run(DIGITS, workdir, "--mode=sample")
    errors = [x for x in refused.stderr.splitlines() if x.startswith("error:")]
    assert refused.returncode == 1 and len(errors) == 1, refused.stderr
    assert "give --checkpoint=latest" in errors[0]
    assert _run(DIGITS, workdir, "--mode=sample", "--checkpoint=latest").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_run_that_is_interrupted_saves_and_says_how_to_go_on(tmp_path, number):
    # A shell's background jobs ignore the signal of Ctrl-C; this one must not.
    program = (
        "import runpy, signal; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_path('main.py', run_name='__main__')"
    )
    command = [sys.executable, "-c", program, DIGITS, f"--workdir={tmp_path / 'run'}"]
    process = subprocess.Popen(
        [*command, "--config.num_steps=100000", "--config.evaluation.networks=()"],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not (tmp_path / "run" / "checkpoints" / "4").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 75), said
    last = said.strip().splitlines()[-1]
    found = re.match(r"stopped: the same command goes on from step (\d+), saved", last)
    assert found, said
    assert (tmp_path / "run" / "checkpoints" / found[1] / "manifest.json").exists()
    assert "Traceback" not in said
    if number == signal.SIGTERM:
        _goes_on_to_the_bit(tmp_path, int(found[1]) + 2)


def _goes_on_to_the_bit(tmp_path, steps):
    """The run that was stopped ends as one that never was."""
    for name in ("run", "whole"):
        flags = (f"--workdir={tmp_path / name}", f"--config.num_steps={steps}")
        done = _run(DIGITS, *flags, "--config.evaluation.networks=()")
        assert done.returncode == 0, done.stderr
    found, expected = (
        saved_arrays(tmp_path / name, steps) for name in ("run", "whole")
    )
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)
