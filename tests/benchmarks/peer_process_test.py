"""A peer that cannot work here says so in a line, and the others are measured."""

import functools
import pathlib
import sys

import pytest

from benchmarks import peers
from benchmarks.peer_process import CannotRun, PeerProcess, start_all

PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[1])
from on_request import serve

def step():
    if "broken" in sys.argv:
        raise RuntimeError("no compiler\\nof any kind in /usr/bin.")
    time.sleep(0.01)

serve(step, "1.0", is_tried="tried" in sys.argv)
"""
COMMAND = [sys.executable, "-c", PROGRAM, str(pathlib.Path(peers.__file__).parent)]


def test_a_peer_takes_steps_on_request():
    peer = PeerProcess([*COMMAND, "tried"])
    assert peer.version == "1.0"
    assert 0.03 <= peer.seconds(3) < 3
    peer.close()


def test_a_peer_that_cannot_is_left_out_and_says_why_in_one_line(capsys):
    every = {"eager": (), "compile": ("tried", "broken")}
    running, unable = start_all(
        {
            name: functools.partial(PeerProcess, [*COMMAND, *w])
            for name, w in every.items()
        }
    )
    assert list(running) == ["eager"]
    assert unable == {"compile": "RuntimeError: no compiler of any kind in PATH"}
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("compile: cannot run here (RuntimeError: no compiler")
    assert running["eager"].seconds(1) > 0
    running["eager"].close()


def test_a_peer_that_ends_without_a_word_is_no_peer():
    with pytest.raises(CannotRun, match="without a word"):
        PeerProcess([sys.executable, "-c", ""])
