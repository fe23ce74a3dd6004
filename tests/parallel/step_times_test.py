"""Slow processes are told from those that wait for them."""

import numpy as np
import pytest

from parallel import step_times
from parallel.step_times import StepTimes
from parallel.time_log import Phase, TimeLog


@pytest.fixture
def several(monkeypatch):
    """Says what four processes took [s], this one being the second."""

    def others(took, host):
        def of_all(mine):
            found = np.array([took, host]).T * 1e6
            found[1] = mine
            return found

        monkeypatch.setattr(step_times.jax, "process_count", lambda: 4)
        monkeypatch.setattr(step_times, "of_all", of_all)

    return others


def test_a_slow_process_is_named_with_its_ratio():
    found = step_times._compared(
        np.array([[1.0, 0.1], [1.0, 0.2], [1.5, 0.1], [1.0, 0.1]])
    )
    assert found["slowest_process"] == 2 and found["slowest_step_ratio"] == 1.5
    assert found["busiest_host"] == 1
    assert found["busiest_host_share"] == pytest.approx(0.2 / 1.5)
    assert found["median_host_share"] == pytest.approx(0.1 / 1.5)


def test_steps_that_took_no_time_are_not_compared():
    assert step_times._compared(np.zeros((3, 2))) == {}


def test_one_process_compares_nothing(tmp_path):
    assert StepTimes(TimeLog(tmp_path, enabled=False)).compare(np.zeros(2)) == {}


def test_what_is_not_training_does_not_count(several, tmp_path, monkeypatch):
    log = TimeLog(tmp_path, enabled=False)
    clock = [100.0]
    monkeypatch.setattr("parallel.time_log.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("parallel.step_times.time.monotonic", lambda: clock[0])
    log.now(Phase.STEP, 0)
    times = StepTimes(log)
    for phase, seconds in [(Phase.INPUT, 1), (Phase.CHECKPOINT, 2), (Phase.STEP, 50)]:
        clock[0] += seconds  # in the phase before
        log.now(phase, 1)
    clock[0] += 4
    with times.waiting():
        clock[0] += 30
    # 1 s in a step, 2 s for an input, 50 s for a checkpoint, 4 s in a step, and 30 s
    # for the others.
    several([7.0, 0, 7.0, 3.5], [1.0, 0, 1.0, 1.0])
    found = times.compare(np.zeros(2))
    assert found["slowest_step_ratio"] == 1.0
    assert found["busiest_host"] == 1 and found["busiest_host_share"] == 1.0
