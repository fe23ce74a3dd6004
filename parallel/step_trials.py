"""Chooses among ways to take a step by taking them, the same on every process.

Where one program holds everything, `tuner` compares compiled schedules instead; what a
thread and a network make of a step no compiler knows.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils


class StepTimes(NamedTuple):
    """How long steps took.

    Attributes:
      fastest: the way with the shortest median.
      seconds: way -> one duration per round, of the slowest process.
    """

    fastest: str
    seconds: dict[str, list[float]]

    def median(self, way: str) -> float:
        """Seconds of the middle round."""
        return statistics.median(self.seconds[way])


def slowest_process(seconds: list[float]) -> list[float]:
    """Each duration on the process where it was longest."""
    if jax.process_count() == 1:
        return seconds
    every = multihost_utils.process_allgather(np.array(seconds))
    return np.max(every, axis=0).tolist()


def take_turns(
    ways: Mapping[str, Callable[[], Any]],
    rounds: int,
    slowest: Callable[[list[float]], list[float]] = slowest_process,
) -> StepTimes:
    """Takes one step of every way in turn, so that a disturbance strikes all alike.

    All processes must call it with the same ways in the same order. The first way wins
    a draw; every way is warmed up by one step that does not count.

    Args:
      ways: name -> takes a whole step and returns its arrays.
      rounds: steps of each.
      slowest: durations of this process -> of the slowest one.

    Raises:
      ValueError: nothing to choose from.
    """
    if not ways or rounds < 1:
        raise ValueError(f"{len(ways)} ways in {rounds} rounds leave no choice.")
    for step in ways.values():
        jax.block_until_ready(step())
    seconds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, step in ways.items():
            start = time.perf_counter()
            jax.block_until_ready(step())
            seconds[name].append(time.perf_counter() - start)
    # Every process must come to the same choice, or they would reduce differently.
    agreed = {name: slowest(took) for name, took in seconds.items()}
    fastest = min(agreed, key=lambda name: statistics.median(agreed[name]))
    return StepTimes(fastest, agreed)
