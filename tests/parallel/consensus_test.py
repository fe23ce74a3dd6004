"""Processes that differ all stop, and all name the difference."""

import os
import pathlib
import socket
import subprocess
import sys

import flax
import jax
import pytest

from parallel import consensus
from parallel.consensus import first_difference, require_agreement, source_digest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
import jax

port, count, number, value = sys.argv[1:]
jax.config.update("jax_platforms", "cpu")
jax.distributed.initialize(f"localhost:{port}", int(count), int(number))
from parallel.consensus import require_agreement
from parallel.errors import RunError

held = {"plan": value, "config.seed": "0"}
if value == "absent":
    del held["plan"]
try:
    require_agreement(held)
    print("agreed")
except RunError as error:
    print(error)
"""


def _run(values):
    """What every process prints."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(port), str(len(values)), str(i), value],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i, value in enumerate(values)
    ]
    results = [process.communicate(timeout=120) for process in processes]
    assert all(p.returncode == 0 for p in processes), results
    # The transport reports its own connections first.
    return [out.splitlines()[-1] for out, _ in results]


def test_equal_processes_agree():
    assert _run(["abc", "abc"]) == ["agreed"] * 2


@pytest.mark.parametrize("other", ["abd", "absent", "x" * 1000])
def test_one_that_differs_stops_all_and_all_name_key_and_values(other):
    said = _run(["abc", "abc", other])
    assert len(set(said)) == 1
    shown = {"absent": "nothing", "x" * 1000: "x" * 60 + "..."}.get(other, other)
    assert f"processes differ in plan: process 0, 1: abc; process 2: {shown}" in said[0]


def test_one_process_agrees_with_itself():
    require_agreement({"plan": "abc"})


def test_the_first_key_that_differs_is_named():
    held = [{"a": "1", "b": "2"}, {"a": "1", "b": "3"}]
    assert first_difference(held) == "processes differ in b: process 0: 2; process 1: 3"
    assert first_difference([held[0]] * 3) is None


def test_code_that_differs_has_another_digest(tmp_path):
    room = tmp_path / "room"
    room.mkdir()
    (room / "a.py").write_text("x = 1\n")
    first = source_digest([room])
    assert source_digest([room]) == first
    (room / "a.py").write_text("x = 2\n")
    second = source_digest([room])
    (room / "a.py").rename(room / "b.py")
    assert len({first, second, source_digest([room])}) == 3


def test_a_run_is_its_configuration_its_versions_and_its_code(monkeypatch):
    """What is compared between processes, of which those of a machine are left out."""
    held = []
    monkeypatch.setattr(consensus, "require_agreement", held.append)
    config = {"seed": 3, "dataset": {"data_dir": "here", "name": "digits"}}
    consensus.require_same_run(config, ("dataset.data_dir",))
    (mine,) = held
    assert mine["config.seed"] == "3" and mine["config.dataset.name"] == "'digits'"
    assert "config.dataset.data_dir" not in mine
    assert mine["jax"] == jax.__version__ and mine["flax"] == flax.__version__
    rooms = [ROOT / name for name in ("gan", "input_pipeline", "inverse", "parallel")]
    assert mine["code"] == source_digest(rooms)
