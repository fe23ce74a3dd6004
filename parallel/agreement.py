"""Small numbers that all processes must hold alike before they act on them."""

import jax
import numpy as np
from jax.experimental import multihost_utils


def from_first(number: int) -> int:
    """The first process's `number` (int32), on all."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def list_from_first(numbers: list[int]) -> list[int]:
    """The first process's `numbers` (int32), however many, on all."""
    if jax.process_count() == 1:
        return numbers
    count = from_first(len(numbers))
    own = np.resize(np.asarray(numbers or [0], np.int32), count)
    return multihost_utils.broadcast_one_to_all(own).tolist() if count else []


def of_all(numbers: list[int]) -> np.ndarray:
    """Everybody's `numbers` (int32, as many on each): [process, number]."""
    mine = np.asarray(numbers, np.int32)
    if jax.process_count() == 1:
        return mine[None]
    return multihost_utils.process_allgather(mine)
