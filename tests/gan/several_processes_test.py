"""Runs of several processes: stopped, killed, hung, incomplete, disagreeing."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from PIL import Image

from gan.check_config import Facts
from gan.setup import make_setup
from parallel.metric_writers import tile
from parallel.time_report import read_report
from tests.gan.small_run import saved_arrays, small_run_config

pytestmark = [pytest.mark.slow, pytest.mark.alone]
ROOT = pathlib.Path(__file__).resolve().parents[2]
DIGITS = (
    "--config=configs/digits.py:smoke",
    "--config.evaluation.networks=()",
    "--config.checkpoint_every_steps=2",
    "--config.log_every_steps=2",
    "--config.parallel.entry_loop=vmap",  # compiles soonest
)
PROGRAM = """
import sys, time
import parallel.mesh, main

def join(*by_hand, initialize=parallel.mesh.initialize, seconds=int(sys.argv.pop(1))):
    initialize(*by_hand, start_seconds=seconds)
    print("joined at", time.time(), file=sys.stderr, flush=True)

parallel.mesh.initialize = join
main.app.run(main.main, flags_parser=main._parse_flags)
"""


def _free_port():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def _running(workdir, numbers, *flags, count=None, own=None, start_seconds=60):
    """Starts processes `numbers` of `count`; ends what is left of them."""
    port, count = _free_port(), count or len(numbers)
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=1"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(start_seconds), *DIGITS]
            + [f"--workdir={workdir}", f"--coordinator=localhost:{port}"]
            + [f"--num_processes={count}", f"--process_id={number}", *flags]
            + list((own or {}).get(number, ())),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in numbers
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stderr.close()


def _wait_for(path, processes, seconds=200):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert all(p.poll() is None for p in processes), [
            p.stderr.read() for p in processes if p.poll() is not None
        ]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _ends(processes, seconds):
    """(exit code, what it said) of each; all within `seconds`."""
    deadline = time.monotonic() + seconds
    return [
        (said, p.returncode)
        for p in processes
        for said in [p.communicate(timeout=max(deadline - time.monotonic(), 1))[1]]
    ]


def _complete(workdir, numbers, steps, *flags):
    steps = f"--config.num_steps={steps}"
    with _running(workdir, numbers, steps, *flags) as processes:
        for said, code in _ends(processes, 300):
            assert code == 0, said


def _assert_same(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sigterm_to_one_of_two_saves_one_step_and_goes_on_bit_for_bit(tmp_path):
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    with _running(stopped, range(2), "--config.num_steps=100000") as processes:
        _wait_for(stopped / "checkpoints" / "2" / "manifest.json", processes)
        processes[1].send_signal(signal.SIGTERM)
        ends = _ends(processes, 60)
    steps = set()
    for said, code in ends:
        assert code == 75, said
        steps.add(re.search(r"from step (\d+), saved on SIGTERM", said)[1])
    assert len(steps) == 1
    step = int(steps.pop())
    assert (stopped / "checkpoints" / str(step) / "manifest.json").exists()
    for workdir in (stopped, whole):
        _complete(workdir, range(2), step + 4)
    _assert_same(saved_arrays(stopped, step + 4), saved_arrays(whole, step + 4))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("victim", [0, 1])
def test_others_end_in_30_s_when_one_of_two_is_killed_or_stopped(
    tmp_path, number, victim
):
    with _running(tmp_path, range(2), "--config.num_steps=100000") as processes:
        _wait_for(tmp_path / "checkpoints" / "2" / "manifest.json", processes)
        processes[victim].send_signal(number)
        ((said, code),) = _ends([processes[1 - victim]], 30)
    # Without a word: what JAX aborts itself (-6) counts as 76 in jobs/.
    assert code in (76, -6), said
    if number == signal.SIGSTOP and victim == 0:  # by which the others know each other
        assert re.search(r"process 0 on \S+ has given no sign of life for \d+ s", said)
    saved = (tmp_path / "checkpoints").iterdir()
    newest = max(int(path.name) for path in saved if path.name.isdigit())
    _complete(tmp_path, range(2), newest + 2)


@pytest.mark.parametrize("victim", [0, 1])
def test_the_error_of_one_process_is_told_by_the_other_and_ends_both_alike(
    tmp_path, victim
):
    """A restart would meet it again; the restart after that one is mended goes on."""
    flags = ("--config.num_steps=12", f"--inject=error@6:process={victim}")
    with _running(tmp_path, range(2), *flags) as processes:
        ends = _ends(processes, 120)
    told = rf"error: process {victim} on \S+ failed: RuntimeError: injected: error@6"
    assert [code for _, code in ends] == [1, 1], ends
    assert "RuntimeError: injected: error@6" in ends[victim][0]
    assert re.search(told, ends[1 - victim][0]), ends[1 - victim][0]
    _complete(tmp_path, range(2), 8)


def test_bad_input_of_one_process_before_the_first_step_is_told_by_the_other(tmp_path):
    """Only the second one's cache lies below a file."""
    (tmp_path / "file").write_text("no directory")
    own = {1: (f"--config.dataset.cache_dir={tmp_path / 'file' / 'cache'}",)}
    with _running(tmp_path, range(2), own=own) as processes:
        ends = _ends(processes, 120)
    assert [code for _, code in ends] == [1, 1], ends
    assert re.search(r"error: process 1 on \S+ failed: ", ends[0][0]), ends[0][0]


