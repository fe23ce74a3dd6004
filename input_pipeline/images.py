"""Batches of images as a pure function of (seed, step)."""

import functools

import numpy as np

from input_pipeline.arrays import LabelledImages
from input_pipeline.label_partition import LabelPartition

_SHUFFLING, _FLIPPING = 0, 1  # what a stream of random numbers is for


@functools.lru_cache(maxsize=4096)
def _permutation(seed: int, entry: int, epoch: int, num: int) -> np.ndarray:
    return np.random.default_rng((seed, _SHUFFLING, entry, epoch)).permutation(num)


def draw(
    indices: np.ndarray, seed: int, entry: int, positions: np.ndarray
) -> np.ndarray:
    """Picks images of one entry: every epoch visits each once, in a new order.

    Args:
      indices: the entry's images [m].
      seed: of the whole run.
      entry: the entry's number among all.
      positions: places [n] in the entry's endless sequence of images.

    Returns:
      Image numbers [n].
    """
    epochs, places = np.divmod(positions, len(indices))
    picked = np.empty(len(positions), np.int64)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        order = _permutation(seed, entry, int(epoch), len(indices))
        picked[here] = indices[order[places[here]]]
    return picked


def flips(seed: int, entry: int, step: int, batch_size: int) -> np.ndarray:
    """Which examples of an entry's batch are mirrored, bool [batch_size]."""
    return (
        np.random.default_rng((seed, _FLIPPING, entry, step)).random(batch_size) < 0.5
    )


class LabelBatches:
    """One block of entries and examples of every step's batches."""

    def __init__(
        self,
        images: LabelledImages,
        partition: LabelPartition,
        *,
        entries: slice,
        examples: slice,
        batch_size: int,
        seed: int,
        flip: bool,
    ):
        """Creates the block.

        Args:
          images: the data set.
          partition: images of every entry.
          entries: the block's entries.
          examples: the block's positions in every entry's batch.
          batch_size: of the whole batch of one entry.
          seed: of the shuffling and flipping.
          flip: mirror every second image left to right, at random.
        """
        self._images = images
        self._partition = partition
        self._entries = range(len(partition.indices))[entries]
        self._examples = np.arange(batch_size)[examples]
        self._batch_size = batch_size
        self._seed = seed
        self._flip = flip

    def batch_at(self, step: int) -> dict[str, np.ndarray]:
        """Returns the batch of `step`, whichever batches were asked for before.

        Returns:
          "image" uint8 [entry, example, y, x, c], "label" int32 [entry, example] and
          "example" int32 [entry, example], the position in the entry's whole batch.
        """
        shape = (len(self._entries), len(self._examples))
        image = np.empty((*shape, *self._images.image_shape), np.uint8)
        label = np.empty(shape, np.int32)
        positions = step * self._batch_size + self._examples
        for row, entry in enumerate(self._entries):
            indices = self._partition.indices[entry]
            picked = draw(indices, self._seed, entry, positions)
            image[row] = self._images.images[picked]
            label[row] = self._images.labels[picked]
            if self._flip:
                mirrored = flips(self._seed, entry, step, self._batch_size)
                mirrored = mirrored[self._examples]
                image[row, mirrored] = image[row, mirrored, :, ::-1]
        example = np.broadcast_to(self._examples.astype(np.int32), shape)
        return {"image": image, "label": label, "example": example}
