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
        num_examples: int = 0,
        keep: bool = True,
    ):
        """Creates the block.

        Args:
          examples_at: numbers uint32 [n, 2] -> examples.
          batch_size: of the whole batch, over all processes.
          block: this process's positions in every batch.
          num_examples: after so many the first ones come again; 0: every batch is
            new. A multiple of `batch_size`.
          keep: those that come again in memory.
        """
        if not 0 <= block.start < block.stop <= batch_size:
            raise ValueError(f"{block=} does not lie in a batch of {batch_size}.")
        if num_examples % batch_size:
            raise ValueError(
                f"{num_examples=} does not divide into batches of {batch_size}."
            )
        self._examples_at = examples_at
        self._batch_size, self._block = batch_size, block
        self._period, self._kept = num_examples // batch_size, {}
        self._keep = keep and self._period > 0

    def numbers_at(self, step: int) -> np.ndarray:
        """Numbers [n, 2] of the block's examples at `step`."""
        start = (step % self._period if self._period else step) * self._batch_size
        positions = range(self._block.start, self._block.stop)
        whole = np.array([start + position for position in positions], np.uint64)
        halves = [whole >> np.uint64(32), whole & np.uint64(0xFFFFFFFF)]
        return np.stack(halves, axis=-1).astype(np.uint32)

    def batch_at(self, step: int) -> Any:
        """Returns the examples of `step`, whichever were asked for before."""
        if not self._keep:
            return self._examples_at(self.numbers_at(step))
        place = step % self._period
        if place not in self._kept:
            self._kept[place] = self._examples_at(self.numbers_at(step))
        return self._kept[place]
