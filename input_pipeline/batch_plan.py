"""Which image stands where in a batch: a pure function of (seed, step)."""

from typing import NamedTuple

import numpy as np

from input_pipeline.flip import flip_keys, mirrored
from input_pipeline.label_partition import LabelPartition
from input_pipeline.shuffle import ShuffledSequence


class Picks(NamedTuple):
    """What one block of a batch is made of.

    Attributes:
      entries: the block's entries, int64 [entry].
      positions: places in every entry's endless sequence, int64 [example].
      images: numbers of images, int64 [entry, example].
      mirrored: which images are flipped left to right, bool [entry, example].
      examples: positions in the entry's whole batch, int32 [entry, example].
    """

    entries: np.ndarray
    positions: np.ndarray
    images: np.ndarray
    mirrored: np.ndarray
    examples: np.ndarray


class BatchPlan:
    """Picks the images of one block of entries and examples, for every step."""

    def __init__(
        self,
        partition: LabelPartition,
        *,
        entries: slice,
        examples: slice,
        batch_size: int,
        seed: int,
        flip: bool,
    ):
        """Creates the plan.

        Args:
          partition: images of every entry.
          entries: the block's entries.
          examples: the block's positions in every entry's batch.
          batch_size: of the whole batch of one entry.
          seed: of the shuffling and flipping.
          flip: mirror every second image left to right, at random.
        """
        self._entries = np.arange(len(partition.indices))[entries]
        self._examples = np.arange(batch_size)[examples]
        if not (len(self._entries) and len(self._examples)):
            raise ValueError(f"an empty block: {entries=}, {examples=}, {batch_size=}.")
        self._batch_size = batch_size
        self._flip_keys = flip_keys(seed, self._entries) if flip else None
        self._sequences = [
            ShuffledSequence(partition.indices[entry], seed, int(entry))
            for entry in self._entries
        ]

    def at(self, step: int) -> Picks:
        """Returns the picks of `step`, whichever steps were asked for before."""
        positions = step * self._batch_size + self._examples
        shape = (len(self._entries), len(self._examples))
        if self._flip_keys is None:
            flips = np.zeros(shape, bool)
        else:
            flips = mirrored(self._flip_keys, positions)
        return Picks(
            entries=self._entries,
            positions=positions,
            images=np.stack([s.at(positions) for s in self._sequences]),
            mirrored=flips,
            examples=np.tile(self._examples.astype(np.int32), (shape[0], 1)),
        )
