"""A wait for devices is theirs, a wait for the input the input's."""

import json
import threading
import time

import jax.numpy as jnp
import pytest

from parallel.device_clock import DeviceClock
from parallel.time_log import TIME_LOG, Phase, TimeLog
from parallel.watchdog import Watch

_SECONDS = 0.3


class Busy:
    """Stands for an array that devices still make; a CPU may make one at once."""

    def __init__(self, seconds: float, error: Exception | None = None):
        self._until, self._error = time.monotonic() + seconds, error

    def block_until_ready(self):
        time.sleep(max(self._until - time.monotonic(), 0))
        if self._error:
            raise self._error


def test_devices_are_idle_only_after_they_were_done():
    with DeviceClock() as clock:
        start = time.monotonic()
        time.sleep(0.01)
        assert clock.idle_since(start) > 0  # nothing was given
        clock.given(Busy(_SECONDS))
        assert clock.idle_since(start) == 0
        time.sleep(2 * _SECONDS)
        done = time.monotonic()
        assert 0 < clock.idle_since(start) <= done - start - _SECONDS + 0.05
        assert clock.idle_since(done) == pytest.approx(0, abs=0.05)


def test_devices_that_hang_do_not_keep_a_process():
    """An interpreter waits at its end for all threads but daemons."""
    with DeviceClock() as clock:
        clock.given(Busy(_SECONDS))
        found = [t for t in threading.enumerate() if t.name == "device-clock"]
        assert found and all(thread.daemon for thread in found)


def test_a_step_that_fails_ends_as_well():
    with DeviceClock() as clock:
        start = time.monotonic()
        clock.given(Busy(0, ValueError("of a device")))
        time.sleep(_SECONDS)
        assert clock.idle_since(start) > 0


@pytest.mark.parametrize("is_devices", [True, False])
def test_what_is_waited_for_is_charged(tmp_path, is_devices):
    """The same wait, for a step that is under way or for a batch that is late."""

    def batches():
        yield 0, None
        time.sleep(_SECONDS)
        yield 1, None

    with TimeLog(tmp_path, enabled=True) as log, DeviceClock() as clock:
        watch = Watch(tmp_path, 0, log)
        for _ in watch.inputs(batches(), clock=clock):
            clock.given(Busy(3 * _SECONDS) if is_devices else jnp.zeros(()))
        watch.now(Phase.CHECKPOINT, 2)
    lines = map(json.loads, (tmp_path / TIME_LOG).read_text().splitlines())
    spent = dict.fromkeys(("input", "step"), 0.0)
    for line in lines:
        for phase, seconds in line.get("seconds", {}).items():
            spent[phase] = spent.get(phase, 0.0) + seconds
    charged, other = ("step", "input") if is_devices else ("input", "step")
    assert spent[charged] >= 0.9 * _SECONDS
    assert spent[other] <= 0.5 * _SECONDS
