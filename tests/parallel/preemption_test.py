"""Requests to stop: signals, the time limit, Ctrl-C once and twice."""

import os
import signal

import pytest

from parallel.preemption import Stopped, StopRequests, stop_between_parts


def test_nothing_is_asked_until_the_time_limit():
    with StopRequests(None) as stop:
        assert stop.request(1) == 0
    with StopRequests(1000.0) as stop:
        assert stop.request(1) == 0
    with StopRequests(0.0) as stop:
        stopped = Stopped(7, stop.request(1))
    assert str(stopped).endswith("from step 7, saved on its time limit.")
    assert stopped.exit_code == 75


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)],
)
def test_a_signal_is_a_request_and_names_itself(number, code):
    before = signal.getsignal(number)
    with StopRequests() as stop:
        os.kill(os.getpid(), number)
        stopped = Stopped(3, stop.request(1))
    assert number.name in str(stopped) and stopped.exit_code == code
    assert signal.getsignal(number) == before


def test_work_before_the_first_step_ends_between_its_parts():
    stop_between_parts(1)  # nobody listens
    with StopRequests():
        stop_between_parts(1)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped, match="with the data that are missing") as stopped:
            stop_between_parts(1)
    assert stopped.value.exit_code == 75
    stop_between_parts(1)


def test_a_second_ctrl_c_interrupts_at_once():
    with StopRequests():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_processes_stop_for_what_one_of_them_was_asked(monkeypatch):
    exchanged = []

    def of_all(mine):
        import numpy as np

        exchanged.append(mine)
        others = [0 if len(exchanged) < 3 else int(signal.SIGTERM), 100_000]
        return np.array([mine, others], np.int32)

    monkeypatch.setattr("parallel.preemption.of_all", of_all)
    with StopRequests() as stop:
        asked = [stop.request(2) for _ in range(21)]
    # The slowest takes 0.1 s a dispatch: they talk after the first and then every ten.
    assert asked == [0] * 20 + [signal.SIGTERM]
    assert len(exchanged) == 3
