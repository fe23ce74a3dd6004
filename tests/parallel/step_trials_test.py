"""The faster way is chosen, by the slowest process, wherever it stands."""

import time

import pytest

from parallel.step_trials import take_turns


def _takes(seconds, log=None, name=""):
    def step():
        if log is not None:
            log.append(name)
        time.sleep(seconds)

    return step


@pytest.mark.parametrize("names", [("slow", "fast"), ("fast", "slow")])
def test_the_faster_way_is_chosen(names):
    ways = {name: _takes({"slow": 0.03, "fast": 0.001}[name]) for name in names}
    times = take_turns(ways, rounds=3)
    assert times.fastest == "fast"
    assert times.median("slow") >= 0.03
    assert len(times.seconds["slow"]) == 3


def test_a_way_that_is_slow_on_another_process_is_not_chosen():
    """Here both are alike; elsewhere the first takes a second more."""
    elsewhere = iter([1.0, 0.0])

    def slowest(seconds):
        more = next(elsewhere)
        return [took + more for took in seconds]

    ways = {"a": _takes(0.001), "b": _takes(0.001)}
    assert take_turns(ways, 2, slowest).fastest == "b"


def test_ways_take_turns_after_one_step_that_does_not_count():
    log = []
    ways = {name: _takes(0, log, name) for name in "ab"}
    times = take_turns(ways, rounds=2)
    assert log == ["a", "b"] * 3
    assert all(len(seconds) == 2 for seconds in times.seconds.values())


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(ValueError, match="no choice"):
        take_turns({}, 3)
