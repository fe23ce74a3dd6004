"""Small numbers that all processes must hold alike before they act on them."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from parallel.errors import PeerLostError


def _exchanged(exchange: Callable, numbers: Any) -> Any:
    """What back ends raise when a peer is gone looks like any error of a value."""
    try:
        return exchange(numbers)
    except Exception as error:
        raise PeerLostError(str(error)) from error


def from_first(number: int) -> int:
    """The first process's `number` (int32), on all.

    Raises:
      PeerLostError: another process is gone.
    """
    if jax.process_count() == 1:
        return number
    return int(_exchanged(multihost_utils.broadcast_one_to_all, np.int32(number)))


def list_from_first(numbers: list[int]) -> list[int]:
    """The first process's `numbers` (int32), however many, on all.

    Raises:
      PeerLostError: another process is gone.
    """
    if jax.process_count() == 1:
        return numbers
    count = from_first(len(numbers))
    if not count:
        return []
    own = np.resize(np.asarray(numbers or [0], np.int32), count)
    return _exchanged(multihost_utils.broadcast_one_to_all, own).tolist()


def of_all(numbers: list[int]) -> np.ndarray:
    """Everybody's `numbers` (int32, as many on each): [process, number].

    Raises:
      PeerLostError: another process is gone.
    """
    mine = np.asarray(numbers, np.int32)
    if jax.process_count() == 1:
        return mine[None]
    return _exchanged(multihost_utils.process_allgather, mine)