def test_a_process_that_does_not_come_is_named(tmp_path):
    with _running(tmp_path, (0, 1), count=3, start_seconds=8) as processes:
        for said, code in _ends(processes, 60):
            assert code == 76  # it may come when the job is started again
            assert "of 3 processes, process 2 did not report" in said


def test_a_process_with_another_configuration_is_named_before_the_first_step(tmp_path):
    own = {1: ("--config.seed=7",)}
    with _running(tmp_path, (0, 1), own=own) as processes:
        ends = _ends(processes, 90)
        ended = time.time()
    for said, code in ends:
        assert code == 1
        assert "differ in config.seed: process 0: 0; process 1: 7" in said
        joined = float(re.search(r"joined at (\S+)", said)[1])
        assert ended - joined < 10
    assert not (tmp_path / "checkpoints").exists()


def test_two_processes_draw_what_one_draws_from_their_checkpoint(tmp_path):
    """Each draws from the generators that it holds; rows must not be exchanged."""
    _complete(tmp_path, range(2), 4, "--config.optimizer.generator_learning_rate=0.05")
    setup = make_setup(small_run_config(), Facts(10, 1), jax.devices()[:1])
    state = saved_arrays(tmp_path, 4)
    columns = small_run_config().evaluation.grid_columns
    grid = setup.sampler.grid(state.ema, state.generator.batch_stats, columns)
    with Image.open(tmp_path / "fakes-000004.png") as picture:
        found = np.asarray(picture, int)
    expected = tile(grid).astype(int).reshape(found.shape)
    assert np.abs(found - expected).max() <= 1  # may round the other way
    rows = grid.astype(int)
    apart = [np.abs(rows[0] - rows[label]).max() for label in range(1, 10)]
    assert min(apart) > 10, "rows that look alike prove nothing"


def test_processes_with_workdirs_of_their_own_are_told_before_they_train(tmp_path):
    own = {1: (f"--workdir={tmp_path / 'another'}",)}
    with _running(tmp_path / "one", (0, 1), own=own) as processes:
        ends = _ends(processes, 150)
    assert [code for _, code in ends] == [1, 1], ends
    assert all("is not one directory: process 1 cannot see" in said for said, _ in ends)


def test_starting_over_is_agreed_on(tmp_path):
    with _running(tmp_path, (0, 1), own={1: ("--fresh",)}) as processes:
        ends = _ends(processes, 120)
    assert [code for _, code in ends] == [1, 1], ends
    assert all("processes differ in --fresh" in said for said, _ in ends)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_of_three_is_lost_and_named_and_the_restart_is_the_same_to_the_bit(
    tmp_path, number
):
    lost, whole = tmp_path / "lost", tmp_path / "whole"
    shared = ("--config.per_entry_batch_size=9",)  # that three devices can share
    with _running(lost, range(3), "--config.num_steps=100000", *shared) as processes:
        _wait_for(lost / "checkpoints" / "2" / "manifest.json", processes)
        processes[1].send_signal(number)
        for said, code in _ends([processes[0], processes[2]], 30):
            assert code != 0
            if number == signal.SIGSTOP:  # a killed one closes its connections
                assert re.search(r"stopped sending heartbeats\):\s+\S*\b1\b", said), (
                    said
                )
    saved = (lost / "checkpoints").iterdir()
    steps = 2 + max(int(path.name) for path in saved if path.name.isdigit())
    for workdir in (lost, whole):
        _complete(workdir, range(3), steps, *shared)
    _assert_same(saved_arrays(lost, steps), saved_arrays(whole, steps))


def test_a_process_that_is_stuck_is_named_and_ends_all_in_the_configured_time(tmp_path):
    """Its heart beats on: only the watch notices."""
    flags = ("--config.num_steps=100000", "--stuck_after=8")
    faults = "--inject=hang@6:process=1"
    with _running(tmp_path, range(2), *flags, faults) as processes:
        _wait_for(tmp_path / "injected.txt", processes)
        # Eight seconds to notice, and what it takes to say so.
        ends = _ends(processes, 8 + 10)
    assert [code for _, code in ends] == [76, 76]
    assert "process 1 on" in ends[1][0]
    assert "waiting for the input after step 6" in ends[1][0]
    stacks = (tmp_path / "stuck" / "process-1.txt").read_text()
    assert re.search(r"fault_injection.py\W+ line \d+ in inputs", stacks)


def test_a_slow_process_is_named_with_its_share_of_the_time(tmp_path):
    flags = ("--config.num_steps=24", "--config.log_every_steps=8")
    with _running(tmp_path, range(2), *flags, "--inject=slow@0:process=1") as processes:
        for said, code in _ends(processes, 200):
            assert code == 0, said
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert last["busiest_host"] == last["slowest_process"] == 1
    assert last["busiest_host_share"] > 1.1 * last["median_host_share"]
    assert last["slowest_step_ratio"] > 1.1
    # Eight steps of at least 0.1 s each.
    report = read_report(str(tmp_path))
    assert report.steps == 24 and report.seconds["productive"] > 1.5


def test_three_processes_that_ten_labels_leave_idle_are_refused_before_loading(
    tmp_path,
):
    workdir = tmp_path / "run"
    with _running(workdir, range(3), f"--config.dataset.cache_dir={tmp_path}") as three:
        for said, code in _ends(three, 120):
            assert code == 2, said
            assert "config.per_entry_batch_size=8: " in said
            assert "take 2 or 4 processes" in said
    assert not (workdir / "checkpoints").exists()
