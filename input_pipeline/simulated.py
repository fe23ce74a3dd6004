"""Batches that are made when they are wanted, a pure function of (seed, step)."""

from collections.abc import Callable
from typing import Any

import numpy as np


class SimulatedBatches:
    """One block of every step's batches of an endless, numbered set of examples.

    Example i is always the same one, whoever makes it, so that every batch can be made
    again, by any number of processes. Numbers are 64 bits wide as two halves, [n, 2]
    (high, low) uint32: what random keys are folded with.
    """

    def __init__(
        self,
        examples_at: Callable[[np.ndarray], Any],
        *,
        batch_size: int,
        block: slice,
        first: int = 0,
    ):
        """Creates the block.

        Args:
          examples_at: numbers uint32 [n, 2] -> examples.
          batch_size: of the whole batch, over all processes.
          block: this process's positions in every batch.
          first: number of the first example of step 0.
        """
        if not 0 <= block.start < block.stop <= batch_size:
            raise ValueError(f"{block=} does not lie in a batch of {batch_size}.")
        self._examples_at = examples_at
        self._batch_size, self._block, self._first = batch_size, block, first

    def numbers_at(self, step: int) -> np.ndarray:
        """Numbers [n, 2] of the block's examples at `step`."""
        start = self._first + step * self._batch_size
        positions = range(self._block.start, self._block.stop)
        whole = np.array([start + position for position in positions], np.uint64)
        halves = [whole >> np.uint64(32), whole & np.uint64(0xFFFFFFFF)]
        return np.stack(halves, axis=-1).astype(np.uint32)

    def batch_at(self, step: int) -> Any:
        """Returns the examples of `step`, whichever were asked for before."""
        return self._examples_at(self.numbers_at(step))
